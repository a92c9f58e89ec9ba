// Vectors of W floats over GCC's vector extension: W is what the instruction set of this compilation has (16, 8 or 4).
//
// Everything here and in the kernels has internal linkage, and no inline function of the standard library is used: the linker
// keeps one copy of an inline function, and it could keep the AVX-512 one for a processor that has none.
//
// Loads and stores take a count, so that loops have no separate tails: for (i = 0; i < n; i += W) store(y + i, f(load(x + i, n -
// i)), n - i).
#pragma once
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernels.h"

#define NB_INLINE __attribute__((always_inline)) inline

namespace {

using node_bert::cpu::bf16;
using node_bert::cpu::Type;

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX2__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float F __attribute__((vector_size(W * 4)));
typedef int32_t I __attribute__((vector_size(W * 4)));
typedef uint32_t U __attribute__((vector_size(W * 4)));
typedef uint16_t H16 __attribute__((vector_size(W * 2)));
typedef uint64_t U64 __attribute__((vector_size(W * 4)));
typedef F F_memory __attribute__((aligned(4), may_alias));
typedef U U_memory __attribute__((aligned(4), may_alias));
typedef H16 H16_memory __attribute__((aligned(2), may_alias));
typedef U64 U64_memory __attribute__((aligned(4), may_alias));

template <class T>
NB_INLINE T smaller(T a, T b) {
  return a < b ? a : b;
}
template <class T>
NB_INLINE T larger(T a, T b) {
  return a > b ? a : b;
}

NB_INLINE F splat(float x) { return F{} + x; }
NB_INLINE I splat_i(int32_t x) { return I{} + x; }
NB_INLINE U splat_u(uint32_t x) { return U{} + x; }

NB_INLINE U bits_of(F x) { return (U)x; }
NB_INLINE F float_of(U x) { return (F)x; }

NB_INLINE F fma(F a, F b, F c) { return a * b + c; }

NB_INLINE I lane_numbers() {
  I lanes;
  for (int i = 0; i < W; ++i) lanes[i] = i;
  return lanes;
}

NB_INLINE F bf16_to_float(H16 x) { return float_of(__builtin_convertvector(x, U) << 16); }

// Round to nearest even; a NaN stays one.
NB_INLINE H16 float_to_bf16(F x) {
  const U bits = bits_of(x);
  const U rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const U quiet = (bits >> 16) | 0x40u;
  return __builtin_convertvector(x == x ? rounded : quiet, H16);
}

NB_INLINE float scalar_of(bf16 x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
NB_INLINE float scalar_of(float x) { return x; }

NB_INLINE F load(const float* p) { return *(const F_memory*)p; }
NB_INLINE F load(const bf16* p) { return bf16_to_float(*(const H16_memory*)p); }
NB_INLINE void store(float* p, F x) { *(F_memory*)p = x; }
NB_INLINE void store(bf16* p, F x) { *(H16_memory*)p = float_to_bf16(x); }

// The first n elements, 0 < n < W; the other lanes are 0.
NB_INLINE F load_part(const float* p, int64_t n) {
#if defined(__AVX512F__)
  return (F)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1u), p);
#else
  F x = {};
  for (int i = 0; i < W; ++i)
    if (i < n) x[i] = p[i];
  return x;
#endif
}
NB_INLINE F load_part(const bf16* p, int64_t n) {
#if defined(__AVX512F__)
  return bf16_to_float((H16)_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1u), p));
#else
  H16 x = {};
  for (int i = 0; i < W; ++i)
    if (i < n) x[i] = p[i].bits;
  return bf16_to_float(x);
#endif
}
NB_INLINE void store_part(float* p, F x, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1u), (__m512)x);
#else
  for (int i = 0; i < W; ++i)
    if (i < n) p[i] = x[i];
#endif
}
NB_INLINE void store_part(bf16* p, F x, int64_t n) {
  const H16 rounded = float_to_bf16(x);
#if defined(__AVX512F__)
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << n) - 1u), (__m256i)rounded);
#else
  for (int i = 0; i < W; ++i)
    if (i < n) p[i].bits = rounded[i];
#endif
}

template <class T>
NB_INLINE F load(const T* p, int64_t n) {
  return __builtin_expect(n >= W, 1) ? load(p) : load_part(p, n);
}
template <class T>
NB_INLINE void store(T* p, F x, int64_t n) {
  if (__builtin_expect(n >= W, 1)) store(p, x);
  else store_part(p, x, n);
}

// x in the first n lanes, `other` in the rest.
NB_INLINE F first_lanes(F x, int64_t n, float other) {
  if (__builtin_expect(n >= W, 1)) return x;
  return lane_numbers() < splat_i(static_cast<int32_t>(n)) ? x : splat(other);
}

// b where one of them is a NaN.
#if defined(__AVX512F__)
NB_INLINE F maximum(F a, F b) { return (F)_mm512_max_ps((__m512)a, (__m512)b); }
NB_INLINE F minimum(F a, F b) { return (F)_mm512_min_ps((__m512)a, (__m512)b); }
#else
NB_INLINE F maximum(F a, F b) { return a > b ? a : b; }
NB_INLINE F minimum(F a, F b) { return a < b ? a : b; }
#endif

// Whether every bit is 0.
NB_INLINE bool is_all_zero(U x) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask((__m512i)x, (__m512i)x) == 0;
#elif defined(__AVX2__)
  return _mm256_testz_si256((__m256i)x, (__m256i)x) != 0;
#else
  uint32_t bits = 0;
  for (int i = 0; i < W; ++i) bits |= x[i];
  return bits == 0;
#endif
}

NB_INLINE float sum_lanes(F x) {
  float lanes[W];
  memcpy(lanes, &x, sizeof(x));
  for (int width = W / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

NB_INLINE float max_lanes(F x) {
  float largest = x[0];
  for (int i = 1; i < W; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

NB_INLINE F square_root(F x) {
#if defined(__AVX512F__)
  return (F)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (F)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
  return (F)_mm_sqrt_ps((__m128)x);
#else
  for (int i = 0; i < W; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

// In place: the transpose of a W x W matrix held in W registers, by log2(W) perfect shuffles.
NB_INLINE void transpose(F (&rows)[W]) {
  I low, high;
  for (int i = 0; i < W; ++i) {
    low[i] = i % 2 * W + i / 2;
    high[i] = i % 2 * W + i / 2 + W / 2;
  }
  for (int step = 1; step < W; step *= 2) {
    F shuffled[W];
    for (int i = 0; i < W / 2; ++i) {
      shuffled[2 * i] = __builtin_shuffle(rows[i], rows[i + W / 2], low);
      shuffled[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + W / 2], high);
    }
    for (int i = 0; i < W; ++i) rows[i] = shuffled[i];
  }
}

}  // namespace
