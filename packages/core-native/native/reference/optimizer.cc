// The sum of squares, for the gradient norm, and AdamW (Loshchilov & Hutter 2019) as torch.optim.AdamW computes it: scalars in
// double, elements in the type of the parameters.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops.h"

namespace node_bert::reference {
namespace {

// grad_scale over the loss scale, and the clipping factor when a norm is given and max_norm > 0.
template <class S>
double gradient_factor(const Call& call) {
  const double max_norm = call.param(6);
  double grad_scale = call.param(7);
  if (call.has(6)) grad_scale /= static_cast<double>(call.matrix<S>(6)(0));
  if (!call.has(5) || max_norm <= 0) return grad_scale;
  const double norm = std::sqrt(static_cast<double>(call.matrix<S>(5)(0))) * grad_scale;
  return grad_scale * std::min(max_norm / (norm + 1e-6), 1.0);  // in this order min() hands a NaN on
}

}  // namespace

template <class X>
void sum_of_squares(const Call& call) {
  using S = Statistics<X>;
  const auto x = call.matrix<S>(0);
  const auto out = call.matrix<S>(1);
  double sum = 0;
  for (int64_t i = 0; i < x.size(); ++i) sum += static_cast<double>(x(i)) * static_cast<double>(x(i));
  out(0) = static_cast<S>(static_cast<double>(out(0)) + sum);
}

template <class X>
void adamw(const Call& call) {
  using S = Statistics<X>;
  const auto param = call.matrix<S>(0);
  const auto grad = call.matrix<S>(1);
  const auto m = call.matrix<S>(2);
  const auto v = call.matrix<S>(3);
  const double lr = call.param(0), beta1 = call.param(1), beta2 = call.param(2);
  const double step = call.param(5);
  const bool zero_grad = call.param(8) != 0;
  const auto round_copy = [&](int64_t i) {
    const float value = static_cast<float>(param(i));
    if (call.tensor(4).dtype == NB_F16) call.matrix<float16>(4)(i) = value;
    else call.matrix<bfloat16>(4)(i) = value;
  };

  if (call.has(6) && !std::isfinite(call.matrix<S>(5)(0))) {
    for (int64_t i = 0; zero_grad && i < param.size(); ++i) grad(i) = 0;
    return;
  }
  const S factor = static_cast<S>(gradient_factor<S>(call));
  const S keep = static_cast<S>(1.0 - lr * call.param(4));
  const S b1 = static_cast<S>(beta1), b2 = static_cast<S>(beta2), eps = static_cast<S>(call.param(3));
  const S one_minus_b1 = static_cast<S>(1.0 - beta1), one_minus_b2 = static_cast<S>(1.0 - beta2);
  const S step_size = static_cast<S>(lr / (1.0 - std::pow(beta1, step)));
  const S root_correction2 = static_cast<S>(std::sqrt(1.0 - std::pow(beta2, step)));

  for (int64_t i = 0; i < param.size(); ++i) {
    const S g = grad(i) * factor;
    param(i) *= keep;
    m(i) = b1 * m(i) + one_minus_b1 * g;
    v(i) = b2 * v(i) + one_minus_b2 * g * g;
    param(i) -= step_size * m(i) / (std::sqrt(v(i)) / root_correction2 + eps);
    if (call.has(4)) round_copy(i);
    if (zero_grad) grad(i) = 0;
  }
}

// The scale doubles after so many steps without an overflow.
constexpr int32_t GROWTH_INTERVAL = 2000;

template <class X>
void update_loss_scale(const Call& call) {
  using S = Statistics<X>;
  S& scale = call.matrix<S>(0)(0);
  auto* words = reinterpret_cast<char*>(&call.matrix<S>(0)(1));
  int32_t good_steps;
  std::memcpy(&good_steps, words, sizeof good_steps);
  if (!std::isfinite(call.matrix<S>(1)(0))) {
    scale /= 2;
    good_steps = 0;
  } else if (++good_steps >= GROWTH_INTERVAL) {
    scale *= 2;
    good_steps = 0;
  }
  std::memcpy(words, &good_steps, sizeof good_steps);
}

NB_INSTANTIATE(sum_of_squares);
NB_INSTANTIATE(adamw);
NB_INSTANTIATE(update_loss_scale);

}  // namespace node_bert::reference
