// The sum of squares for the gradient norm, AdamW (Loshchilov & Hutter 2019) over a flat arena of parameters, and the loss scale of f16.
//
//   g = grad * grad_scale * min(1, max_norm / (norm * grad_scale + 1e-6)),  norm = sqrt(norm_squared)
//   p *= 1 - lr wd;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)
//
// Memory traffic: sum_of_squares 4 bytes in; adamw 16 in and 12 out per parameter, + 4 to clear the gradient, + 2 for the half-precision copy.
// Nothing goes to the host: the norm is read from device memory by the sweep that clips with it, and whether an f16 step overflowed likewise.
// The convention a reader would get wrong: norm_squared belongs to the gradients as stored, before grad_scale and the loss scale, and a norm that is not
// finite poisons the parameters as on the CPU; only with a loss scale does it mean "skip this step".
#include <math.h>

#include "common.cuh"

namespace node_bert::cuda {
namespace {

constexpr int THREADS = 256;
constexpr int WIDTH = 4;                     // floats of a 128-bit access
constexpr int64_t SQUARES_BLOCK = 16 * 1024;  // floats a block sums; fixed, so that the order is the same on every device

// The sum over the block's threads of a value each; thread 0 gets it.
__device__ double block_sum(double value) {
  __shared__ double shared[THREADS / WARP];
  return group_sum<THREADS / WARP>(value, shared);
}

__device__ __forceinline__ float4 load4(const float* p, int64_t left, bool vectorized) {
  if (vectorized && left >= WIDTH) return *reinterpret_cast<const float4*>(p);
  return {p[0], left > 1 ? p[1] : 0.f, left > 2 ? p[2] : 0.f, left > 3 ? p[3] : 0.f};
}

__device__ __forceinline__ void store4(float* p, const float4& value, int64_t left, bool vectorized) {
  if (vectorized && left >= WIDTH) {
    *reinterpret_cast<float4*>(p) = value;
    return;
  }
  const float values[WIDTH] = {value.x, value.y, value.z, value.w};
#pragma unroll
  for (int i = 0; i < WIDTH; ++i) {
    if (i < left) p[i] = values[i];
  }
}

template <class X>
__device__ __forceinline__ void store4_as(X* p, const float4& value, int64_t left, bool vectorized) {
  const X values[WIDTH] = {from_float<X>(value.x), from_float<X>(value.y), from_float<X>(value.z), from_float<X>(value.w)};
  if (vectorized && left >= WIDTH) {
    *reinterpret_cast<uint2*>(p) = {pack2(values[0], values[1]), pack2(values[2], values[3])};
    return;
  }
#pragma unroll
  for (int i = 0; i < WIDTH; ++i) {
    if (i < left) p[i] = values[i];
  }
}

__global__ void __launch_bounds__(THREADS) sum_of_squares_kernel(const float* x, int64_t count, double* partials, bool vectorized) {
  const int64_t end = min(count, (int64_t{blockIdx.x} + 1) * SQUARES_BLOCK);
  double sum = 0;
#pragma unroll 4
  for (int64_t i = blockIdx.x * SQUARES_BLOCK + threadIdx.x * WIDTH; i < end; i += THREADS * WIDTH) {
    const float4 value = load4(x + i, end - i, vectorized);
    const double a = value.x, b = value.y, c = value.z, d = value.w;
    sum += (a * a + b * b) + (c * c + d * d);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(THREADS) add_partial_squares_kernel(const double* partials, int64_t blocks, float* out) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < blocks; i += THREADS) sum += partials[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *out = static_cast<float>(*out + sum);
}

struct AdamWScalars {
  double grad_scale, max_norm;
  float keep, beta1, beta2, one_minus_beta1, one_minus_beta2, eps, step_size, root_correction2;
  bool zero_grad;
};

// What every gradient is multiplied by, from values that only the device knows.
__device__ float gradient_factor(const AdamWScalars& scalars, const float* norm_squared, const LossScale* loss_scale) {
  double scale = scalars.grad_scale;
  if (loss_scale != nullptr) scale /= loss_scale->scale;
  if (norm_squared == nullptr || scalars.max_norm <= 0) return static_cast<float>(scale);
  const double clip = scalars.max_norm / (sqrt(static_cast<double>(*norm_squared)) * scale + 1e-6);
  return static_cast<float>(scale * (clip > 1.0 ? 1.0 : clip));  // written so that a NaN is handed on
}

__device__ __forceinline__ void update(float& param, float grad, float& m, float& v, float factor, const AdamWScalars& s) {
  const float g = grad * factor;
  m = s.beta1 * m + s.one_minus_beta1 * g;
  v = s.beta2 * v + s.one_minus_beta2 * g * g;
  param = param * s.keep - s.step_size * m / (sqrtf(v) / s.root_correction2 + s.eps);
}

template <class X>
__global__ void __launch_bounds__(THREADS) adamw_kernel(float* param, float* grad, float* m, float* v, X* copy, int64_t n, const float* norm_squared,
                                                        const LossScale* loss_scale, AdamWScalars scalars, bool vectorized) {
  __shared__ float shared_factor;
  if (threadIdx.x == 0) shared_factor = gradient_factor(scalars, norm_squared, loss_scale);
  __syncthreads();
  const float factor = shared_factor;
  const bool skip = loss_scale != nullptr && !isfinite(*norm_squared);
  for (int64_t i = (int64_t{blockIdx.x} * THREADS + threadIdx.x) * WIDTH; i < n; i += int64_t{gridDim.x} * THREADS * WIDTH) {
    const int64_t left = n - i;
    if (!skip) {
      const float4 g = load4(grad + i, left, vectorized);
      float4 p = load4(param + i, left, vectorized), mean = load4(m + i, left, vectorized), variance = load4(v + i, left, vectorized);
      update(p.x, g.x, mean.x, variance.x, factor, scalars);
      update(p.y, g.y, mean.y, variance.y, factor, scalars);
      update(p.z, g.z, mean.z, variance.z, factor, scalars);
      update(p.w, g.w, mean.w, variance.w, factor, scalars);
      store4(param + i, p, left, vectorized);
      store4(m + i, mean, left, vectorized);
      store4(v + i, variance, left, vectorized);
      if (copy != nullptr) store4_as(copy + i, p, left, vectorized);
    }
    if (scalars.zero_grad) store4(grad + i, float4{0.f, 0.f, 0.f, 0.f}, left, vectorized);
  }
}

// As torch.amp.GradScaler's defaults.
__global__ void update_loss_scale_kernel(LossScale* loss_scale, const float* norm_squared) {
  constexpr int GROWTH_INTERVAL = 2000;
  if (!isfinite(*norm_squared)) {
    *loss_scale = {loss_scale->scale * 0.5f, 0};
  } else if (++loss_scale->good_steps == GROWTH_INTERVAL) {
    *loss_scale = {loss_scale->scale * 2.f, 0};
  }
}

}  // namespace

cudaError_t sum_of_squares(const Launch& launch, const float* x, int64_t count, float* out, void* workspace) {
  if (count == 0) return cudaSuccess;
  const int64_t blocks = ceil_div(count, SQUARES_BLOCK);
  double* partials = static_cast<double*>(workspace);
  sum_of_squares_kernel<<<blocks, THREADS, 0, launch.stream>>>(x, count, partials, can_vectorize(CHUNK, x));
  add_partial_squares_kernel<<<1, THREADS, 0, launch.stream>>>(partials, blocks, out);
  return cudaGetLastError();
}

size_t sum_of_squares_workspace(int64_t count) { return ceil_div(count, SQUARES_BLOCK) * sizeof(double); }

cudaError_t adamw(const Launch& launch, float* param, float* grad, float* m, float* v, DType copy_type, void* copy, int64_t n,
                  const float* norm_squared, const LossScale* loss_scale, const AdamWParams& params) {
  if (n == 0) return cudaSuccess;
  if ((copy != nullptr && copy_type == DType::f32) || (loss_scale != nullptr && norm_squared == nullptr)) return cudaErrorInvalidValue;
  const AdamWScalars scalars{
      .grad_scale = params.grad_scale,
      .max_norm = params.max_norm,
      .keep = static_cast<float>(1.0 - params.lr * params.weight_decay),
      .beta1 = static_cast<float>(params.beta1),
      .beta2 = static_cast<float>(params.beta2),
      .one_minus_beta1 = static_cast<float>(1.0 - params.beta1),
      .one_minus_beta2 = static_cast<float>(1.0 - params.beta2),
      .eps = static_cast<float>(params.eps),
      .step_size = static_cast<float>(params.lr / (1.0 - pow(params.beta1, params.step))),
      .root_correction2 = static_cast<float>(sqrt(1.0 - pow(params.beta2, params.step))),
      .zero_grad = params.zero_grad,
  };
  // Long-lived blocks: each works out its factor once.
  const unsigned blocks = min(ceil_div(n, THREADS * WIDTH), int64_t{launch.multiprocessors} * 8);
  const bool vectorized = can_vectorize(CHUNK, param, grad, m, v) && reinterpret_cast<uintptr_t>(copy) % 8 == 0;
  const auto run = [&](auto* typed_copy) {
    adamw_kernel<<<blocks, THREADS, 0, launch.stream>>>(param, grad, m, v, typed_copy, n, norm_squared, loss_scale, scalars, vectorized);
    return cudaGetLastError();
  };
  return copy_type == DType::f16 ? run(static_cast<__half*>(copy)) : run(static_cast<__nv_bfloat16*>(copy));
}

cudaError_t update_loss_scale(const Launch& launch, LossScale* loss_scale, const float* norm_squared) {
  update_loss_scale_kernel<<<1, 1, 0, launch.stream>>>(loss_scale, norm_squared);
  return cudaGetLastError();
}

}  // namespace node_bert::cuda
