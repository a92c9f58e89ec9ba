// Dropout's random half-words (node_bert/philox.h), W / 2 counters at once.
#pragma once
#include "simd.h"

namespace {

using node_bert::cpu::Dropout;
using node_bert::cpu::kBitsGroup;

// The 64-bit products of the low halves of each 64-bit lane.
NB_INLINE U64 multiply_low_halves(U64 a, U64 b) {
#if defined(__AVX512F__)
  return (U64)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (U64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (U64)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

// The half-words of columns 0 .. columns - 1 of a row, in order. Writes whole groups: up to padded_bits(columns) of them.
inline void random_half_words(const Dropout& dropout, uint32_t row, int64_t columns, uint16_t* out) {
  constexpr int L = W / 2;  // counters at once; each word sits in the low half of a 64-bit lane, what is above it does not matter
  U64 lanes, low, high;
  for (int i = 0; i < L; ++i) {
    lanes[i] = static_cast<uint64_t>(i);
    low[i] = static_cast<uint64_t>(i % 2 * L + i / 2);
    high[i] = static_cast<uint64_t>(i % 2 * L + i / 2 + L / 2);
  }
  const U64 m0 = U64{} + 0xD2511F53u, m1 = U64{} + 0xCD9E8D57u;
  for (int64_t column = 0; column < columns; column += 8 * L) {
    U64 c0 = lanes + static_cast<uint64_t>(column / 8);
    U64 c1 = U64{} + row, c2 = U64{} + dropout.op, c3 = U64{} + dropout.step;
    uint32_t k0 = dropout.seed_low, k1 = dropout.seed_high;
    for (int round = 0; round < 10; ++round) {
      const U64 p0 = multiply_low_halves(c0, m0);
      const U64 p1 = multiply_low_halves(c2, m1);
      c0 = (p1 >> 32) ^ c1 ^ static_cast<uint64_t>(k0);
      c2 = (p0 >> 32) ^ c3 ^ static_cast<uint64_t>(k1);
      c1 = p1;
      c3 = p0;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    const U64 first = (c0 & 0xFFFFFFFFu) | (c1 << 32), second = (c2 & 0xFFFFFFFFu) | (c3 << 32);
    *(U64_memory*)(out + column) = __builtin_shuffle(first, second, low);
    *(U64_memory*)(out + column + 4 * L) = __builtin_shuffle(first, second, high);
  }
}

// The factors of the W columns from `bits` on: 0 or the scale.
NB_INLINE F keep_factors(const uint16_t* bits, uint32_t threshold, float scale) {
  const U words = __builtin_convertvector(*(const H16_memory*)bits, U);
  return words >= splat_u(threshold) ? splat(scale) : F{};
}

}  // namespace
