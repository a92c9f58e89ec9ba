// Products of small matrices in cache, for attention: c (M,N) = [c +] a (M,K) b (K,N) in f32.
// A register tile of 6 rows by 4 (AVX-512) or 2 vectors: each step of k broadcasts 6 elements of a against one row of b.
// Rows of b and c are padded: N is a multiple of kPad floats, and what lies in the padding of b is finite.
#pragma once
#include "simd.h"

namespace {

#if defined(__AVX512F__)
constexpr int kTileVectors = 4;  // 24 accumulators of 32 registers
#else
constexpr int kTileVectors = 2;  // 12 of 16
#endif
constexpr int kTileRows = 6;

struct Product {
  const float* a;
  int64_t a_row, a_column;  // a(i, k) = a[i * a_row + k * a_column]
  const float* b;
  int64_t b_row;
  float* c;
  int64_t c_row;
  int64_t M, N, K;
};

template <int kRows, int kVectors, bool kAdd>
NB_INLINE void multiply_tile(const Product& p, const float* a, const float* b, float* c) {
  F sums[kRows][kVectors];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) sums[i][j] = kAdd ? load(c + i * p.c_row + j * W) : F{};
  }
  for (int64_t k = 0; k < p.K; ++k) {
    F row[kVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) row[j] = load(b + j * W);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const F factor = splat(a[i * p.a_row]);
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) sums[i][j] += factor * row[j];
    }
    a += p.a_column;
    b += p.b_row;
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) store(c + i * p.c_row + j * W, sums[i][j]);
  }
}

template <int kVectors, bool kAdd>
inline void multiply_columns(const Product& p, int64_t j) {
  int64_t i = 0;
  const auto a = [&] { return p.a + i * p.a_row; };
  const auto c = [&] { return p.c + i * p.c_row + j; };
  for (; i + kTileRows <= p.M; i += kTileRows) multiply_tile<kTileRows, kVectors, kAdd>(p, a(), p.b + j, c());
  if (i + 4 <= p.M) {
    multiply_tile<4, kVectors, kAdd>(p, a(), p.b + j, c());
    i += 4;
  }
  if (i + 2 <= p.M) {
    multiply_tile<2, kVectors, kAdd>(p, a(), p.b + j, c());
    i += 2;
  }
  if (i < p.M) multiply_tile<1, kVectors, kAdd>(p, a(), p.b + j, c());
}

template <bool kAdd>
inline void multiply(const Product& p) {
  int64_t j = 0;
  for (; j + kTileVectors * W <= p.N; j += kTileVectors * W) multiply_columns<kTileVectors, kAdd>(p, j);
  for (; j < p.N; j += W) multiply_columns<1, kAdd>(p, j);
}

}  // namespace
