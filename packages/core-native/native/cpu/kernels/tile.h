// Products of small matrices in cache, for attention: c (M,N) = [c +] a (M,K) b (K,N), summed in f32.
// A register tile of a few rows by a few vectors: each step of k broadcasts one element of each row of a against one row of b.
// Rows of b and c are padded: N is a multiple of kPad, and what lies in the padding of b is finite.
//
// The element of a and b is a float, or a pair of bf16 that are neighbours along k: then K counts pairs, b's rows 2k and 2k + 1
// are interleaved, and an element of the tile is the instruction vdpbf16ps (two products, each added with one rounding) or the
// same in f32 where that is missing.
#pragma once
#include "simd.h"

namespace {

// ---- float elements
struct FloatElements {
  using Element = float;
  using Vector = F;
  static NB_INLINE F broadcast(const float* a) { return splat(*a); }
  static NB_INLINE F row(const float* b) { return load(b); }
  static NB_INLINE F add_product(F sum, F a, F b) { return sum + a * b; }
#if defined(__AVX512F__)
  static constexpr int kRows = 6, kVectors = 4;  // 24 sums of 32 registers
#else
  static constexpr int kRows = 6, kVectors = 2;  // 12 of 16
#endif
};

// ---- pairs of bf16: the even one in the low half of a word
typedef uint32_t Pair __attribute__((may_alias));

struct PairElements {
  using Element = Pair;
#if defined(__AVX512BF16__)
  using Vector = U;
  static NB_INLINE U broadcast(const Pair* a) { return splat_u(*a); }
  static NB_INLINE U row(const Pair* b) { return *(const U_memory*)b; }
  static NB_INLINE F add_product(F sum, U a, U b) { return (F)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b); }
  static constexpr int kRows = 6, kVectors = 4;
#else
  struct Vector {
    F even, odd;
  };
  static NB_INLINE Vector halves(U words) { return {float_of(words << 16), float_of(words & 0xFFFF0000u)}; }
  static NB_INLINE Vector broadcast(const Pair* a) { return halves(splat_u(*a)); }
  static NB_INLINE Vector row(const Pair* b) { return halves(*(const U_memory*)b); }
  static NB_INLINE F add_product(F sum, Vector a, Vector b) { return fma(a.even, b.even, fma(a.odd, b.odd, sum)); }
#if defined(__AVX512F__)
  static constexpr int kRows = 5, kVectors = 4;
#else
  static constexpr int kRows = 4, kVectors = 2;
#endif
#endif
};

template <class E>
struct Product {
  const typename E::Element* a;
  int64_t a_row, a_column;  // a(i, k) = a[i * a_row + k * a_column]
  const typename E::Element* b;
  int64_t b_row;
  float* c;
  int64_t c_row;
  int64_t M, N, K;
};

template <class E, int kRows, int kVectors, bool kAdd>
NB_INLINE void multiply_tile(const Product<E>& p, const typename E::Element* a, const typename E::Element* b, float* c) {
  F sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) sums[i][j] = kAdd ? load(c + i * p.c_row + j * W) : F{};
  }
  for (int64_t k = 0; k < p.K; ++k) {
    typename E::Vector row[kVectors];
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) row[j] = E::row(b + j * W);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const typename E::Vector factor = E::broadcast(a + i * p.a_row);
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) sums[i][j] = E::add_product(sums[i][j], factor, row[j]);
    }
    a += p.a_column;
    b += p.b_row;
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) store(c + i * p.c_row + j * W, sums[i][j]);
  }
}

template <class E, int kVectors, bool kAdd>
inline void multiply_columns(const Product<E>& p, int64_t j) {
  int64_t i = 0;
  const auto a = [&] { return p.a + i * p.a_row; };
  const auto c = [&] { return p.c + i * p.c_row + j; };
  for (; i + E::kRows <= p.M; i += E::kRows) multiply_tile<E, E::kRows, kVectors, kAdd>(p, a(), p.b + j, c());
  if constexpr (E::kRows > 4) {
    if (i + 4 <= p.M) {
      multiply_tile<E, 4, kVectors, kAdd>(p, a(), p.b + j, c());
      i += 4;
    }
  }
  if (i + 2 <= p.M) {
    multiply_tile<E, 2, kVectors, kAdd>(p, a(), p.b + j, c());
    i += 2;
  }
  if (i < p.M) multiply_tile<E, 1, kVectors, kAdd>(p, a(), p.b + j, c());
}

template <bool kAdd, class E>
inline void multiply(const Product<E>& p) {
  int64_t j = 0;
  for (; j + E::kVectors * W <= p.N; j += E::kVectors * W) multiply_columns<E, E::kVectors, kAdd>(p, j);
  for (; j < p.N; j += W) multiply_columns<E, 1, kAdd>(p, j);
}

}  // namespace
