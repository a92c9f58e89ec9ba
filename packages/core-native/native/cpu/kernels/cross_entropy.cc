// -log softmax(logits)[label] by row, and its gradient; logits (N,C). C is 2 for a sentiment head and V for masked language
// modelling. Memory: forward reads the logits twice (the second time from cache), backward three times and writes dlogits.
#include "declare.h"
#include "math.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

struct SoftmaxRow {
  float largest, sum;  // softmax[c] = exp(logits[c] - largest) / sum
};

template <class X>
NB_INLINE SoftmaxRow softmax_row(const X* logits, int64_t C) {
  F maxima = splat(-__builtin_inff());
  for (int64_t c = 0; c < C; c += W) maxima = maximum(first_lanes(load(logits + c, C - c), C - c, -__builtin_inff()), maxima);
  const float largest = max_lanes(maxima);
  F sums = {};
  for (int64_t c = 0; c < C; c += W) sums += first_lanes(exponential(load(logits + c, C - c) - largest), C - c, 0.f);
  return {largest, sum_lanes(sums)};
}

template <class X>
void forward(const CrossEntropy& args, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (args.N * args.C > 4096)
  for (int64_t n = 0; n < args.N; ++n) {
    const X* logits = static_cast<const X*>(args.logits) + n * args.C;
    const SoftmaxRow row = softmax_row(logits, args.C);
    const float log_sum = __builtin_logf(row.sum);
    if (args.lse != nullptr) args.lse[n] = row.largest + log_sum;
    const int32_t label = args.labels[n];
    args.losses[n] = label == args.ignore_index ? 0.f : (row.largest - scalar_of(logits[label])) + log_sum;
  }
}

template <class X>
void backward(const CrossEntropy& args, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (args.N * args.C > 4096)
  for (int64_t n = 0; n < args.N; ++n) {
    const X* logits = static_cast<const X*>(args.logits) + n * args.C;
    X* dlogits = static_cast<X*>(args.dlogits) + n * args.C;
    if (args.labels[n] == args.ignore_index) {
      memset(dlogits, 0, static_cast<size_t>(args.C) * sizeof(X));
      continue;
    }
    const SoftmaxRow row = softmax_row(logits, args.C);
    const float inverse = 1.f / row.sum;
    for (int64_t c = 0; c < args.C; c += W) {
      const F probability = exponential(load(logits + c, args.C - c) - row.largest) * inverse;
      const I at_label = lane_numbers() == splat_i(static_cast<int32_t>(args.labels[n] - c));
      store(dlogits + c, (at_label ? probability - 1.f : probability) * args.factor, args.C - c);
    }
  }
}

}  // namespace

void cross_entropy_forward(Type type, const CrossEntropy& args, int threads) {
  type == Type::bf16 ? forward<bf16>(args, threads) : forward<float>(args, threads);
}

void cross_entropy_backward(Type type, const CrossEntropy& args, int threads) {
  type == Type::bf16 ? backward<bf16>(args, threads) : backward<float>(args, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
