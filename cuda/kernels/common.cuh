// What every kernel file shares: activation types, loads and stores of 8 columns at a time, dropout masks, sums over warps and rows.
//
// The unit of work is the *chunk*: 8 neighbouring columns of a row, held as floats. It is one 128-bit access in bf16 and f16, two in f32, and the 8
// half-words of one Philox block decide over exactly one chunk's dropout. A chunk that is cut off by the row's end, or a tensor whose rows do not start
// at 16-byte boundaries, takes the scalar path; what lies past the end reads as 0 and is never stored.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <type_traits>

#include "launch.h"
#include "node_bert/philox.h"

namespace node_bert::cuda {

// ---- types

__device__ __forceinline__ float to_float(float value) { return value; }
__device__ __forceinline__ float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ __forceinline__ float to_float(__half value) { return __half2float(value); }

// Rounded to nearest, ties to even.
template <class X>
__device__ __forceinline__ X from_float(float value) {
  if constexpr (std::is_same_v<X, __nv_bfloat16>) return __float2bfloat16_rn(value);
  else if constexpr (std::is_same_v<X, __half>) return __float2half_rn(value);
  else return value;
}

// visit(X{}) with the C++ type of `type`.
template <class Visit>
cudaError_t dispatch(DType type, Visit visit) {
  switch (type) {
    case DType::f32: return visit(float{});
    case DType::bf16: return visit(__nv_bfloat16{});
    case DType::f16: return visit(__half{});
  }
  return cudaErrorInvalidValue;
}

// ---- chunks

constexpr int CHUNK = 8;

struct Chunk {
  float at[CHUNK];
};

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Whether rows of `columns` elements of each pointer (null ones aside) can be read and written 128 bits at a time.
template <class... Pointers>
bool can_vectorize(int64_t columns, Pointers... pointers) {
  return columns % CHUNK == 0 && ((reinterpret_cast<uintptr_t>(pointers) | ...) & 15) == 0;
}

// A grid with one thread a chunk of an (rows, columns) tensor: thread t has chunk t % chunks of row t / chunks, in 32-bit arithmetic.
struct RowChunks {
  uint32_t chunks;  // a row
  unsigned blocks;
  bool fits;  // or the tensor has 2^35 elements and more

  RowChunks(int64_t rows, int64_t columns, int threads)
      : chunks(ceil_div(columns, CHUNK)), blocks(ceil_div(rows * chunks, threads)), fits(rows * chunks < UINT32_MAX - threads) {}
};

// The first `left` of the 8 elements at p, the others 0. vectorized: p is 16-byte aligned wherever left >= 8.
template <class X, class Left>
__device__ __forceinline__ Chunk load_chunk(const X* p, Left left, bool vectorized) {
  Chunk chunk;
  if (vectorized && left >= CHUNK) {
    if constexpr (std::is_same_v<X, float>) {
      const float4 a = reinterpret_cast<const float4*>(p)[0], b = reinterpret_cast<const float4*>(p)[1];
      chunk = {{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}};
    } else {
      const uint4 raw = *reinterpret_cast<const uint4*>(p);
      const uint32_t words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if constexpr (std::is_same_v<X, __nv_bfloat16>) {
          chunk.at[2 * k] = __uint_as_float(words[k] << 16);
          chunk.at[2 * k + 1] = __uint_as_float(words[k] & 0xFFFF0000u);
        } else {
          chunk.at[2 * k] = __half2float(__ushort_as_half(static_cast<uint16_t>(words[k])));
          chunk.at[2 * k + 1] = __half2float(__ushort_as_half(static_cast<uint16_t>(words[k] >> 16)));
        }
      }
    }
  } else {
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) chunk.at[i] = i < left ? to_float(p[i]) : 0.f;
  }
  return chunk;
}

