// What forward and backward of attention share: where a head's rows are, packing them, the rows of the softmax.
//
// A task is one head of one sequence, of length L. Its keys and values are packed once to f32, as (L, D) rows or transposed to (D, L),
// with padded rows; then blocks of kQueryBlock queries are multiplied with them. Scores of a block, (kQueryBlock, L), never leave the cache.
#pragma once
#include "math.h"
#include "philox.h"
#include "tile.h"

namespace {

using node_bert::cpu::Attention;
using node_bert::cpu::kQueryBlock;
using node_bert::cpu::padded;
using node_bert::cpu::padded_bits;

struct Task {
  int64_t head, first, length, squares;  // squares: of the lengths of the sequences before this one
};

// Task t of B * A: longest sequences first, so that the last tasks to be handed out are short.
NB_INLINE Task task_of(const Attention& args, int64_t t) {
  const int64_t b = args.order[t / args.A];
  return {t % args.A, args.cu_seqlens[b], args.cu_seqlens[b + 1] - args.cu_seqlens[b], 0};
}

// Rows of q (part 0), k (1) or v (2) of a head.
template <class X>
NB_INLINE const X* qkv_rows(const Attention& args, const Task& task, int part) {
  return static_cast<const X*>(args.qkv) + task.first * 3 * args.H + part * args.H + task.head * args.D;
}

// rows (L, D), with row stride `stride` → out (L, padded(D)), zeros in the padding.
template <class X>
inline void pack_rows(const X* rows, int64_t stride, int64_t L, int64_t D, float* out) {
  for (int64_t i = 0; i < L; ++i) {
    float* to = out + i * padded(D);
    for (int64_t d = 0; d < D; d += W) store(to + d, load(rows + i * stride + d, D - d));
    for (int64_t d = (D + W - 1) / W * W; d < padded(D); d += W) store(to + d, F{});
  }
}

// rows (L, D) → out (D, padded(L)), zeros in the padding.
template <class X>
inline void pack_transposed(const X* rows, int64_t stride, int64_t L, int64_t D, float* out) {
  const int64_t width = padded(L);
  for (int64_t i = 0; i < width; i += W) {
    for (int64_t d = 0; d < D; d += W) {
      F square[W];
      for (int row = 0; row < W; ++row) square[row] = i + row < L ? load(rows + (i + row) * stride + d, D - d) : F{};
      transpose(square);
      for (int row = 0; row < W && d + row < D; ++row) store(out + (d + row) * width + i, square[row]);
    }
  }
}

// x (rows, padded(D)), each row times factor, → out (rows, D) with row stride `stride`.
template <class X>
inline void unpack_rows(const float* x, int64_t rows, int64_t D, X* out, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t d = 0; d < D; d += W) store(out + i * stride + d, load(x + i * padded(D) + d), D - d);
  }
}

struct SoftmaxSums {
  float largest, sum;
};

// scores (padded(L)) become exp(scale * scores - largest), zeros in the padding; not yet divided by their sum.
inline SoftmaxSums exponentials_of_row(float* scores, int64_t L, float scale) {
  constexpr float kMinusInfinity = -__builtin_inff();
  F maxima = splat(kMinusInfinity);
  for (int64_t j = 0; j < L; j += W) maxima = maximum(first_lanes(load(scores + j) * scale, L - j, kMinusInfinity), maxima);
  const float largest = max_lanes(maxima);
  F sums = {};
  for (int64_t j = 0; j < L; j += W) {
    const F e = first_lanes(exponential(load(scores + j) * scale - largest), L - j, 0.f);
    store(scores + j, e);
    sums += e;
  }
  return {largest, sum_lanes(sums)};
}

// The row of the mask that belongs to a query.
NB_INLINE uint32_t mask_row(const Attention& args, const Task& task, int64_t query) {
  return static_cast<uint32_t>((task.first + query) * args.A + task.head);
}

}  // namespace
