// What the attention kernels share: their arguments, the warp's products, dropout's bits in the order of the fragments.
//
// A block has 4 warps and owns 64 rows of one head of one sequence, a warp 16 of them, from the first product to the last; tiles of the other side
// stream through shared memory. Rows are queries in forward and in dq, keys in dk and dv, where everything is computed transposed.
#pragma once

#include "tile.cuh"

namespace node_bert::cuda::attention {

constexpr int THREADS = 128;
constexpr int ROWS = 64;  // of a block
constexpr int WARP_ROWS = 16;

struct Arguments {
  const void* qkv;            // (N, 3H), row n is q | k | v, each A heads of D
  const int32_t* cu_seqlens;  // (B + 1)
  void* out;                  // (N, H)
  float* lse;                 // (A, N), natural logarithm; may be null in forward
  const void* dout;           // (N, H)
  void* dqkv;                 // (N, 3H)
  float* delta;               // (A, N): the sum of dout * out over a head's row
  float* probabilities;       // (A, squares)
  int64_t squares;            // sum of the squared lengths
  int N, A, D, B, max_seqlen;
  float scale;
  DropoutMask dropout;
  int* error;

  __device__ __forceinline__ int64_t H() const { return static_cast<int64_t>(A) * D; }
};

struct Sequence {
  int first, length;  // packed row of its first token, tokens
};

// Sequence b, without tokens when cu_seqlens does not fit the tensors.
__device__ __forceinline__ Sequence sequence_of(const Arguments& args, int b) {
  const int first = args.cu_seqlens[b], end = args.cu_seqlens[b + 1];
  const bool fits = first >= 0 && first <= end && end <= args.N && end - first <= args.max_seqlen && (b > 0 || first == 0) &&
                    (b + 1 < args.B || end == args.N);
  if (fits) return {first, end - first};
  if (args.error != nullptr && threadIdx.x == 0) atomicCAS(args.error, INDEX_OK, INDEX_CU_SEQLENS);
  return {0, 0};
}

// Row n of q (part 0), k (1) or v (2) of a head; rows lie 3H apart.
template <class X>
__device__ __forceinline__ const X* qkv_rows(const Arguments& args, int64_t n, int part, int head) {
  return static_cast<const X*>(args.qkv) + (n * 3 + part) * args.H() + head * args.D;
}

// e^x, exact to 2^-22. x * log2(e) is rounded relative to x, which is a difference from the row's maximum or from its lse: small where e^x is not.
__device__ __forceinline__ float exponential(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x * 1.4426950408889634f));
  return result;
}

// Over the 4 lanes that hold a row.
__device__ __forceinline__ float quad_sum(float value) {
  value += __shfl_xor_sync(0xFFFFFFFFu, value, 1);
  return value + __shfl_xor_sync(0xFFFFFFFFu, value, 2);
}
__device__ __forceinline__ float quad_max(float value) {
  value = fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 1));
  return fmaxf(value, __shfl_xor_sync(0xFFFFFFFFu, value, 2));
}

template <int TILES>
__device__ __forceinline__ void clear(float (&c)[TILES][4]) {
#pragma unroll
  for (int i = 0; i < TILES; ++i) c[i][0] = c[i][1] = c[i][2] = c[i][3] = 0.f;
}

// The warp's 16 rows as left operands of all k steps, from a tile of the block's rows.
template <class X, int D>
__device__ __forceinline__ void load_rows(uint32_t (&rows)[Tile<X, D>::K_STEPS][4], const unsigned char* tile) {
#pragma unroll
  for (int step = 0; step < Tile<X, D>::K_STEPS; ++step) Tile<X, D>::load_left(rows[step], tile, threadIdx.x / WARP * WARP_ROWS, step);
}

