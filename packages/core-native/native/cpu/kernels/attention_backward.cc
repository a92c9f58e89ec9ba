// The gradient of attention with respect to q, k and v, by recomputation (Dao et al. 2022). With p = exp(scale q k^T - lse) and m
// the dropout mask's factors:
//   dv = (p m)^T dout    dp = m * (dout v^T)    ds = scale * p * (dp - sum over keys of p * dp)    dq = ds k    dk = ds^T q
// The sum is taken as it stands: a whole row is at hand, and its equal, out . dout, would bring in the rounding of out to bf16.
// Memory: reads qkv and dout once and writes dqkv once. A task owns a head's dk and dv, so nothing is shared between threads.
#include "attention_operands.h"
#include "declare.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

struct BackwardScratch {
  float *keys_t, *values_t;           // right operands (D,L): k^T and v^T
  float* keys;                        // right operand (L,D)
  float *dk, *dv;                     // (L, padded D)
  float *scores, *dscores;            // (block, padded L)
  float *queries, *dout, *dq;         // (block, padded D): left operands, and the sums
  float *queries_right, *dout_right;  // (block, padded D): right operands; in f32 the same as the left ones
  float* kept;                        // (2, padded L)
  uint16_t* bits;

  BackwardScratch(const Attention& args, int thread) {
    const int64_t S = args.S, D = args.D, block = kQueryBlock * padded(D);
    keys_t = args.scratch + thread * attention_backward_scratch(S, D);
    values_t = keys_t + D * padded(S);
    keys = values_t + D * padded(S);
    dk = keys + S * padded(D);
    dv = dk + S * padded(D);
    scores = dv + S * padded(D);
    dscores = scores + kQueryBlock * padded(S);
    queries = dscores + kQueryBlock * padded(S);
    dout = queries + block;
    dq = dout + block;
    queries_right = dq + block;
    dout_right = queries_right + block;
    kept = dout_right + block;
    bits = reinterpret_cast<uint16_t*>(kept + 2 * padded(S));
  }
};

NB_INLINE void clear(float* x, int64_t count) { memset(x, 0, static_cast<size_t>(count) * sizeof(float)); }

// Row i of a block up to the point where its sums are known; see begin_gradient_row.
NB_INLINE GradientSums begin_row(const Attention& args, const Task& task, const BackwardScratch& s, int64_t first, int64_t i,
                                 float* kept) {
  const int64_t L = task.length;
  float *p = s.scores + i * padded(L), *dp = s.dscores + i * padded(L);
  const float lse = args.lse[task.head * args.N + task.first + first + i];
  if (args.dropout.threshold == 0) return begin_gradient_row<false>(args, p, dp, kept, L, lse, s.bits);
  random_half_words(args.dropout, mask_row(args, task, first + i), L, s.bits);
  return begin_gradient_row<true>(args, p, dp, kept, L, lse, s.bits);
}

// What becomes of a block's scores: (p m)^T and ds^T as transposed left operands, ds as a left operand.
template <class X>
struct Gradients;

template <>
struct Gradients<float> {
  const float *kept_t, *dscores_t;
  int64_t column;  // words from one row of the block, or pair of rows, to the next

  Gradients(const Attention& args, const Task& task, const BackwardScratch& s, int64_t first, int64_t rows)
      : kept_t(s.scores),
        dscores_t(s.dscores),
        column(padded(task.length)) {
    const int64_t L = task.length;
    for (int64_t i = 0; i < rows; ++i) {
      const GradientSums sums = begin_row(args, task, s, first, i, s.kept);
      float *p = s.scores + i * padded(L), *dp = s.dscores + i * padded(L);
      const float factor = args.scale * sums.inverse;
      for (int64_t j = 0; j < L; j += W) {
        store(dp + j, factor * (load(dp + j) - load(p + j) * sums.dot));
        store(p + j, load(s.kept + j) * sums.inverse);
      }
    }
  }
};

// Rows in pairs. The pairs of p m take the place of the even row of scores, those of ds the place of the odd one.
template <>
struct Gradients<bf16> {
  const float *kept_t, *dscores_t;
  int64_t column;

