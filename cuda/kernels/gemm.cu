// c (m, n) = op(a) op(b) or c += op(a) op(b), row-major, on tensor cores: what linear layers need where there is no cuBLAS.
//
//   forward   y (N, M)  = x (N, K) w (M, K)^T       transpose_b
//   backward  dx (N, K) = dy (N, M) w (M, K)        neither
//             dw (M, K) += dy (N, M)^T x (N, K)     transpose_a, in f32
//
// A block computes 128 × 64 of c, each of its 4 warps 64 × 32, in steps of 64 bytes of k. Four stages of tiles lie in shared memory: while one is multiplied,
// up to three are on their way. Sums stay in f32 registers; in the end they pass through shared memory, so that c is read and written 128 bits at a time.
//
// Memory: a once for every 64 columns of c, b once for every 128 rows, c once. No atomics, no split of k: the same bits every time.
//
// What a reader would get wrong: a tile is stored as its matrix lies in memory, k along the rows or down the columns, and only its fragments are
// transposed (ldmatrix .trans; in f32 by plain loads). In f32 such fragments take the 8 rows of a k step in the order 0 2 4 6 1 3 5 7. Both operands do so
// or neither; where only b is read down its columns, its rows are put into shared memory in the inverse order instead.
#include "tile.cuh"

namespace node_bert::cuda {
namespace {

constexpr int THREADS = 128, STAGES = 4;
constexpr int M_TILE = 128, N_TILE = 64, WARP_M = 64, WARP_N = 32;

// Elements of k in a stage: two fragments.
template <class X>
constexpr int K_TILE = 2 * K_STEP<X>;

struct Operand {
  const void* data;
  int64_t rows, columns;  // as stored
  bool aligned;           // every chunk of 16 bytes is aligned and lies wholly inside or outside of the matrix
};

struct Arguments {
  Operand a, b;
  void* c;
  int64_t m, n, k;
  bool accumulate, float_output, vectorized_output;
};

// The chunk at (row, column), zeros where the matrix ends, element by element.
template <class X>
__device__ __forceinline__ uint4 load_unaligned_chunk(const X* data, const Operand& operand, int64_t row, int64_t column) {
  constexpr int PER_CHUNK = 16 / sizeof(X);
  uint32_t words[4] = {0, 0, 0, 0};
  if (row < operand.rows) {
    const X* p = data + row * operand.columns + column;
#pragma unroll
    for (int i = 0; i < PER_CHUNK; ++i) {
      if (column + i >= operand.columns) break;
      if constexpr (std::is_same_v<X, float>) words[i] = __float_as_uint(p[i]);
      else words[i / 2] |= static_cast<uint32_t>(reinterpret_cast<const uint16_t*>(p)[i]) << i % 2 * 16;
    }
  }
  return {words[0], words[1], words[2], words[3]};
}

// Row r of 8 in the place where a fragment that is read down the columns expects it, when the other operand is not.
__device__ __forceinline__ int fragment_order(int r) { return (r & ~7) | (r & 3) << 1 | (r >> 2 & 1); }

// Starts copying the tile (ROWS, COLUMNS) at (row, column) of a matrix.
template <class X, int ROWS, int COLUMNS, bool REORDER>
__device__ __forceinline__ void copy_tile(unsigned char* tile, const Operand& operand, int64_t row, int64_t column) {
  using T = Tile<X, COLUMNS>;
  const X* data = static_cast<const X*>(operand.data);
#pragma unroll
  for (int i = 0; i < ROWS * T::CHUNKS / THREADS; ++i) {
    const int index = i * THREADS + threadIdx.x, r = index / T::CHUNKS, chunk = index % T::CHUNKS;
    const int64_t from_row = row + r, from_column = column + chunk * T::PER_CHUNK;
    unsigned char* to = tile + T::offset(REORDER ? fragment_order(r) : r, chunk);
    if (operand.aligned) {
      copy_async_16(to, data + from_row * operand.columns + from_column, from_row < operand.rows && from_column < operand.columns);
    } else {
      *reinterpret_cast<uint4*>(to) = load_unaligned_chunk(data, operand, from_row, from_column);
    }
  }
}

template <class X, bool TRANSPOSE_A, bool TRANSPOSE_B>
struct Tiles {
  static constexpr bool A_DOWN = TRANSPOSE_A, B_DOWN = !TRANSPOSE_B;  // k runs down the columns of the stored matrix
  using A = Tile<X, A_DOWN ? M_TILE : K_TILE<X>>;
  using B = Tile<X, B_DOWN ? N_TILE : K_TILE<X>>;
  struct Stage {
    unsigned char a[M_TILE * K_TILE<X> * sizeof(X)], b[N_TILE * K_TILE<X> * sizeof(X)];
  };

