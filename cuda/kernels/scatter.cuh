// gradient[index[n]] += dz[n] for every token n, deterministically: the sums of each table row run in token order, and no other row is touched.
//
//   rank     sorts the tokens by table row, stably, by counting: token n comes after #{m: index[m] < index[n]} + #{m < n: index[m] = index[n]} others.
//            N^2 comparisons out of shared memory, no passes: 8192 tokens are 67 M.
//   pieces   a warp sums 32 sorted tokens. A table row whose tokens all lie in the piece is finished there; the sum of one that began in an earlier
//            piece goes to slot 0 of the piece, of one that only begins here and goes on to slot 1.
//   joints   for each row that spans pieces, slot 1 of its first piece and slots 0 of those that follow are added up, in order.
//
// Pieces keep the work even: a token type has thousands of tokens, a rare word one. Memory traffic: dz once, each table row that occurs once in and out.
// The convention a reader would get wrong: "in token order" holds within a piece and between pieces, so the sum of a long row is a sum of sums.
#pragma once

#include "common.cuh"

namespace node_bert::cuda {

constexpr int RANK_THREADS = 256;
constexpr int SCATTER_THREADS = 128;
constexpr int PIECE = WARP;  // sorted tokens of a piece: lane i of a warp knows the i-th

// One table's gradient, and where its tokens are sorted. A launch handles up to three, blockIdx.z says which.
struct Scatter {
  const int32_t* index;  // (N)
  float* gradient;       // (rows, H)
  int64_t rows;
  int32_t* keys;    // (N) table rows in sorted order
  int32_t* tokens;  // (N) the tokens they belong to
  float* partials;  // (pieces, 2, H)
};

struct Scatters {
  Scatter a, b, c;
  __device__ const Scatter& mine() const { return blockIdx.z == 0 ? a : blockIdx.z == 1 ? b : c; }
};

__global__ static void __launch_bounds__(RANK_THREADS) scatter_rank_kernel(Scatters scatters, int32_t N) {
  __shared__ int32_t tile[RANK_THREADS];
  const Scatter scatter = scatters.mine();
  const int32_t n = blockIdx.x * RANK_THREADS + threadIdx.x;
  const int32_t key = n < N ? checked_index(scatter.index[n], scatter.rows, INDEX_OK, nullptr) : 0;
  int32_t rank = 0;
  for (int32_t begin = 0; begin < N; begin += RANK_THREADS) {
    const int32_t count = min(RANK_THREADS, N - begin), before = n - begin;
    if (threadIdx.x < count) tile[threadIdx.x] = checked_index(scatter.index[begin + threadIdx.x], scatter.rows, INDEX_OK, nullptr);
    __syncthreads();
#pragma unroll 8
    for (int32_t i = 0; i < count; ++i) rank += tile[i] < key || (tile[i] == key && i < before);
    __syncthreads();
  }
  if (n >= N) return;
  scatter.keys[rank] = key;
  scatter.tokens[rank] = n;
}

// A warp has a piece and 32 chunks of the columns, blockIdx.y says which.
__device__ __forceinline__ int64_t scatter_piece() { return int64_t{blockIdx.x} * (SCATTER_THREADS / WARP) + threadIdx.x / WARP; }
__device__ __forceinline__ int64_t scatter_column() { return (int64_t{blockIdx.y} * WARP + threadIdx.x % WARP) * CHUNK; }

__device__ __forceinline__ void add_chunk(Chunk& sum, const float* p, int64_t left, bool vectorized) {
  const Chunk chunk = load_chunk(p, left, vectorized);
#pragma unroll
  for (int i = 0; i < CHUNK; ++i) sum.at[i] += chunk.at[i];
}

__device__ __forceinline__ void add_to(float* p, Chunk sum, int64_t left, bool vectorized) {
  add_chunk(sum, p, left, vectorized);
  store_chunk(p, sum, left, vectorized);
}

__global__ static void __launch_bounds__(SCATTER_THREADS)
    scatter_pieces_kernel(Scatters scatters, const float* __restrict__ dz, int64_t N, int64_t H, bool vectorized) {
  const Scatter scatter = scatters.mine();
  const int lane = threadIdx.x % WARP;
  const int64_t piece = scatter_piece(), column = scatter_column(), left = H - column;
  const int64_t begin = piece * PIECE;
  if (begin >= N) return;
  const int count = min(int64_t{PIECE}, N - begin);
  const int32_t key = lane < count ? scatter.keys[begin + lane] : -1;
  const int32_t token = lane < count ? scatter.tokens[begin + lane] : 0;
  const int32_t before = begin > 0 ? scatter.keys[begin - 1] : -1;
  const int32_t after = begin + count < N ? scatter.keys[begin + count] : -1;
  float* partial = scatter.partials + piece * 2 * H;

  Chunk sum = {};
  bool first = true;  // still in the row that the piece begins with
  for (int i = 0; i < count; ++i) {
    add_chunk(sum, dz + int64_t{__shfl_sync(0xFFFFFFFFu, token, i)} * H + column, left, vectorized);
    const int32_t row = __shfl_sync(0xFFFFFFFFu, key, i);
    const int32_t next = __shfl_sync(0xFFFFFFFFu, key, (i + 1) % WARP);
    if (i + 1 < count && next == row) continue;
    const bool began_before = first && row == before;
    if (began_before) store_chunk(partial + column, sum, left, vectorized);
    else if (i + 1 == count && row == after) store_chunk(partial + H + column, sum, left, vectorized);
    else add_to(scatter.gradient + row * H + column, sum, left, vectorized);
    sum = {};
    first = false;
  }
}

__global__ static void __launch_bounds__(SCATTER_THREADS) scatter_joints_kernel(Scatters scatters, int64_t N, int64_t H, bool vectorized) {
  const Scatter scatter = scatters.mine();
  const int64_t piece = scatter_piece(), column = scatter_column(), left = H - column;
  const int64_t begin = piece * PIECE, last = begin + PIECE - 1;
  if (last + 1 >= N) return;
  const int32_t row = scatter.keys[last];
  const bool begins_here = begin == 0 || scatter.keys[begin - 1] != row;
  if (!begins_here || scatter.keys[last + 1] != row) return;
  int64_t end = last + 1;  // becomes one past the last token of the row
  for (int64_t limit = N; end < limit;) {
    const int64_t middle = (end + limit) / 2;
    if (scatter.keys[middle] == row) end = middle + 1;
    else limit = middle;
  }
  Chunk sum = load_chunk(scatter.partials + (piece * 2 + 1) * H + column, left, vectorized);
#pragma unroll 4
  for (int64_t other = piece + 1; other * PIECE < end; ++other) add_chunk(sum, scatter.partials + other * 2 * H + column, left, vectorized);
  add_to(scatter.gradient + row * H + column, sum, left, vectorized);
}

}  // namespace node_bert::cuda
