// How attention's matrices lie in scratch memory in each type, ready for the register tile (tile.h). Memory is counted in words
// of 4 bytes: a float, or a pair of bf16 that are neighbours along k. In the shapes below K2 is the number of words that K
// elements take along k.
//   left operand (M,K):    (M rows, K2), rows as far apart as floats would be, so that f32 scores can become bf16 in place
//   right operand (K,N):   (K2, padded N)
//   left, transposed:      a block of rows as columns, (M,K) with k along the rows: words (K2, M)
#pragma once
#include "attention_block.h"

namespace {

template <class X>
struct Operands;

template <>
struct Operands<float> {
  using Elements = FloatElements;
  static NB_INLINE int64_t words(int64_t K) { return K; }
  static NB_INLINE void store_left(float* out, F x) { store(out, x); }

  // rows (M,K), `stride` apart
  static void pack_left(const float* rows, int64_t stride, int64_t M, int64_t K, float* out) {
    pack_rows(rows, stride, M, K, out);
  }
  // rows (K,N)
  static void pack_right(const float* rows, int64_t stride, int64_t K, int64_t N, float* out) {
    pack_rows(rows, stride, K, N, out);
  }
  // rows (N,K)
  static void pack_right_transposed(const float* rows, int64_t stride, int64_t N, int64_t K, float* out) {
    const int64_t width = padded(N);
    for (int64_t i = 0; i < width; i += W) {
      for (int64_t k = 0; k < K; k += W) {
        F square[W];
        for (int row = 0; row < W; ++row) square[row] = i + row < N ? load(rows + (i + row) * stride + k, K - k) : F{};
        transpose(square);
        for (int row = 0; row < W && k + row < K; ++row) store(out + (k + row) * width + i, square[row]);
      }
    }
  }

  static NB_INLINE void pack_rows(const float* rows, int64_t stride, int64_t M, int64_t K, float* out) {
    for (int64_t i = 0; i < M; ++i) {
      float* to = out + i * padded(K);
      for (int64_t k = 0; k < K; k += W) store(to + k, load(rows + i * stride + k, K - k));
      for (int64_t k = (K + W - 1) / W * W; k < padded(K); k += W) store(to + k, F{});
    }
  }
};

template <>
struct Operands<bf16> {
  using Elements = PairElements;
  static NB_INLINE int64_t words(int64_t K) { return (K + 1) / 2; }

  // Round to nearest even; results below the normal range may become 0, which is nothing beside the sums they go into.
  static NB_INLINE H16 narrow(F x) {
#if defined(__AVX512BF16__)
    return (H16)_mm512_cvtneps_pbh((__m512)x);
#else
    return float_to_bf16(x);
#endif
  }
  static NB_INLINE void store_left(bf16* out, F x) { *(H16_memory*)out = narrow(x); }
  static NB_INLINE U pairs(F even, F odd) {
    return __builtin_convertvector(narrow(even), U) | __builtin_convertvector(narrow(odd), U) << 16;
  }

  // W words of a row that has n elements left, zeros after them.
  static NB_INLINE F load_words(const bf16* p, int64_t n) {
    F words = {};
    if (n >= 2 * W) memcpy(&words, p, sizeof(words));  // not a load of floats: a bf16 may start at any even address
    else if (n > 0) memcpy(&words, p, static_cast<size_t>(n) * sizeof(bf16));
    return words;
  }
  static NB_INLINE H16 load_bits(const bf16* p, int64_t n) {
    H16 bits = {};
    if (n >= W) return *(const H16_memory*)p;
    memcpy(&bits, p, static_cast<size_t>(n) * sizeof(bf16));
    return bits;
  }

  static void pack_left(const bf16* rows, int64_t stride, int64_t M, int64_t K, float* out) {
    for (int64_t i = 0; i < M; ++i) {
      for (int64_t k = 0; k < K; k += 2 * W) store(out + i * padded(K) + k / 2, load_words(rows + i * stride + k, K - k));
    }
  }

  static void pack_right(const bf16* rows, int64_t stride, int64_t K, int64_t N, float* out) {
    for (int64_t k = 0; k < K; k += 2) {
      for (int64_t j = 0; j < padded(N); j += W) {
        U words = {};
        if (j < N) words = __builtin_convertvector(load_bits(rows + k * stride + j, N - j), U);
        if (j < N && k + 1 < K) words |= __builtin_convertvector(load_bits(rows + (k + 1) * stride + j, N - j), U) << 16;
        store(out + k / 2 * padded(N) + j, float_of(words));
      }
    }
  }

  static void pack_right_transposed(const bf16* rows, int64_t stride, int64_t N, int64_t K, float* out) {
    const int64_t width = padded(N), depth = words(K);
    for (int64_t i = 0; i < width; i += W) {
      for (int64_t k = 0; k < depth; k += W) {
        F square[W];
        for (int row = 0; row < W; ++row)
          square[row] = i + row < N ? load_words(rows + (i + row) * stride + 2 * k, K - 2 * k) : F{};
        transpose(square);
        for (int row = 0; row < W && k + row < depth; ++row) store(out + (k + row) * width + i, square[row]);
      }
    }
  }
};

// c (M, padded N) = [c +] left (M,K) right (K,N). The strides of left are in words.
template <class X, bool kAdd>
NB_INLINE void multiply_operands(const float* left, int64_t left_row, int64_t left_column, const float* right, float* c,
                                 int64_t M, int64_t N, int64_t K) {
  using Elements = typename Operands<X>::Elements;
  using Element = typename Elements::Element;
  multiply<kAdd>(Product<Elements>{reinterpret_cast<const Element*>(left), left_row, left_column,
                                   reinterpret_cast<const Element*>(right), padded(N), c, padded(N), M, padded(N),
                                   Operands<X>::words(K)});
}

}  // namespace