  Gradients(const Attention& args, const Task& task, const BackwardScratch& s, int64_t first, int64_t rows)
      : kept_t(s.scores),
        dscores_t(s.scores + padded(task.length)),
        column(2 * padded(task.length)) {
    const int64_t L = task.length, wide_L = padded(L);
    for (int64_t i = 0; i < rows; i += 2) {
      float *p = s.scores + i * wide_L, *dp = s.dscores + i * wide_L, *odd_kept = s.kept + wide_L;
      const GradientSums even = begin_row(args, task, s, first, i, s.kept);
      GradientSums odd = {0.f, 0.f};
      if (i + 1 < rows) {
        odd = begin_row(args, task, s, first, i + 1, odd_kept);
      } else {
        clear(p + wide_L, wide_L);
        clear(dp + wide_L, wide_L);
        clear(odd_kept, wide_L);
      }
      const float even_factor = args.scale * even.inverse, odd_factor = args.scale * odd.inverse;
      for (int64_t j = 0; j < L; j += W) {
        const F even_ds = even_factor * (load(dp + j) - load(p + j) * even.dot);
        const F odd_ds = odd_factor * (load(dp + wide_L + j) - load(p + wide_L + j) * odd.dot);
        store(p + j, float_of(Operands<bf16>::pairs(load(s.kept + j) * even.inverse, load(odd_kept + j) * odd.inverse)));
        store(p + wide_L + j, float_of(Operands<bf16>::pairs(even_ds, odd_ds)));
        Operands<bf16>::store_left(reinterpret_cast<bf16*>(dp) + j, even_ds);
        Operands<bf16>::store_left(reinterpret_cast<bf16*>(dp + wide_L) + j, odd_ds);
      }
    }
  }
};

template <class X>
struct BackwardHead {
  static void run(const Attention& args, const Task& task, const Task&, const BackwardScratch& s) {
    const int64_t H = args.H, D = args.D, L = task.length, wide_L = padded(L), wide_D = padded(D);
    Operands<X>::pack_right_transposed(qkv_rows<X>(args, task, 1), 3 * H, L, D, s.keys_t);
    Operands<X>::pack_right_transposed(qkv_rows<X>(args, task, 2), 3 * H, L, D, s.values_t);
    Operands<X>::pack_right(qkv_rows<X>(args, task, 1), 3 * H, L, D, s.keys);
    clear(s.dk, L * wide_D);
    clear(s.dv, L * wide_D);
    X* dqkv = static_cast<X*>(args.out) + task.first * 3 * H + task.head * D;
    for (int64_t first = 0; first < L; first += kQueryBlock) {
      const int64_t rows = smaller(kQueryBlock, L - first);
      const X* queries = qkv_rows<X>(args, task, 0) + first * 3 * H;
      const X* dout = static_cast<const X*>(args.dout) + (task.first + first) * H + task.head * D;
      Operands<X>::pack_left(queries, 3 * H, rows, D, s.queries);
      Operands<X>::pack_left(dout, H, rows, D, s.dout);
      Operands<X>::pack_right(queries, 3 * H, rows, D, s.queries_right);
      Operands<X>::pack_right(dout, H, rows, D, s.dout_right);

      multiply_operands<X, false>(s.queries, wide_D, 1, s.keys_t, s.scores, rows, L, D);
      multiply_operands<X, false>(s.dout, wide_D, 1, s.values_t, s.dscores, rows, L, D);
      const Gradients<X> gradients(args, task, s, first, rows);
      multiply_operands<X, true>(gradients.kept_t, 1, gradients.column, s.dout_right, s.dv, L, D, rows);
      multiply_operands<X, true>(gradients.dscores_t, 1, gradients.column, s.queries_right, s.dk, L, D, rows);
      multiply_operands<X, false>(s.dscores, wide_L, 1, s.keys, s.dq, rows, D, L);
      unpack_rows(s.dq, rows, D, dqkv + first * 3 * H, 3 * H);
    }
    unpack_rows(s.dk, L, D, dqkv + H, 3 * H);
    unpack_rows(s.dv, L, D, dqkv + 2 * H, 3 * H);
  }
};

}  // namespace

void attention_backward(Type type, const Attention& args, int threads) {
  if (type == Type::bf16) for_each_task<BackwardHead<bf16>, BackwardScratch>(args, threads);
  else for_each_task<BackwardHead<float>, BackwardScratch>(args, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
