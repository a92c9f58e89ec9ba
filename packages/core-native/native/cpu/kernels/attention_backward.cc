// The gradient of attention with respect to q, k and v, by recomputation (Dao et al. 2022). With p = exp(scale q k^T - lse), m the dropout mask's
// factors and delta = sum over d of out * dout (which equals the sum over keys of p * dp):
//   dv = (p m)^T dout    dp = m * (dout v^T)    ds = scale * p * (dp - delta)    dq = ds k    dk = ds^T q
// Memory: reads qkv, out and dout once and writes dqkv once. A task owns a head's dk and dv, so nothing is shared between threads.
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
  float* delta;               // (block)
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
    delta = dq + kQueryBlock * padded(D);
    bits = reinterpret_cast<uint16_t*>(delta + kQueryBlock);
  }
};

// On entry p holds q k^T and dp holds dout v^T; on return p m and ds.
template <bool kDrops>
NB_INLINE void gradient_row(const Attention& args, float* p, float* dp, int64_t L, float lse, float delta, const uint16_t* bits) {
  for (int64_t j = 0; j < L; j += W) {
    const F probability = first_lanes(exponential(load(p + j) * args.scale - lse), L - j, 0.f);
    F kept = probability, gradient = load(dp + j);
    if (kDrops) {
      const F factors = keep_factors(bits + j, args.dropout.threshold, args.dropout.scale);
      kept *= factors;
      gradient *= factors;
    }
    store(p + j, kept);
    store(dp + j, args.scale * probability * (gradient - delta));
  }
}

template <class X>
float row_dot(const X* a, const X* b, int64_t D) {
  F sums = {};
  for (int64_t d = 0; d < D; d += W) sums += load(a + d, D - d) * load(b + d, D - d);
  return sum_lanes(sums);
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
    const int64_t at = (task.first + first) * H + task.head * D;
    const X* out = static_cast<const X*>(args.out_in) + at;
    const X* dout = static_cast<const X*>(args.dout) + at;
    pack_rows(qkv_rows<X>(args, task, 0) + first * 3 * H, 3 * H, rows, D, s.queries);
    pack_rows(dout, H, rows, D, s.dout);
    for (int64_t i = 0; i < rows; ++i) s.delta[i] = row_dot(out + i * H, dout + i * H, D);

    multiply<false>({s.queries, wide_D, 1, s.keys_t, wide_L, s.scores, wide_L, rows, wide_L, D});
    multiply<false>({s.dout, wide_D, 1, s.values_t, wide_L, s.dscores, wide_L, rows, wide_L, D});
    for (int64_t i = 0; i < rows; ++i) {
      const float lse = args.lse[task.head * args.N + task.first + first + i];
      float *p = s.scores + i * wide_L, *dp = s.dscores + i * wide_L;
      if (args.dropout.threshold != 0) {
        random_half_words(args.dropout, mask_row(args, task, first + i), L, s.bits);
        gradient_row<true>(args, p, dp, L, lse, s.delta[i], s.bits);
      } else {
        gradient_row<false>(args, p, dp, L, lse, s.delta[i], s.bits);
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
