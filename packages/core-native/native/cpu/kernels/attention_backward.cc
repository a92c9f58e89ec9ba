// The gradient of attention with respect to q, k and v, by recomputation (Dao et al. 2022). With p = exp(scale q k^T - lse) and m the dropout
// mask's factors:
//   dv = (p m)^T dout    dp = m * (dout v^T)    ds = scale * p * (dp - sum over keys of p * dp)    dq = ds k    dk = ds^T q
// The sum is taken as it stands: a whole row is at hand, and its equal, out . dout, would bring in the rounding of out to bf16.
// Memory: reads qkv and dout once and writes dqkv once. A task owns a head's dk and dv, so nothing is shared between threads.
#include <omp.h>

#include "attention_block.h"
#include "declare.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

struct BackwardScratch {
  float *keys_t, *values_t;   // (D, padded L)
  float *keys, *dk, *dv;      // (L, padded D)
  float *scores, *dscores;    // (block, padded L)
  float *queries, *dout, *dq;  // (block, padded D)
  float* row;                 // (padded L)
  uint16_t* bits;

  BackwardScratch(const Attention& args, int thread) {
    const int64_t S = args.S, D = args.D;
    keys_t = args.scratch + thread * attention_backward_scratch(S, D);
    values_t = keys_t + D * padded(S);
    keys = values_t + D * padded(S);
    dk = keys + S * padded(D);
    dv = dk + S * padded(D);
    scores = dv + S * padded(D);
    dscores = scores + kQueryBlock * padded(S);
    queries = dscores + kQueryBlock * padded(S);
    dout = queries + kQueryBlock * padded(D);
    dq = dout + kQueryBlock * padded(D);
    row = dq + kQueryBlock * padded(D);
    bits = reinterpret_cast<uint16_t*>(row + padded(S));
  }
};

// On entry p holds q k^T and dp holds dout v^T; on return p m and ds. row (padded L) is scratch.
// p is divided by its own sum: where scores reach the hundreds, lse is rounded to 1e-5 and exp(score - lse) no longer sums to 1.
template <bool kDrops>
NB_INLINE void gradient_row(const Attention& args, float* p, float* dp, int64_t L, float lse, float* row, const uint16_t* bits) {
  F sums = {}, dots = {};
  for (int64_t j = 0; j < L; j += W) {
    const F probability = first_lanes(exponential(load(p + j) * args.scale - lse), L - j, 0.f);
    F kept = probability, gradient = load(dp + j);
    if (kDrops) {
      const F factors = keep_factors(bits + j, args.dropout.threshold, args.dropout.scale);
      kept *= factors;
      gradient *= factors;
    }
    const F product = probability * gradient;
    sums += probability;
    dots += product;
    store(p + j, probability);
    store(row + j, kept);
    store(dp + j, product);
  }
  const float inverse = 1.f / sum_lanes(sums), dot = sum_lanes(dots) * inverse, factor = args.scale * inverse;
  for (int64_t j = 0; j < L; j += W) {
    store(dp + j, factor * (load(dp + j) - load(p + j) * dot));
    store(p + j, load(row + j) * inverse);
  }
}

template <class X>
void backward_head(const Attention& args, const Task& task, const BackwardScratch& s) {
  const int64_t H = args.H, D = args.D, L = task.length, wide_L = padded(L), wide_D = padded(D);
  pack_transposed(qkv_rows<X>(args, task, 1), 3 * H, L, D, s.keys_t);
  pack_transposed(qkv_rows<X>(args, task, 2), 3 * H, L, D, s.values_t);
  pack_rows(qkv_rows<X>(args, task, 1), 3 * H, L, D, s.keys);
  memset(s.dk, 0, static_cast<size_t>(L * wide_D) * sizeof(float));
  memset(s.dv, 0, static_cast<size_t>(L * wide_D) * sizeof(float));
  X* dqkv = static_cast<X*>(args.out) + task.first * 3 * H + task.head * D;
  for (int64_t first = 0; first < L; first += kQueryBlock) {
    const int64_t rows = smaller(kQueryBlock, L - first);
    const X* dout = static_cast<const X*>(args.dout) + (task.first + first) * H + task.head * D;
    pack_rows(qkv_rows<X>(args, task, 0) + first * 3 * H, 3 * H, rows, D, s.queries);
    pack_rows(dout, H, rows, D, s.dout);

    multiply<false>({s.queries, wide_D, 1, s.keys_t, wide_L, s.scores, wide_L, rows, wide_L, D});
    multiply<false>({s.dout, wide_D, 1, s.values_t, wide_L, s.dscores, wide_L, rows, wide_L, D});
    for (int64_t i = 0; i < rows; ++i) {
      const float lse = args.lse[task.head * args.N + task.first + first + i];
      float *p = s.scores + i * wide_L, *dp = s.dscores + i * wide_L;
      if (args.dropout.threshold != 0) {
        random_half_words(args.dropout, mask_row(args, task, first + i), L, s.bits);
        gradient_row<true>(args, p, dp, L, lse, s.row, s.bits);
      } else {
        gradient_row<false>(args, p, dp, L, lse, s.row, s.bits);
      }
    }
    multiply<true>({s.scores, 1, wide_L, s.dout, wide_D, s.dv, wide_D, L, wide_D, rows});
    multiply<true>({s.dscores, 1, wide_L, s.queries, wide_D, s.dk, wide_D, L, wide_D, rows});
    multiply<false>({s.dscores, wide_L, 1, s.keys, wide_D, s.dq, wide_D, rows, wide_D, L});
    unpack_rows(s.dq, rows, D, dqkv + first * 3 * H, 3 * H);
  }
  unpack_rows(s.dk, L, D, dqkv + H, 3 * H);
  unpack_rows(s.dv, L, D, dqkv + 2 * H, 3 * H);
}

template <class X>
void backward(const Attention& args, int threads) {
#pragma omp parallel num_threads(threads)
  {
    const int thread = omp_get_thread_num();
    const BackwardScratch scratch(args, thread);
#pragma omp for schedule(dynamic)
    for (int64_t t = 0; t < args.B * args.A; ++t) {
      const Task task = task_of(args, t);
      if (task.length > 0) backward_head<X>(args, task, scratch);
    }
  }
}

}  // namespace

void attention_backward(Type type, const Attention& args, int threads) {
  type == Type::bf16 ? backward<bf16>(args, threads) : backward<float>(args, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
