// exp, tanh and the normal distribution on vectors, by polynomials fitted for this project (minimax in the relative error, by
// iteratively reweighted least squares on Chebyshev nodes, in double).
#pragma once
#include "simd.h"

namespace {

// a * b - c without the rounding of the product, where the processor can; 0 stands in for a * b - (a * b) elsewhere.
NB_INLINE F product_error(F a, F b, F product) {
#if defined(__FMA__)
  return a * b - product;
#else
  return F{};
#endif
}

// 2^n * x for integral n in [-300, 300], with gradual underflow.
NB_INLINE F scale_by_power(F x, F n) {
#if defined(__AVX512F__)
  return (F)_mm512_scalef_ps((__m512)x, (__m512)n);
#else
  const I whole = __builtin_convertvector(n, I);
  const I half = whole >> 1;
  const F a = (F)((half + 127) << 23), b = (F)((whole - half + 127) << 23);
  return x * a * b;
#endif
}

NB_INLINE F round_to_integer(F x) {
#if defined(__AVX512F__)
  return (F)_mm512_roundscale_ps((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return (F)_mm256_round_ps((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__SSE4_1__)
  return (F)_mm_round_ps((__m128)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  for (int i = 0; i < W; ++i) x[i] = __builtin_rintf(x[i]);
  return x;
#endif
}

// e^x for x up to 90: at most 1 ulp off where the result is normal; 0 below -104; NaN stays NaN.
NB_INLINE F bounded_exponential(F x) {
  x = maximum(splat(-104.f), x);
  const F n = round_to_integer(x * 1.44269504088896341f);
  F r = x - n * 0.693145751953125f;  // ln 2 in two parts: the first has few digits, so n times it is exact
  r = r - n * 1.42860682030941723e-6f;
  F p = splat(1.3814538106e-3f);
  p = fma(p, r, splat(8.3687455416e-3f));
  p = fma(p, r, splat(4.1668390844e-2f));
  p = fma(p, r, splat(1.6666520395e-1f));
  p = fma(p, r, splat(4.9999993432e-1f));
  p = fma(p * r, r, r) + 1.f;
  return scale_by_power(p, n);
}

// e^x of any x; infinity above 88.8.
NB_INLINE F exponential(F x) { return bounded_exponential(minimum(splat(90.f), x)); }

struct Normal {
  F distribution;  // Phi(x)
  F gaussian;      // exp(-x^2 / 2)
};

// Phi(-|x|) = exp(-x^2 / 2) q P(q) with q = 1 / (1 + 0.24 |x|), P fitted on |x| <= 14 to 3e-9 relative: the left tail keeps its
// digits, which 1 + erf would cancel. The exponential takes x^2 in two parts, because its rounding would be multiplied by x^2.
NB_INLINE Normal normal_distribution(F x) {
  const F magnitude = float_of(bits_of(x) & 0x7FFFFFFFu);
  const F square = x * x;
  const F lost = product_error(x, x, square);
  const F wide = exponential(square * -0.5f);
  const F gaussian = square < 200.f ? wide - wide * (lost * 0.5f) : wide;
  const F q = 1.f / fma(magnitude, splat(0.24f), splat(1.f));
  F p = splat(2.547380744975e-2f);
  p = fma(p, q, splat(-1.2433712252290e-1f));
  p = fma(p, q, splat(2.0472982555483e-1f));
  p = fma(p, q, splat(-1.4320157468791e-1f));
  p = fma(p, q, splat(1.4049500124710e-1f));
  p = fma(p, q, splat(2.871031688075e-2f));
  p = fma(p, q, splat(8.755319127183e-2f));
  p = fma(p, q, splat(8.898330300921e-2f));
  p = fma(p, q, splat(9.585081688937e-2f));
  p = fma(p, q, splat(9.574243646139e-2f));
  const F tail = gaussian * (p * q);
  return {x > 0.f ? 1.f - tail : tail, gaussian};
}

NB_INLINE F hyperbolic_tangent(F x) {
  const F magnitude = float_of(bits_of(x) & 0x7FFFFFFFu);
  const F z = x * x;
  F p = splat(-5.717032589728e-3f);
  p = fma(p, z, splat(2.0650575624294e-2f));
  p = fma(p, z, splat(-5.3743494284635e-2f));
  p = fma(p, z, splat(1.3331491237605e-1f));
  p = fma(p, z, splat(-3.3333283923223e-1f));
  const F near = fma(p * z, x, x);
  const F e = exponential(magnitude * -2.f);
  const F far = (1.f - e) / (1.f + e);
  const F far_signed = float_of(bits_of(far) | (bits_of(x) & 0x80000000u));
  return magnitude < 0.625f ? near : far_signed;
}

}  // namespace
