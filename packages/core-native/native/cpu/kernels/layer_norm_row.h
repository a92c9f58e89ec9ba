// Layer normalization of one row in cache (Ba, Kiros & Hinton 2016), shared by the two ops that have one.
#pragma once
#include "philox.h"

namespace {

struct Moments {
  float mean, rstd;
};

// Two passes: E[z^2] - E[z]^2 would cancel on rows whose mean is large.
NB_INLINE Moments row_moments(const float* z, int64_t H, float sum, float eps) {
  const float mean = sum / static_cast<float>(H);
  F squares = {};
  for (int64_t h = 0; h < H; h += W) {
    const F centered = first_lanes(load(z + h, H - h) - mean, H - h, 0.f);
    squares += centered * centered;
  }
  const float variance = sum_lanes(squares) / static_cast<float>(H);
  return {mean, 1.f / __builtin_sqrtf(variance + eps)};
}

// From the sums over h of g and of g * normalized, with g = dy * gamma and normalized = (z - mean) * rstd:
//   dz = rstd * (g - sum_g / H - normalized * sum_g_normalized / H)
struct RowGradient {
  float rstd, mean_g, mean_g_normalized;
  NB_INLINE F dz(F g, F normalized) const { return rstd * (g - mean_g - normalized * mean_g_normalized); }
};

// gradient[h] += the sum over the row blocks, in order, of partials[block * stride + h].
NB_INLINE void add_partials(const float* partials, int64_t blocks, int64_t stride, float* gradient, int64_t size, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (blocks * size > 262144)
  for (int64_t h = 0; h < size; h += W) {
    F sum = {};
    for (int64_t block = 0; block < blocks; ++block) sum += load(partials + block * stride + h);
    store(gradient + h, load(gradient + h, size - h) + sum, size - h);
  }
}

}  // namespace
