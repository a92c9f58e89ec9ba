// What forward and backward of attention share, in both types: where a head's rows are, packing them, the rows of the softmax.
//
// A task is one head of one sequence, of length L. Its keys and values are packed once, as rows or transposed, in rows padded to
// kPad; then blocks of kQueryBlock queries are multiplied with them. The scores of a block, (kQueryBlock, L), never leave the
// cache of the core that works on them.
#pragma once
#include <omp.h>

#include "math.h"
#include "philox.h"
#include "tile.h"

namespace {

using node_bert::cpu::Attention;
using node_bert::cpu::kQueryBlock;
using node_bert::cpu::padded;
using node_bert::cpu::padded_bits;

struct Task {
  int64_t head, first, length;
};

// Task t of B * A: longest sequences first, so that the last tasks to be handed out are short.
NB_INLINE Task task_of(const Attention& args, int64_t t) {
  const int64_t b = args.order[t / args.A];
  return {t % args.A, args.cu_seqlens[b], args.cu_seqlens[b + 1] - args.cu_seqlens[b]};
}

// Rows of q (part 0), k (1) or v (2) of a head; they are 3H apart.
template <class X>
NB_INLINE const X* qkv_rows(const Attention& args, const Task& task, int part) {
  return static_cast<const X*>(args.qkv) + task.first * 3 * args.H + part * args.H + task.head * args.D;
}

// Of the task that comes next: its parts of a row lie H apart and rows 3H, which no processor foresees. A row at a time, between other
// work: a burst of them gained nothing, this a fifth of attention (benchmarks/kernels/profile.mjs).
template <class X>
NB_INLINE void prefetch_row(const Attention& args, const Task& task, int64_t row) {
  if (row >= task.length) return;
  constexpr int64_t kLine = 64 / sizeof(X);
  for (int part = 0; part < 3; ++part) {
    const X* from = qkv_rows<X>(args, task, part) + row * 3 * args.H;
    for (int64_t d = 0; d < args.D; d += kLine) __builtin_prefetch(from + d);
  }
}

// The row of the dropout mask that belongs to a query.
NB_INLINE uint32_t mask_row(const Attention& args, const Task& task, int64_t query) {
  return static_cast<uint32_t>((task.first + query) * args.A + task.head);
}

// x (rows, padded(D)) → out (rows, D), `stride` apart
template <class X>
inline void unpack_rows(const float* x, int64_t rows, int64_t D, X* out, int64_t stride) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t d = 0; d < D; d += W) store(out + i * stride + d, load(x + i * padded(D) + d), D - d);
  }
}

NB_INLINE float largest_lane(F x) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps((__m512)x);
#else
  return max_lanes(x);
#endif
}

// The largest of scale * scores.
NB_INLINE float largest_of_row(const float* scores, int64_t L, float scale) {
  constexpr float kMinusInfinity = -__builtin_inff();
  F maxima = splat(kMinusInfinity);
  for (int64_t j = 0; j < L; j += W) maxima = maximum(first_lanes(load(scores + j) * scale, L - j, kMinusInfinity), maxima);
  return largest_lane(maxima);
}

// out (padded(L)) = exp(scale * scores - largest), with zeros in the padding and where the mask drops; not yet divided by the
// sum, which counts all of them and is returned. out may be the scores. `narrow` stores a vector.
template <bool kDrops, class Out, class Store>
NB_INLINE float exponentials_of_row(const float* scores, int64_t L, float scale, float largest, const uint16_t* bits,
                                    uint32_t threshold, Out* out, Store narrow) {
  F sums = {};
  for (int64_t j = 0; j < L; j += W) {
    const F e = first_lanes(bounded_exponential(load(scores + j) * scale - largest), L - j, 0.f);
    sums += e;
    narrow(out + j, kDrops ? e * keep_factors(bits + j, threshold, 1.f) : e);
  }
  return sum_lanes(sums);
}

struct GradientSums {
  float inverse;  // 1 / sum of p
  float dot;      // sum of p * dp
};

// On entry p holds q k^T and dp holds dout v^T of a row; on return p = exp(scale p - lse), kept = p m and dp = p m dp.
// p is to be divided by its own sum: where scores reach the hundreds, lse is rounded to 1e-5 and exp(score - lse) no longer sums
// to 1.
template <bool kDrops>
NB_INLINE GradientSums begin_gradient_row(const Attention& args, float* p, float* dp, float* kept, int64_t L, float lse,
                                          const uint16_t* bits) {
  F sums = {}, dots = {};
  for (int64_t j = 0; j < L; j += W) {
    const F probability = first_lanes(exponential(load(p + j) * args.scale - lse), L - j, 0.f);
    F product = probability;
    if (kDrops) product *= keep_factors(bits + j, args.dropout.threshold, args.dropout.scale);
    store(p + j, probability);
    store(kept + j, product);
    product *= load(dp + j);
    store(dp + j, product);
    sums += probability;
    dots += product;
  }
  const float inverse = 1.f / sum_lanes(sums);
  return {inverse, sum_lanes(dots) * inverse};
}

// Runs Head::run(args, task, next, scratch) for every head of every sequence, with a Scratch for each thread.
template <class Head, class Scratch>
NB_INLINE void for_each_task(const Attention& args, int threads) {
#pragma omp parallel num_threads(threads)
  {
    const Scratch scratch(args, omp_get_thread_num());
#pragma omp for schedule(dynamic)
    for (int64_t t = 0; t < args.B * args.A; ++t) {
      const Task task = task_of(args, t);
      // What this thread will likely be given next.
      const int64_t after = smaller(t + omp_get_num_threads(), args.B * args.A - 1);
      if (task.length > 0) Head::run(args, task, task_of(args, after), scratch);
    }
  }
}

}  // namespace
