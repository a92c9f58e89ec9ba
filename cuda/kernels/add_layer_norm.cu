// z = dropout(x) + residual; y = LayerNorm(z), and its gradient, the sweep that ends both halves of a transformer layer.
//
//   forward   x, residual (N, H) -> y, z (N, H), mean, rstd (N)
//   backward  z, dy (N, H) -> dresidual = dz, dx = dropout(dz) (N, H), dgamma, dbeta (H)
//
// Memory traffic: each tensor once. The row stays in registers between the passes (norm_row.cuh), the mask is drawn again in backward. dgamma and dbeta
// take two stages: a block sums its group of rows in registers and writes 2 H floats, add_column_sums adds the groups up. No atomics, one order.
// The convention a reader would get wrong: dx and dresidual are =, dgamma and dbeta are +=; y is made of z before z is rounded to X.
#include "column_sums.cuh"
#include "norm_row.cuh"

namespace node_bert::cuda {
namespace {

template <class X, int WARPS, int CHUNKS>
__global__ void __launch_bounds__(NormRow<WARPS, CHUNKS>::THREADS)
    add_layer_norm_forward_kernel(const X* x, const X* residual, const float* gamma, const float* beta, X* y, X* z_out, float* mean, float* rstd,
                                  int64_t N, int64_t H, float eps, DropoutMask mask, bool vectorized) {
  __shared__ float shared[WARPS];
  using Row = NormRow<WARPS, CHUNKS>;
  const Row row{static_cast<int>(H), shared};
  const int64_t n = Row::team();
  if (n >= N) return;
  Chunk z[CHUNKS];
#pragma unroll
  for (int k = 0; k < CHUNKS; ++k) {
    const int64_t at = n * H + row.column(k);
    const int left = row.left(k);
    z[k] = load_chunk(x + at, left, vectorized);
    if (left > 0) mask.apply(z[k], n, row.chunk(k));
    if (residual != nullptr) {
      const Chunk other = load_chunk(residual + at, left, vectorized);
#pragma unroll
      for (int i = 0; i < CHUNK; ++i) z[k].at[i] += other.at[i];
    }
  }
  const auto moments = row.moments(z, eps);
  if (threadIdx.x % Row::TEAM == 0) {
    mean[n] = moments.mean;
    rstd[n] = moments.rstd;
  }
#pragma unroll
  for (int k = 0; k < CHUNKS; ++k) {
    const int64_t at = n * H + row.column(k);
    const int left = row.left(k);
    if (z_out != nullptr) store_chunk(z_out + at, z[k], left, vectorized);
    row.normalize(z[k], k, moments, gamma, beta, vectorized);
    store_chunk(y + at, z[k], left, vectorized);
  }
}

template <class X, int WARPS, int CHUNKS>
__global__ void __launch_bounds__(NormRow<WARPS, CHUNKS>::THREADS, 1)  // 1: else ptxas spills to let in a third block
    add_layer_norm_backward_kernel(const X* z, const float* gamma, const float* mean, const float* rstd, const X* dy, X* dx, X* dresidual,
                                   float* partials, int64_t N, int64_t H, int64_t group_rows, DropoutMask mask, bool vectorized) {
  __shared__ float shared[WARPS];
  using Row = NormRow<WARPS, CHUNKS>;
  const Row row{static_cast<int>(H), shared};
  const int64_t group = blockIdx.x;
  Chunk dgamma[CHUNKS] = {}, dbeta[CHUNKS] = {};
  const int end = min(N, (group + 1) * group_rows);
  for (int n = group * group_rows + threadIdx.x / Row::TEAM; n < end; n += Row::TEAMS) {
    Chunk z_row[CHUNKS], gradient[CHUNKS];
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) {
      const int64_t at = n * H + row.column(k);
      z_row[k] = load_chunk(z + at, row.left(k), vectorized);
      gradient[k] = load_chunk(dy + at, row.left(k), vectorized);
    }
    row.backward(z_row, gradient, {mean[n], rstd[n]}, gamma, dgamma, dbeta, vectorized);
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) {
      const int64_t at = n * H + row.column(k);
      const int left = row.left(k);
      if (dresidual != nullptr) store_chunk(dresidual + at, gradient[k], left, vectorized);
      if (dx != nullptr) {
        if (left > 0) mask.apply(gradient[k], n, row.chunk(k));
        store_chunk(dx + at, gradient[k], left, vectorized);
      }
    }
  }
  if (partials != nullptr) row.store_partials(partials + group * 2 * H, dgamma, dbeta, vectorized);
}

}  // namespace

cudaError_t add_layer_norm_forward(const Launch& launch, DType type, const void* x, const void* residual, const float* gamma, const float* beta,
                                   void* y, void* z, float* mean, float* rstd, int64_t N, int64_t H, float eps, const Dropout& dropout) {
  if (N == 0 || H == 0) return cudaSuccess;
  const bool vectorized = can_vectorize(H, x, residual, gamma, beta, y, z);
  return dispatch_norm_row(H, [&]<int WARPS, int CHUNKS>(NormRow<WARPS, CHUNKS>) {
    return dispatch(type, [&](auto tag) {
      using X = decltype(tag);
      const unsigned blocks = ceil_div(N, NormRow<WARPS, CHUNKS>::TEAMS);
      add_layer_norm_forward_kernel<X, WARPS, CHUNKS><<<blocks, NormRow<WARPS, CHUNKS>::THREADS, 0, launch.stream>>>(
          static_cast<const X*>(x), static_cast<const X*>(residual), gamma, beta, static_cast<X*>(y), static_cast<X*>(z), mean, rstd, N, H, eps,
          DropoutMask(dropout), vectorized);
      return cudaGetLastError();
    });
  });
}

cudaError_t add_layer_norm_backward(const Launch& launch, DType type, const void* z, const float* gamma, const float* mean, const float* rstd,
                                    const void* dy, void* dx, void* dresidual, float* dgamma, float* dbeta, int64_t N, int64_t H,
                                    const Dropout& dropout, void* workspace) {
  if (N == 0 || H == 0) return cudaSuccess;
  const bool vectorized = can_vectorize(H, z, gamma, dy, dx, dresidual, workspace);
  float* partials = dgamma != nullptr || dbeta != nullptr ? static_cast<float*>(workspace) : nullptr;
  const cudaError_t rows = dispatch_norm_row(H, [&]<int WARPS, int CHUNKS>(NormRow<WARPS, CHUNKS>) {
    return dispatch(type, [&](auto tag) {
      using X = decltype(tag);
      add_layer_norm_backward_kernel<X, WARPS, CHUNKS><<<norm_groups(N), NormRow<WARPS, CHUNKS>::THREADS, 0, launch.stream>>>(
          static_cast<const X*>(z), gamma, mean, rstd, static_cast<const X*>(dy), static_cast<X*>(dx), static_cast<X*>(dresidual), partials, N, H,
          norm_group_rows(N), DropoutMask(dropout), vectorized);
      return cudaGetLastError();
    });
  });
  return rows != cudaSuccess ? rows : add_column_sums(launch, partials, norm_groups(N), 2 * H, dgamma, H, dbeta);
}

size_t add_layer_norm_backward_workspace(int64_t N, int64_t H) { return norm_groups(N) * 2 * H * sizeof(float); }

}  // namespace node_bert::cuda
