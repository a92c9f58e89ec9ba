// fill, convert, add and dropout: y[i] = f(x[i]), a chunk of 8 elements a thread.
//
// Memory traffic: every operand once; nothing is kept for dropout's backward, which is the same call on dy.
// The convention a reader would get wrong: fill, convert and add see a tensor as a flat array, but dropout must know its rows, because the mask of an
// element is drawn for its row and column. A chunk never spans two rows there.
#include "common.cuh"

namespace node_bert::cuda {
namespace {

constexpr int THREADS = 256;

// The first element of this thread's chunk in a flat array.
__device__ __forceinline__ int64_t flat_offset() { return (int64_t{blockIdx.x} * THREADS + threadIdx.x) * CHUNK; }

template <class T>
__global__ void fill_kernel(T* y, int64_t count, T value, bool vectorized) {
  constexpr int WIDTH = 16 / sizeof(T);
  const int64_t begin = (int64_t{blockIdx.x} * THREADS + threadIdx.x) * WIDTH;
  if (vectorized && begin + WIDTH <= count) {
    uint32_t word = value;
    if constexpr (sizeof(T) == 1) word *= 0x01010101u;
    if constexpr (sizeof(T) == 2) word *= 0x00010001u;
    *reinterpret_cast<uint4*>(y + begin) = {word, word, word, word};
    return;
  }
  for (int i = 0; i < WIDTH; ++i) {
    if (begin + i < count) y[begin + i] = value;
  }
}

template <class From, class To>
__global__ void convert_kernel(const From* x, To* y, int64_t count, bool vectorized) {
  const int64_t i = flat_offset();
  store_chunk(y + i, load_chunk(x + i, count - i, vectorized), count - i, vectorized);
}

template <class X>
__global__ void add_kernel(const X* a, const X* b, X* y, int64_t count, bool vectorized) {
  const int64_t i = flat_offset();
  Chunk sum = load_chunk(a + i, count - i, vectorized);
  const Chunk other = load_chunk(b + i, count - i, vectorized);
#pragma unroll
  for (int k = 0; k < CHUNK; ++k) sum.at[k] += other.at[k];
  store_chunk(y + i, sum, count - i, vectorized);
}

template <class X>
__global__ void dropout_kernel(const X* x, X* y, uint32_t M, uint32_t chunks, int64_t K, DropoutMask mask, bool vectorized) {
  const uint32_t thread = blockIdx.x * THREADS + threadIdx.x;
  const uint32_t row = thread / chunks, index = thread % chunks;
  if (row >= M) return;
  const int64_t offset = row * K + index * CHUNK, left = K - index * CHUNK;
  Chunk chunk = load_chunk(x + offset, left, vectorized);
  mask.apply(chunk, row, index);
  store_chunk(y + offset, chunk, left, vectorized);
}

template <class T>
cudaError_t fill_with(const Launch& launch, void* y, int64_t count, T value) {
  const unsigned blocks = ceil_div(count, THREADS * (16 / sizeof(T)));
  const bool vectorized = reinterpret_cast<uintptr_t>(y) % 16 == 0;
  fill_kernel<T><<<blocks, THREADS, 0, launch.stream>>>(static_cast<T*>(y), count, value, vectorized);
  return cudaGetLastError();
}

unsigned flat_blocks(int64_t count) { return ceil_div(count, THREADS * CHUNK); }

bool float_type(nb_dtype type, DType* out) {
  *out = type == NB_BF16 ? DType::bf16 : type == NB_F16 ? DType::f16 : DType::f32;
  return type == NB_F32 || type == NB_BF16 || type == NB_F16;
}

size_t size_of(nb_dtype type) { return type == NB_F64 ? 8 : type == NB_F32 || type == NB_I32 ? 4 : type == NB_U8 ? 1 : 2; }

}  // namespace

cudaError_t fill(const Launch& launch, nb_dtype type, void* y, int64_t count, double value) {
  if (count == 0) return cudaSuccess;
  const float rounded = static_cast<float>(value);
  switch (type) {
    case NB_F32: return fill_with<uint32_t>(launch, y, count, __builtin_bit_cast(uint32_t, rounded));
    case NB_I32: return fill_with<uint32_t>(launch, y, count, static_cast<uint32_t>(static_cast<int32_t>(value)));
    case NB_BF16: return fill_with<uint16_t>(launch, y, count, __bfloat16_as_ushort(__float2bfloat16_rn(rounded)));
    case NB_F16: return fill_with<uint16_t>(launch, y, count, __half_as_ushort(__float2half_rn(rounded)));
    case NB_U8: return fill_with<uint8_t>(launch, y, count, static_cast<uint8_t>(value));
    default: return cudaErrorInvalidValue;
  }
}

cudaError_t convert(const Launch& launch, nb_dtype from, const void* x, nb_dtype to, void* y, int64_t count) {
  if (count == 0) return cudaSuccess;
  if (from == to) return cudaMemcpyAsync(y, x, count * size_of(from), cudaMemcpyDeviceToDevice, launch.stream);
  DType from_type, to_type;
  if (!float_type(from, &from_type) || !float_type(to, &to_type)) return cudaErrorInvalidValue;
  return dispatch(from_type, [&](auto from_tag) {
    return dispatch(to_type, [&](auto to_tag) {
      using From = decltype(from_tag);
      using To = decltype(to_tag);
      if constexpr (!std::is_same_v<From, To>) {
        convert_kernel<<<flat_blocks(count), THREADS, 0, launch.stream>>>(static_cast<const From*>(x), static_cast<To*>(y), count,
                                                                         can_vectorize(CHUNK, x, y));
      }
      return cudaGetLastError();
    });
  });
}

cudaError_t add(const Launch& launch, DType type, const void* a, const void* b, void* y, int64_t count) {
  if (count == 0) return cudaSuccess;
  return dispatch(type, [&](auto tag) {
    using X = decltype(tag);
    add_kernel<<<flat_blocks(count), THREADS, 0, launch.stream>>>(static_cast<const X*>(a), static_cast<const X*>(b), static_cast<X*>(y), count,
                                                                  can_vectorize(CHUNK, a, b, y));
    return cudaGetLastError();
  });
}

cudaError_t dropout(const Launch& launch, DType type, const void* x, void* y, int64_t M, int64_t K, const Dropout& dropout) {
  if (M == 0 || K == 0) return cudaSuccess;
  const RowChunks grid(M, K, THREADS);
  if (!grid.fits) return cudaErrorInvalidValue;
  return dispatch(type, [&](auto tag) {
    using X = decltype(tag);
    dropout_kernel<<<grid.blocks, THREADS, 0, launch.stream>>>(static_cast<const X*>(x), static_cast<X*>(y), M, grid.chunks, K,
                                                               DropoutMask(dropout), can_vectorize(K, x, y));
    return cudaGetLastError();
  });
}

}  // namespace node_bert::cuda