__device__ __forceinline__ uint32_t pack2(__nv_bfloat16 low, __nv_bfloat16 high) {
  return static_cast<uint32_t>(__bfloat16_as_ushort(low)) | static_cast<uint32_t>(__bfloat16_as_ushort(high)) << 16;
}
__device__ __forceinline__ uint32_t pack2(__half low, __half high) {
  return static_cast<uint32_t>(__half_as_ushort(low)) | static_cast<uint32_t>(__half_as_ushort(high)) << 16;
}

template <class X, class Left>
__device__ __forceinline__ void store_chunk(X* p, const Chunk& chunk, Left left, bool vectorized) {
  if (vectorized && left >= CHUNK) {
    if constexpr (std::is_same_v<X, float>) {
      reinterpret_cast<float4*>(p)[0] = {chunk.at[0], chunk.at[1], chunk.at[2], chunk.at[3]};
      reinterpret_cast<float4*>(p)[1] = {chunk.at[4], chunk.at[5], chunk.at[6], chunk.at[7]};
    } else {
      uint32_t words[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) words[k] = pack2(from_float<X>(chunk.at[2 * k]), from_float<X>(chunk.at[2 * k + 1]));
      *reinterpret_cast<uint4*>(p) = {words[0], words[1], words[2], words[3]};
    }
  } else {
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) {
      if (i < left) p[i] = from_float<X>(chunk.at[i]);
    }
  }
}

// ---- dropout

// Dropout as a kernel argument, from the host's Dropout.
struct DropoutMask {
  uint32_t threshold, seed_low, seed_high, step, op;
  float scale;

  explicit DropoutMask(const Dropout& dropout)
      : threshold(nb_dropout_threshold(dropout.p)), seed_low(dropout.seed_low), seed_high(dropout.seed_high), step(dropout.step),
        op(dropout.op), scale(static_cast<float>(nb_dropout_scale(threshold))) {}

  // Multiplies columns 8 * index .. 8 * index + 7 of a row by 0 or by the scale.
  __device__ __forceinline__ void apply(Chunk& chunk, uint32_t row, uint32_t index) const {
    if (threshold == 0) return;
    const nb_philox_block block = nb_philox(index, row, op, step, seed_low, seed_high);
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) {
      const uint32_t bits = i % 2 == 0 ? block.word[i / 2] & 0xFFFFu : block.word[i / 2] >> 16;
      chunk.at[i] *= bits < threshold ? 0.f : scale;
    }
  }
};

// ---- indices

// index, or 0 with the error noted when it is outside 0 .. limit - 1.
__device__ __forceinline__ int64_t checked_index(int64_t index, int64_t limit, IndexError code, int* error) {
  if (index >= 0 && index < limit) return index;
  if (error != nullptr) atomicCAS(error, INDEX_OK, code);
  return 0;
}

// ---- sums, in an order that never changes

constexpr int WARP = 32;

template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int offset = WARP / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, offset);
  return value;
}

__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (int offset = WARP / 2; offset > 0; offset /= 2) value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, offset));
  return value;
}

// What WARPS warps hold together, `combine` of one value a warp. With WARPS = 1 the warp is any of its block, else the block consists of the WARPS.
// shared: WARPS values, free again on return.
template <int WARPS, class T, class Combine>
__device__ __forceinline__ T across_warps(T value, T* shared, Combine combine) {
  if constexpr (WARPS > 1) {
    if (threadIdx.x % WARP == 0) shared[threadIdx.x / WARP] = value;
    __syncthreads();
    value = shared[0];
#pragma unroll
    for (int warp = 1; warp < WARPS; ++warp) value = combine(value, shared[warp]);
    __syncthreads();
  }
  return value;
}

// The sum or the largest over the threads of WARPS warps; every thread gets it.
template <int WARPS, class T>
__device__ __forceinline__ T group_sum(T value, T* shared) {
  return across_warps<WARPS>(warp_sum(value), shared, [](T a, T b) { return a + b; });
}

template <int WARPS>
__device__ __forceinline__ float group_max(float value, float* shared) {
  return across_warps<WARPS>(warp_max(value), shared, [](float a, float b) { return fmaxf(a, b); });
}

}  // namespace node_bert::cuda
