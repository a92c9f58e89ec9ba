// What a linear layer does beside its GEMMs: y = activation(product + bias) in forward, dpre = dy * activation'(saved) and the sum over rows for dbias in
// backward. Activations: the exact GELU x Phi(x) (Hendrycks & Gimpel 2016), tanh, relu, none.
//
//   forward   product (N, M), bias (M) -> y, pre (N, M)
//   backward  saved, dy (N, M) -> dpre (N, M), dbias (M)
//
// Memory traffic: each tensor once. dbias takes two stages, as dgamma does in add_layer_norm.cu: a thread goes down a group of rows with its 8 columns.
// The convention a reader would get wrong: saved is the value before the activation for GELU and the one after it for tanh and relu. And the product may
// be wider (float) than y: y is made of it before anything is rounded to X.
#include "column_sums.cuh"

namespace node_bert::cuda {
namespace {

constexpr int THREADS = 256;
constexpr int BACKWARD_THREADS = 128;

// The standard normal distribution function. erfc keeps its digits where 1 + erf cancels, far left of 0.
__device__ __forceinline__ float normal_distribution(float x) { return 0.5f * erfcf(x * -0.70710678118654752f); }
__device__ __forceinline__ float normal_density(float x) { return 0.39894228040143268f * expf(-0.5f * x * x); }

template <int ACTIVATION>
__device__ __forceinline__ float activate(float pre) {
  if constexpr (ACTIVATION == NB_ACTIVATION_GELU) return pre * normal_distribution(pre);
  if constexpr (ACTIVATION == NB_ACTIVATION_TANH) return tanhf(pre);
  if constexpr (ACTIVATION == NB_ACTIVATION_RELU) return pre < 0.f ? 0.f : pre;  // hands a NaN on
  return pre;
}

template <int ACTIVATION>
__device__ __forceinline__ float slope(float saved) {
  if constexpr (ACTIVATION == NB_ACTIVATION_GELU) return normal_distribution(saved) + saved * normal_density(saved);
  if constexpr (ACTIVATION == NB_ACTIVATION_TANH) return 1.f - saved * saved;
  if constexpr (ACTIVATION == NB_ACTIVATION_RELU) return saved > 0.f ? 1.f : 0.f;
  return 1.f;
}

// The activation is a template argument inside the kernel, not of it: each branch is as fast as a kernel of its own, and a fourth of them is compiled.
template <class Visit>
__device__ __forceinline__ void with_activation(int activation, Visit visit) {
  switch (activation) {
    case NB_ACTIVATION_GELU: return visit.template operator()<NB_ACTIVATION_GELU>();
    case NB_ACTIVATION_TANH: return visit.template operator()<NB_ACTIVATION_TANH>();
    case NB_ACTIVATION_RELU: return visit.template operator()<NB_ACTIVATION_RELU>();
    default: return visit.template operator()<NB_ACTIVATION_NONE>();
  }
}

template <class P, class X>
__global__ void __launch_bounds__(THREADS) bias_activation_forward_kernel(const P* product, const float* bias, int activation, X* y, X* pre, uint32_t N,
                                                                          uint32_t chunks, int64_t M, bool vectorized) {
  const uint32_t thread = blockIdx.x * THREADS + threadIdx.x;
  const uint32_t n = thread / chunks, column = thread % chunks * CHUNK;
  if (n >= N) return;
  const int64_t at = n * M + column, left = M - column;
  Chunk chunk = load_chunk(product + at, left, vectorized);
  if (bias != nullptr) {
    const Chunk shift = load_chunk(bias + column, left, vectorized);
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) chunk.at[i] += shift.at[i];
  }
  if (pre != nullptr) store_chunk(pre + at, chunk, left, vectorized);
  with_activation(activation, [&]<int ACTIVATION>() {
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) chunk.at[i] = activate<ACTIVATION>(chunk.at[i]);
  });
  store_chunk(y + at, chunk, left, vectorized);
}

