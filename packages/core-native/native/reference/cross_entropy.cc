// The mean over rows with label != ignore_index of -log softmax(logits)[label], and its gradient.
#include <algorithm>
#include <cmath>

#include "ops.h"

namespace node_bert::reference {
namespace {

template <class X>
struct Logits {
  using S = Statistics<X>;
  Matrix<X> logits;        // (N, C)
  Matrix<int32_t> labels;  // (N)
  int64_t ignore_index;
  int64_t counted = 0;  // rows that are not ignored

  explicit Logits(const Call& call)
      : logits(call.matrix<X>(0)), labels(call.matrix<int32_t>(1)), ignore_index(static_cast<int64_t>(call.param(0))) {
    for (int64_t n = 0; n < labels.size(); ++n) {
      if (ignored(n)) continue;
      check_index("labels", n, labels(n), logits.columns);
      ++counted;
    }
  }

  bool ignored(int64_t n) const { return labels(n) == ignore_index; }

  S log_sum_exp(int64_t n) const {
    S largest = logits(n, 0);
    for (int64_t c = 1; c < logits.columns; ++c) largest = std::max(largest, static_cast<S>(logits(n, c)));
    S sum = 0;
    for (int64_t c = 0; c < logits.columns; ++c) sum += std::exp(static_cast<S>(logits(n, c)) - largest);
    return largest + std::log(sum);
  }
};

}  // namespace

template <class X>
void cross_entropy_forward(const Call& call) {
  using S = Statistics<X>;
  const Logits<X> rows(call);
  const auto losses = call.matrix<S>(2);  // (N)
  const auto loss = call.matrix<S>(3);    // (1)
  const auto lse = call.matrix<S>(4);     // (N)

  S sum = 0;
  for (int64_t n = 0; n < rows.logits.rows; ++n) {
    const S row_lse = rows.log_sum_exp(n);
    if (call.has(4)) lse(n) = row_lse;
    losses(n) = rows.ignored(n) ? S{0} : row_lse - static_cast<S>(rows.logits(n, rows.labels(n)));
    sum += losses(n);
  }
  loss(0) = rows.counted > 0 ? sum / static_cast<S>(rows.counted) : S{0};
}

template <class X>
void cross_entropy_backward(const Call& call) {
  using S = Statistics<X>;
  const Logits<X> rows(call);
  const auto dloss = call.matrix<S>(2);    // (1)
  const auto dlogits = call.matrix<X>(3);  // (N, C), may be the logits themselves

  for (int64_t n = 0; n < dlogits.rows; ++n) {
    const S row_lse = rows.log_sum_exp(n);
    for (int64_t c = 0; c < dlogits.columns; ++c) {
      const S probability = std::exp(static_cast<S>(rows.logits(n, c)) - row_lse);
      const S target = c == rows.labels(n) ? S{1} : S{0};
      dlogits(n, c) = rows.ignored(n) ? S{0} : (probability - target) * (dloss(0) / static_cast<S>(rows.counted));
    }
  }
}

NB_INSTANTIATE(cross_entropy_forward);
NB_INSTANTIATE(cross_entropy_backward);

}  // namespace node_bert::reference
