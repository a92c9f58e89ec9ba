// Ops that move whole rows: gather, and the mean over the tokens of a sequence.
//
//   gather     y[m] = x[index[m]]                    dx[n] = sum over m with index[m] = n of dy[m]
//   mean pool  y[b] = mean of x[cu[b] .. cu[b+1])    dx[n] = dy[b] / length of b, n in b; the mean of no tokens is 0
//
// Memory traffic: each activation once, and the indices: M from cache for every row of dx, since a warp of gather's backward looks for its row in all of
// them. That is cheaper than sorting while M N < 10^8, gives sums in the order of m, and writes the zeros of the other rows in the same pass.
// The convention a reader would get wrong: dx is overwritten, also where no index points.
#include "common.cuh"

namespace node_bert::cuda {
namespace {

constexpr int THREADS = 256;
constexpr int WARPS = THREADS / WARP;

template <class X>
__global__ void gather_rows_forward_kernel(const X* x, const int32_t* index, X* y, int64_t N, uint32_t M, uint32_t chunks, int64_t H,
                                           bool vectorized, int* error) {
  const uint32_t thread = blockIdx.x * THREADS + threadIdx.x;
  const uint32_t m = thread / chunks, column = thread % chunks * CHUNK;
  if (m >= M) return;
  const int64_t n = checked_index(index[m], N, INDEX_ROW, error);
  store_chunk(y + m * H + column, load_chunk(x + n * H + column, H - column, vectorized), H - column, vectorized);
}

// A warp has one row of dx and 32 chunks of it, blockIdx.y says which.
template <class X>
__global__ void gather_rows_backward_kernel(const int32_t* index, const X* dy, X* dx, int64_t N, int64_t M, int64_t H, bool vectorized, int* error) {
  const int lane = threadIdx.x % WARP;
  const int64_t n = int64_t{blockIdx.x} * WARPS + threadIdx.x / WARP;
  const int64_t column = (int64_t{blockIdx.y} * WARP + lane) * CHUNK;
  if (n >= N) return;
  Chunk sum = {};
  for (int64_t begin = 0; begin < M; begin += WARP) {
    const int64_t mine = begin + lane < M ? index[begin + lane] : n + 1;
    if (n == 0 && begin + lane < M) checked_index(mine, N, INDEX_ROW, error);
    for (unsigned hits = __ballot_sync(0xFFFFFFFFu, mine == n); hits != 0; hits &= hits - 1) {
      const Chunk row = load_chunk(dy + (begin + __ffs(hits) - 1) * H + column, H - column, vectorized);
#pragma unroll
      for (int k = 0; k < CHUNK; ++k) sum.at[k] += row.at[k];
    }
  }
  store_chunk(dx + n * H + column, sum, H - column, vectorized);
}

// cu_seqlens (B + 1) must rise from 0 to N. For the threads of one block.
__device__ void check_cu_seqlens(const int32_t* cu_seqlens, int64_t N, int64_t B, int* error) {
  for (int64_t b = threadIdx.x; b <= B; b += blockDim.x) {
    const bool right = b == B ? cu_seqlens[b] == N : cu_seqlens[b] <= cu_seqlens[b + 1];
    if (!right || (b == 0 && cu_seqlens[0] != 0)) checked_index(-1, 0, INDEX_CU_SEQLENS, error);
  }
}

// A block has one sequence and 32 chunks of its columns; warp w sums tokens w, w + 8, ... of it.
template <class X>
__global__ void mean_pool_forward_kernel(const X* x, const int32_t* cu_seqlens, X* y, int64_t N, int64_t B, int64_t H, bool vectorized, int* error) {
  __shared__ float sums[WARPS][CHUNK][WARP];
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  const int64_t b = blockIdx.x, column = (int64_t{blockIdx.y} * WARP + lane) * CHUNK;
  if (b == 0 && blockIdx.y == 0) check_cu_seqlens(cu_seqlens, N, B, error);
  const int64_t begin = max(cu_seqlens[b], 0), end = min(int64_t{cu_seqlens[b + 1]}, N);
  Chunk sum = {};
  for (int64_t n = begin + warp; n < end; n += WARPS) {
    const Chunk row = load_chunk(x + n * H + column, H - column, vectorized);
#pragma unroll
    for (int k = 0; k < CHUNK; ++k) sum.at[k] += row.at[k];
  }
#pragma unroll
  for (int k = 0; k < CHUNK; ++k) sums[warp][k][lane] = sum.at[k];
  __syncthreads();
  if (warp != 0) return;
#pragma unroll
  for (int k = 0; k < CHUNK; ++k) {
    for (int other = 1; other < WARPS; ++other) sum.at[k] += sums[other][k][lane];
    sum.at[k] = begin < end ? sum.at[k] / static_cast<float>(end - begin) : 0.f;
  }
  store_chunk(y + b * H + column, sum, H - column, vectorized);
}

template <class X>
__global__ void mean_pool_backward_kernel(const int32_t* cu_seqlens, const X* dy, X* dx, uint32_t N, int64_t B, uint32_t chunks, int64_t H,
                                          bool vectorized, int* error) {
  if (blockIdx.x == 0) check_cu_seqlens(cu_seqlens, N, B, error);
  const uint32_t thread = blockIdx.x * THREADS + threadIdx.x;
  const uint32_t n = thread / chunks, column = thread % chunks * CHUNK;
  if (n >= N) return;
  int64_t b = 0;  // becomes the last sequence that starts at or before n
  for (int64_t end = B; end - b > 1;) {
    const int64_t middle = (b + end) / 2;
    (cu_seqlens[middle] <= static_cast<int64_t>(n) ? b : end) = middle;
  }
  const float length = static_cast<float>(cu_seqlens[b + 1] - cu_seqlens[b]);
  Chunk chunk = load_chunk(dy + b * H + column, H - column, vectorized);
#pragma unroll
  for (int k = 0; k < CHUNK; ++k) chunk.at[k] /= length;
  store_chunk(dx + n * H + column, chunk, H - column, vectorized);
}

}  // namespace

cudaError_t gather_rows_forward(const Launch& launch, DType type, const void* x, const int32_t* index, void* y, int64_t N, int64_t M, int64_t H) {
  if (M == 0 || H == 0) return cudaSuccess;
  const RowChunks grid(M, H, THREADS);
  if (!grid.fits || N == 0) return cudaErrorInvalidValue;
  return dispatch(type, [&](auto tag) {
    using X = decltype(tag);
    gather_rows_forward_kernel<<<grid.blocks, THREADS, 0, launch.stream>>>(static_cast<const X*>(x), index, static_cast<X*>(y), N, M, grid.chunks,
                                                                           H, can_vectorize(H, x, y), launch.error);
    return cudaGetLastError();
  });
}

cudaError_t gather_rows_backward(const Launch& launch, DType type, const int32_t* index, const void* dy, void* dx, int64_t N, int64_t M, int64_t H) {
  if (N == 0 || H == 0) return cudaSuccess;
  const dim3 blocks(ceil_div(N, WARPS), ceil_div(H, WARP * CHUNK));
  return dispatch(type, [&](auto tag) {
    using X = decltype(tag);
    gather_rows_backward_kernel<<<blocks, THREADS, 0, launch.stream>>>(index, static_cast<const X*>(dy), static_cast<X*>(dx), N, M, H,
                                                                       can_vectorize(H, dy, dx), launch.error);
    return cudaGetLastError();
  });
}

cudaError_t mean_pool_forward(const Launch& launch, DType type, const void* x, const int32_t* cu_seqlens, void* y, int64_t N, int64_t B, int64_t H) {
  if (B == 0 || H == 0) return cudaSuccess;
  const dim3 blocks(B, ceil_div(H, WARP * CHUNK));
  return dispatch(type, [&](auto tag) {
    using X = decltype(tag);
    mean_pool_forward_kernel<<<blocks, THREADS, 0, launch.stream>>>(static_cast<const X*>(x), cu_seqlens, static_cast<X*>(y), N, B, H,
                                                                    can_vectorize(H, x, y), launch.error);
    return cudaGetLastError();
  });
}

cudaError_t mean_pool_backward(const Launch& launch, DType type, const int32_t* cu_seqlens, const void* dy, void* dx, int64_t N, int64_t B,
                               int64_t H) {
  if (N == 0 || H == 0) return cudaSuccess;
  const RowChunks grid(N, H, THREADS);
  if (!grid.fits || B == 0) return cudaErrorInvalidValue;
  return dispatch(type, [&](auto tag) {
    using X = decltype(tag);
    mean_pool_backward_kernel<<<grid.blocks, THREADS, 0, launch.stream>>>(cu_seqlens, static_cast<const X*>(dy), static_cast<X*>(dx), N, B,
                                                                          grid.chunks, H, can_vectorize(H, dy, dx), launch.error);
    return cudaGetLastError();
  });
}

}  // namespace node_bert::cuda
