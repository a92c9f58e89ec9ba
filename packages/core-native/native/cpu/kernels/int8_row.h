// One row in 8 bits. The rounding is the same at every instruction set and on the reference, down to the bit: in f32, one division
// and one product, half to even.
#pragma once
#include "math.h"

namespace {

typedef uint8_t Bytes __attribute__((vector_size(W)));
typedef Bytes Bytes_memory __attribute__((aligned(1), may_alias));
typedef int16_t Halves __attribute__((vector_size(4 * W)));
typedef Halves Halves_memory __attribute__((aligned(2), may_alias));

// Below this a row counts as zero: its step would be no normal number.
constexpr float kSmallest = 1e-30f;

struct Steps {
  float scale;    // of one step; NaN when the row holds a NaN or an infinity
  float inverse;  // steps in 1

  // Of a row whose largest magnitude is `most`; `bad` is NaN or 0.
  Steps(float most, float bad) : scale(bad), inverse(0.f) {
    if (!(most >= kSmallest)) return;
    scale = most / 127.f + bad;
    inverse = 127.f / most;
  }
};

NB_INLINE Steps steps_of_row(const float* x, int64_t K) {
  F largest = {}, poison = {};
  for (int64_t k = 0; k < K; k += W) {
    const F value = load(x + k, K - k);
    largest = maximum(float_of(bits_of(value) & 0x7FFFFFFFu), largest);
    poison += value * 0.f;
  }
  return Steps(max_lanes(largest), sum_lanes(poison));
}

// Magnitudes of bf16 are ordered as their bits are.
NB_INLINE Steps steps_of_row(const bf16* x, int64_t K) {
  Halves largest = {};
  int64_t k = 0;
  for (; k + 2 * W <= K; k += 2 * W) {
    const Halves bits = *(const Halves_memory*)(x + k) & 0x7FFF;
    largest = bits > largest ? bits : largest;
  }
  int most = 0;
  for (int lane = 0; lane < 2 * W; ++lane) most = larger<int>(most, largest[lane]);
  for (; k < K; ++k) most = larger(most, x[k].bits & 0x7FFF);
  const float value = scalar_of(bf16{static_cast<uint16_t>(most)});
  return Steps(value, value * 0.f);
}

NB_INLINE I round_to_integers(F x) {
#if defined(__AVX512F__)
  return (I)_mm512_cvtps_epi32((__m512)x);
#else
  return __builtin_convertvector(round_to_integer(x), I);
#endif
}

// q + kOffset, one byte each; returns the sum of q when that is wanted.
template <int kOffset, bool kSums, class X>
NB_INLINE int32_t quantize_row(const X* x, int64_t K, float inverse, uint8_t* out) {
  I sums = {};
  for (int64_t k = 0; k < K; k += W) {
    const I q = round_to_integers(load(x + k, K - k) * inverse);
    if (kSums) sums += q;  // the lanes past the end are 0
    const Bytes bytes = __builtin_convertvector(q + kOffset, Bytes);
    if (K - k >= W) *(Bytes_memory*)(out + k) = bytes;
    else memcpy(out + k, &bytes, static_cast<size_t>(K - k));
  }
  int32_t sum = 0;
  for (int lane = 0; lane < W; ++lane) sum += sums[lane];
  return sum;
}

#if defined(__AVX512BW__)
// 2 W elements at once, as pairs with the even one in the low half; the generic loop above widens them first.
NB_INLINE __m256i quantize_pairs(__m512i pairs, F inverse) {
  const I even = round_to_integers(float_of((U)pairs << 16) * inverse);
  const I odd = round_to_integers(float_of((U)pairs & 0xFFFF0000u) * inverse);
  const __m512i halves = _mm512_mask_blend_epi16(0xAAAAAAAAu, (__m512i)even, (__m512i)(odd << 16));
  return _mm256_xor_si256(_mm512_cvtepi16_epi8(halves), _mm256_set1_epi8(-128));
}

template <>
NB_INLINE int32_t quantize_row<128, false>(const bf16* x, int64_t K, float inverse, uint8_t* out) {
  const F factor = splat(inverse);
  int64_t k = 0;
  for (; k + 2 * W <= K; k += 2 * W) _mm256_storeu_si256((__m256i*)(out + k), quantize_pairs(_mm512_loadu_si512(x + k), factor));
  if (k < K) {
    const __mmask32 rest = (1u << (K - k)) - 1u;
    _mm256_mask_storeu_epi8(out + k, rest, quantize_pairs(_mm512_maskz_loadu_epi16(rest, x + k), factor));
  }
  return 0;
}
#endif

// A row of activations, as integers + 128; returns its scale.
template <class X>
NB_INLINE float quantize_token(const X* x, int64_t K, uint8_t* q) {
  const Steps steps = steps_of_row(x, K);
  quantize_row<128, false>(x, K, steps.inverse, q);
  return steps.scale;
}

}  // namespace