  static __device__ __forceinline__ void copy(Stage& stage, const Arguments& args, int64_t m, int64_t n, int64_t k) {
    constexpr bool REORDER = std::is_same_v<X, float> && B_DOWN && !A_DOWN;
    if constexpr (A_DOWN) copy_tile<X, K_TILE<X>, M_TILE, false>(stage.a, args.a, k, m);
    else copy_tile<X, M_TILE, K_TILE<X>, false>(stage.a, args.a, m, k);
    if constexpr (B_DOWN) copy_tile<X, K_TILE<X>, N_TILE, REORDER>(stage.b, args.b, k, n);
    else copy_tile<X, N_TILE, K_TILE<X>, false>(stage.b, args.b, n, k);
  }

  // sums (WARP_M, WARP_N) += a b of a stage, from row m and column n of its tiles.
  static __device__ __forceinline__ void multiply(float (&sums)[WARP_M / 16][WARP_N / 8][4], const Stage& stage, int m, int n) {
    // Unrolled in f32, both steps' halves would not fit into registers.
#pragma unroll(sizeof(X) == 4 ? 1 : 2)
    for (int step = 0; step < 2; ++step) {
      uint32_t right[WARP_N / 16][4];
#pragma unroll
      for (int j = 0; j < WARP_N / 16; ++j) {
        if constexpr (B_DOWN) B::load_right_transposed(right[j], stage.b, step * K_STEP<X>, n + 16 * j);
        else B::load_right(right[j], stage.b, n + 16 * j, step);
      }
#pragma unroll
      for (int i = 0; i < WARP_M / 16; ++i) {
        uint32_t words[4];
        if constexpr (A_DOWN) A::load_left_transposed(words, stage.a, step * K_STEP<X>, m + 16 * i);
        else A::load_left(words, stage.a, m + 16 * i, step);
        const LeftOperand<X> left(words);
#pragma unroll
        for (int j = 0; j < WARP_N / 8; ++j) mma<X>(sums[i][j], left, right[j / 2][j % 2 * 2], right[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
};

template <class C>
__device__ __forceinline__ void store_output(const Arguments& args, int64_t m, int64_t n, Chunk& chunk) {
  C* c = static_cast<C*>(args.c) + m * args.n + n;
  if (args.accumulate) {
    const Chunk before = load_chunk(c, args.n - n, args.vectorized_output);
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) chunk.at[i] += before.at[i];
  }
  store_chunk(c, chunk, args.n - n, args.vectorized_output);
}

template <class X, bool TRANSPOSE_A, bool TRANSPOSE_B>
__global__ void __launch_bounds__(THREADS) gemm_kernel(const Arguments args) {
  if constexpr (HAS_TENSOR_CORES<X>) {
    using T = Tiles<X, TRANSPOSE_A, TRANSPOSE_B>;
    using Out = Tile<float, N_TILE>;
    __shared__ __align__(128) typename T::Stage stages[STAGES];
    static_assert(sizeof(stages) >= M_TILE * Out::ROW_BYTES);

    const int64_t m = static_cast<int64_t>(blockIdx.y) * M_TILE, n = static_cast<int64_t>(blockIdx.x) * N_TILE;
    const int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    const int warp_m = warp / 2 * WARP_M, warp_n = warp % 2 * WARP_N;
    const int tiles = static_cast<int>((args.k + K_TILE<X> - 1) / K_TILE<X>);
    // A group for every tile, also for those past the end, so that "all but the last STAGES - 2" always names the one that is needed.
    const auto copy = [&](int tile) {
      if (tile < tiles) T::copy(stages[tile % STAGES], args, m, n, static_cast<int64_t>(tile) * K_TILE<X>);
      copy_async_commit();
    };
#pragma unroll
    for (int tile = 0; tile < STAGES - 1; ++tile) copy(tile);

    float sums[WARP_M / 16][WARP_N / 8][4] = {};
    for (int tile = 0; tile < tiles; ++tile) {
      copy_async_wait<STAGES - 2>();
      __syncthreads();  // this tile is there for all, and nobody reads the previous one any more: its stage is the one to fill
      copy(tile + STAGES - 1);
      T::multiply(sums, stages[tile % STAGES], warp_m, warp_n);
    }
    copy_async_wait<0>();
    __syncthreads();

    unsigned char* out = reinterpret_cast<unsigned char*>(stages);
    const int g = lane / 4, t = lane % 4;
#pragma unroll
    for (int i = 0; i < WARP_M / 16; ++i) {
#pragma unroll
      for (int j = 0; j < WARP_N / 8; ++j) {
        Out::store_pair(out, warp_m + 16 * i + g, warp_n + 8 * j + 2 * t, sums[i][j][0], sums[i][j][1]);
        Out::store_pair(out, warp_m + 16 * i + g + 8, warp_n + 8 * j + 2 * t, sums[i][j][2], sums[i][j][3]);
      }
    }
    __syncthreads();
    for (int index = threadIdx.x; index < M_TILE * N_TILE / CHUNK; index += THREADS) {
      const int row = index / (N_TILE / CHUNK), column = index % (N_TILE / CHUNK) * CHUNK;
      if (m + row >= args.m || n + column >= args.n) continue;
      const float4 low = *reinterpret_cast<const float4*>(out + Out::offset(row, column / 4));
      const float4 high = *reinterpret_cast<const float4*>(out + Out::offset(row, column / 4 + 1));
      Chunk chunk = {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}};
      if (args.float_output) store_output<float>(args, m + row, n + column, chunk);
      else store_output<X>(args, m + row, n + column, chunk);
    }
  }
}

// Without tensor cores: 64 × 64 of c a block, 4 × 4 a thread, in steps of 16 of k.
constexpr int PLAIN_THREADS = 256, PLAIN_TILE = 64, PLAIN_K = 16;

struct PlainStrides {
  int64_t a_m, a_k, b_k, b_n;  // elements from one row, or column, of op(a) and op(b) to the next
};

template <class X>
__global__ void __launch_bounds__(PLAIN_THREADS, 1) gemm_plain_kernel(const Arguments args, const PlainStrides strides) {
  __shared__ float a[PLAIN_K][PLAIN_TILE + 1], b[PLAIN_K][PLAIN_TILE + 1];  // one more, so that columns do not share a bank
  const int64_t m = static_cast<int64_t>(blockIdx.y) * PLAIN_TILE, n = static_cast<int64_t>(blockIdx.x) * PLAIN_TILE;
  const int row = threadIdx.x / 16, column = threadIdx.x % 16;
  float sums[4][4] = {};
  for (int64_t k = 0; k < args.k; k += PLAIN_K) {
    for (int index = threadIdx.x; index < PLAIN_TILE * PLAIN_K; index += PLAIN_THREADS) {
      // Neighbouring threads read along whichever direction is contiguous.
      const int a_i = strides.a_k == 1 ? index / PLAIN_K : index % PLAIN_TILE, a_k = strides.a_k == 1 ? index % PLAIN_K : index / PLAIN_TILE;
      const int b_i = strides.b_k == 1 ? index / PLAIN_K : index % PLAIN_TILE, b_k = strides.b_k == 1 ? index % PLAIN_K : index / PLAIN_TILE;
      const bool a_exists = m + a_i < args.m && k + a_k < args.k, b_exists = n + b_i < args.n && k + b_k < args.k;
      a[a_k][a_i] = a_exists ? to_float(static_cast<const X*>(args.a.data)[(m + a_i) * strides.a_m + (k + a_k) * strides.a_k]) : 0.f;
      b[b_k][b_i] = b_exists ? to_float(static_cast<const X*>(args.b.data)[(n + b_i) * strides.b_n + (k + b_k) * strides.b_k]) : 0.f;
    }
    __syncthreads();
#pragma unroll
    for (int step = 0; step < PLAIN_K; ++step) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] = fmaf(a[step][row + 16 * i], b[step][column + 16 * j], sums[i][j]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t at_m = m + row + 16 * i, at_n = n + column + 16 * j;
      if (at_m >= args.m || at_n >= args.n) continue;
      const int64_t at = at_m * args.n + at_n;
      float* floats = static_cast<float*>(args.c);
      X* typed = static_cast<X*>(args.c);
      float sum = sums[i][j];
      if (args.accumulate) sum += args.float_output ? floats[at] : to_float(typed[at]);
      if (args.float_output) floats[at] = sum;
      else typed[at] = from_float<X>(sum);
    }
  }
}

dim3 grid_of(const Arguments& args, int m_tile, int n_tile) {
  return {static_cast<unsigned>(ceil_div(args.n, n_tile)), static_cast<unsigned>(ceil_div(args.m, m_tile))};
}

template <class X>
cudaError_t launch_tensor_cores(const Launch& launch, const Arguments& args, bool transpose_a, bool transpose_b) {
  const dim3 grid = grid_of(args, M_TILE, N_TILE);
  if (transpose_a) gemm_kernel<X, true, false><<<grid, THREADS, 0, launch.stream>>>(args);
  else if (transpose_b) gemm_kernel<X, false, true><<<grid, THREADS, 0, launch.stream>>>(args);
  else gemm_kernel<X, false, false><<<grid, THREADS, 0, launch.stream>>>(args);
  return cudaGetLastError();
}

template <class X>
cudaError_t launch_plain(const Launch& launch, const Arguments& args, bool transpose_a, bool transpose_b) {
  const PlainStrides strides = {transpose_a ? 1 : args.k, transpose_a ? args.m : 1, transpose_b ? 1 : args.n, transpose_b ? args.k : 1};
  gemm_plain_kernel<X><<<grid_of(args, PLAIN_TILE, PLAIN_TILE), PLAIN_THREADS, 0, launch.stream>>>(args, strides);
  return cudaGetLastError();
}

Operand operand_of(const void* data, int64_t rows, int64_t columns, DType type) {
  const int64_t per_chunk = type == DType::f32 ? 4 : 8;
  return {data, rows, columns, columns % per_chunk == 0 && reinterpret_cast<uintptr_t>(data) % 16 == 0};
}

}  // namespace

cudaError_t gemm(const Launch& launch, const GemmShape& shape, DType inputs, const void* a, const void* b, DType output, void* c) {
  const auto [m, n, k, transpose_a, transpose_b, accumulate] = shape;
  const bool known = !(transpose_a && transpose_b) && (output == DType::f32 || output == inputs);
  if (!known || ceil_div(m, PLAIN_TILE) > 65535 || ceil_div(k, 16) > INT32_MAX) return cudaErrorInvalidValue;
  if (m == 0 || n == 0) return cudaSuccess;
  const Arguments args = {
      .a = operand_of(a, transpose_a ? k : m, transpose_a ? m : k, inputs),
      .b = operand_of(b, transpose_b ? n : k, transpose_b ? k : n, inputs),
      .c = c,
      .m = m,
      .n = n,
      .k = k,
      .accumulate = accumulate,
      .float_output = output == DType::f32,
      .vectorized_output = can_vectorize(n, c),
  };
  return dispatch(inputs, [&](auto x) {
    using X = decltype(x);
    if constexpr (!std::is_same_v<X, __half>) {
      if (!has_tensor_cores(inputs, launch.arch)) return launch_plain<X>(launch, args, transpose_a, transpose_b);
    }
    return launch_tensor_cores<X>(launch, args, transpose_a, transpose_b);
  });
}

}  // namespace node_bert::cuda