// c (16, 8 TILES) = rows (16, D) tile^T, of a tile (8 TILES, D)
template <class X, int D, int TILES>
__device__ __forceinline__ void multiply_rows(float (&c)[TILES][4], const uint32_t (&rows)[Tile<X, D>::K_STEPS][4], const unsigned char* tile) {
  clear(c);
#pragma unroll
  for (int step = 0; step < Tile<X, D>::K_STEPS; ++step) {
    const LeftOperand<X> left(rows[step]);
#pragma unroll
    for (int i = 0; i < TILES; i += 2) {
      uint32_t right[4];
      Tile<X, D>::load_right(right, tile, 8 * i, step);
      mma<X>(c[i], left, right[0], right[1]);
      mma<X>(c[i + 1], left, right[2], right[3]);
    }
  }
}

// out (16, D) += c (16, 8 TILES) tile, of a tile (8 TILES, D); c is rounded to X.
template <class X, int D, int TILES>
__device__ __forceinline__ void multiply_sums(float (&out)[D / 8][4], const float (&c)[TILES][4], const unsigned char* tile) {
#pragma unroll
  for (int step = 0; step < 8 * TILES / K_STEP<X>; ++step) {
    const LeftOperand<X> left = left_of_sums<X>(c, step);
#pragma unroll
    for (int i = 0; i < D / 8; i += 2) {
      uint32_t right[4];
      Tile<X, D>::load_right_transposed(right, tile, step * K_STEP<X>, 8 * i);
      mma<X>(out[i], left, right[0], right[1]);
      mma<X>(out[i + 1], left, right[2], right[3]);
    }
  }
}

// Writes the warp's 16 rows times factors (of rows g and g + 8) to its rows of a block that starts at `rows`; `valid` rows of the block exist.
// By way of `tile`, (64, D) in shared memory that nobody else reads or writes any more, for 128-bit stores.
template <class X, int D>
__device__ __forceinline__ void store_rows(X* rows, int64_t stride, int valid, const float (&c)[D / 8][4], float factor, float factor_8,
                                           unsigned char* tile) {
  using T = Tile<X, D>;
  const int lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4, first = threadIdx.x / WARP * WARP_ROWS;
#pragma unroll
  for (int i = 0; i < D / 8; ++i) {
    T::store_pair(tile, first + g, 8 * i + 2 * t, c[i][0] * factor, c[i][1] * factor);
    T::store_pair(tile, first + g + 8, 8 * i + 2 * t, c[i][2] * factor_8, c[i][3] * factor_8);
  }
  __syncwarp();
#pragma unroll
  for (int i = 0; i < WARP_ROWS * T::CHUNKS / WARP; ++i) {
    const int index = i * WARP + lane, row = first + index / T::CHUNKS, chunk = index % T::CHUNKS;
    if (row < valid) {
      *reinterpret_cast<uint4*>(rows + row * stride + chunk * T::PER_CHUNK) = *reinterpret_cast<const uint4*>(tile + T::offset(row, chunk));
    }
  }
}

// Bit j of byte 0: whether the mask keeps key 8 * block + j of the query in packed row n.
__device__ __forceinline__ uint32_t keep_bits(const Arguments& args, int64_t n, int head, int block) {
  const DropoutMask& mask = args.dropout;
  const nb_philox_block random =
      nb_philox(block, static_cast<uint32_t>(n * args.A + head), mask.op, mask.step, mask.seed_low, mask.seed_high);
  uint32_t bits = 0;
#pragma unroll
  for (int j = 0; j < 8; ++j) {
    const uint32_t half_word = j % 2 == 0 ? random.word[j / 2] & 0xFFFFu : random.word[j / 2] >> 16;
    bits |= (half_word >= mask.threshold ? 1u : 0u) << j;
  }
  return bits;
}

// Dropout's bits for sums whose rows are queries and whose columns are keys. A block of Philox decides over 8 keys of a query, which are one sum of
// the 4 lanes of a row: each lane draws the blocks of every fourth sum, and they exchange them.
template <int TILES>
struct KeepKeys {
  uint32_t drawn[4];  // by lane i of the quad: byte 2 m + h is row g + 8 h of sum 4 m + i (of 2 sums, lanes 2 and 3 draw what 0 and 1 do)