// blockIdx.x: 128 chunks of columns; blockIdx.y: a group of rows. partials (groups, M) may be null, and dpre.
template <class X>
__global__ void __launch_bounds__(BACKWARD_THREADS)
    activation_backward_kernel(const X* saved, const X* dy, int activation, X* dpre, float* partials, int64_t N, int64_t M, int64_t group_rows,
                               bool vectorized) {
  const int64_t column = (int64_t{blockIdx.x} * BACKWARD_THREADS + threadIdx.x) * CHUNK, left = M - column;
  if (left <= 0) return;
  const int64_t end = min(N, (blockIdx.y + 1) * group_rows);
  Chunk sum = {};
  for (int64_t n = blockIdx.y * group_rows; n < end; ++n) {
    const int64_t at = n * M + column;
    Chunk gradient = load_chunk(dy + at, left, vectorized);
    if (dpre != nullptr) {
      const Chunk kept = load_chunk(saved + at, left, vectorized);
      with_activation(activation, [&]<int ACTIVATION>() {
#pragma unroll
        for (int i = 0; i < CHUNK; ++i) gradient.at[i] = to_float(from_float<X>(gradient.at[i] * slope<ACTIVATION>(kept.at[i])));
      });
      store_chunk(dpre + at, gradient, left, vectorized);
    }
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) sum.at[i] += gradient.at[i];
  }
  if (partials != nullptr) store_chunk(partials + blockIdx.y * M + column, sum, left, vectorized);
}

// Rows of a group: it depends on N alone, so that dbias is summed in the same order on every device.
int64_t group_rows(int64_t N) { return N <= 2048 ? 8 : ceil_div(N, 256); }
int64_t groups(int64_t N) { return ceil_div(N, group_rows(N)); }

}  // namespace

cudaError_t bias_activation_forward(const Launch& launch, DType product_type, const void* product, DType type, const float* bias,
                                    nb_activation activation, void* y, void* pre, int64_t N, int64_t M) {
  if (N == 0 || M == 0) return cudaSuccess;
  const RowChunks grid(N, M, THREADS);
  if (!grid.fits || (product_type != type && product_type != DType::f32)) return cudaErrorInvalidValue;
  const bool vectorized = can_vectorize(M, product, bias, y, pre);
  return dispatch(type, [&](auto tag) {
    using X = decltype(tag);
    const auto run = [&](auto* typed_product) {
      bias_activation_forward_kernel<<<grid.blocks, THREADS, 0, launch.stream>>>(typed_product, bias, activation, static_cast<X*>(y),
                                                                                 static_cast<X*>(pre), N, grid.chunks, M, vectorized);
      return cudaGetLastError();
    };
    return product_type == type ? run(static_cast<const X*>(product)) : run(static_cast<const float*>(product));
  });
}

cudaError_t activation_backward(const Launch& launch, DType type, const void* saved, const void* dy, nb_activation activation, void* dpre,
                                float* dbias, int64_t N, int64_t M, void* workspace) {
  if (activation == NB_ACTIVATION_NONE) dpre = nullptr;
  if (N == 0 || M == 0 || (dpre == nullptr && dbias == nullptr)) return cudaSuccess;
  const bool vectorized = can_vectorize(M, saved, dy, dpre, workspace);
  float* partials = dbias == nullptr ? nullptr : static_cast<float*>(workspace);
  const dim3 blocks(ceil_div(M, BACKWARD_THREADS * CHUNK), groups(N));
  const cudaError_t rows = dispatch(type, [&](auto tag) {
    using X = decltype(tag);
    activation_backward_kernel<<<blocks, BACKWARD_THREADS, 0, launch.stream>>>(static_cast<const X*>(saved), static_cast<const X*>(dy), activation,
                                                                               static_cast<X*>(dpre), partials, N, M, group_rows(N), vectorized);
    return cudaGetLastError();
  });
  return rows != cudaSuccess ? rows : add_column_sums(launch, partials, groups(N), M, dbias, M, nullptr);
}

size_t activation_backward_workspace(int64_t N, int64_t M) { return groups(N) * M * sizeof(float); }

}  // namespace node_bert::cuda