  __device__ __forceinline__ KeepKeys(const Arguments& args, int64_t row_of_lane, int head, int first_key) {
    static_assert(TILES == 2 || TILES == 4 || TILES == 8);
    const int t = threadIdx.x % 4 % TILES;
    uint32_t own = ~0u;
    if (args.dropout.threshold != 0) {
      own = 0;
#pragma unroll
      for (int m = 0; m < (TILES + 3) / 4; ++m) {
#pragma unroll
        for (int h = 0; h < 2; ++h) own |= keep_bits(args, row_of_lane + 8 * h, head, first_key / 8 + 4 * m + t) << 8 * (2 * m + h);
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) drawn[i] = __shfl_sync(0xFFFFFFFFu, own, i, 4);
  }

  // Element e of sum i.
  __device__ __forceinline__ bool keeps(int i, int e) const {
    return drawn[i % 4] >> (8 * (2 * (i / 4) + e / 2) + 2 * (threadIdx.x % 4) + e % 2) & 1;
  }
};

// The same where rows are keys and columns are queries: a block decides over the 8 lanes of a column, g = 0 .. 7, at once.
template <int TILES>
struct KeepQueries {
  static_assert(TILES == 2 || TILES == 4);
  uint32_t drawn[2 * TILES];  // byte h of drawn[2 i + e]: keys g + 8 h of column 2t + e of sum i

  __device__ __forceinline__ KeepQueries(const Arguments& args, int64_t first_query, int head, int first_key) {
    const int lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const int64_t query = first_query + g / 2 % TILES * 8 + 2 * t + g % 2;
    uint32_t own = ~0u;
    if (args.dropout.threshold != 0) own = keep_bits(args, query, head, first_key / 8) | keep_bits(args, query, head, first_key / 8 + 1) << 8;
#pragma unroll
    for (int i = 0; i < 2 * TILES; ++i) drawn[i] = __shfl_sync(0xFFFFFFFFu, own, i * 4 + t);
  }

  __device__ __forceinline__ bool keeps(int i, int e) const {
    return drawn[2 * i + e % 2] >> (8 * (e / 2) + threadIdx.x % WARP / 4) & 1;
  }
};

// ---- hosts

inline Arguments arguments_of(const Launch& launch, const AttentionShape& shape, const void* qkv, const int32_t* cu_seqlens,
                              const Dropout& dropout) {
  Arguments args{.dropout = DropoutMask(dropout)};
  args.qkv = qkv;
  args.cu_seqlens = cu_seqlens;
  args.N = static_cast<int>(shape.N);
  args.A = static_cast<int>(shape.A);
  args.D = static_cast<int>(shape.D);
  args.B = static_cast<int>(shape.B);
  args.max_seqlen = static_cast<int>(shape.max_seqlen);
  args.scale = shape.scale;
  args.error = launch.error;
  return args;
}

inline bool is_empty(const Arguments& args) { return args.N == 0 || args.A == 0 || args.D == 0 || args.B == 0 || args.max_seqlen == 0; }

// ---- any head width, any type, any alignment, without tensor cores (attention_plain.cu)

template <class X>
cudaError_t forward_plain(const Launch& launch, const Arguments& args);
template <class X>
cudaError_t backward_plain(const Launch& launch, const Arguments& args);

// Head widths that have tensor-core kernels, and pointers that 128-bit accesses can use.
inline bool is_fast(const Launch& launch, DType type, const Arguments& args) {
  return (args.D == 32 || args.D == 64) && has_tensor_cores(type, launch.arch) &&
         can_vectorize(args.D, args.qkv, args.out, args.dout, args.dqkv);
}

}  // namespace node_bert::cuda::attention
