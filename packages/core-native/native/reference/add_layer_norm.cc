// z = dropout(x) + residual; y = LayerNorm(z), and its gradient. dx and dresidual are =, dgamma and dbeta are +=.
#include "dropout.h"
#include "layer_norm.h"
#include "ops.h"

namespace node_bert::reference {

template <class X>
void add_layer_norm_forward(const Call& call) {
  using S = Statistics<X>;
  const auto x = call.matrix<X>(0);
  const auto residual = call.matrix<X>(1);
  const auto gamma = call.matrix<S>(2);
  const auto beta = call.matrix<S>(3);
  const auto y = call.matrix<X>(4);
  const auto z_out = call.matrix<X>(5);
  const auto mean = call.matrix<S>(6);
  const auto rstd = call.matrix<S>(7);
  const Dropout<S> dropout(call, 1);

  std::vector<S> z(y.columns);
  for (int64_t n = 0; n < y.rows; ++n) {
    for (int64_t h = 0; h < y.columns; ++h) {
      z[h] = dropout.factor(n, h) * x(n, h);
      if (call.has(1)) z[h] += residual(n, h);
    }
    const RowMoments<S> moments = row_moments(z, call.param(0));
    mean(n) = moments.mean;
    rstd(n) = moments.rstd;
    for (int64_t h = 0; h < y.columns; ++h) {
      if (call.has(5)) z_out(n, h) = z[h];
      y(n, h) = (z[h] - moments.mean) * moments.rstd * gamma(h) + beta(h);
    }
  }
}

template <class X>
void add_layer_norm_backward(const Call& call) {
  using S = Statistics<X>;
  const auto z = call.matrix<X>(0);
  const auto gamma = call.matrix<S>(1);
  const auto mean = call.matrix<S>(2);
  const auto rstd = call.matrix<S>(3);
  const auto dy = call.matrix<X>(4);
  const auto dx = call.matrix<X>(5);
  const auto dresidual = call.matrix<X>(6);
  const auto dgamma = call.matrix<S>(7);
  const auto dbeta = call.matrix<S>(8);
  const Dropout<S> dropout(call, 1);

  const int64_t H = dy.columns;
  std::vector<S> normalized(H), g(H), dz(H);
  for (int64_t n = 0; n < dy.rows; ++n) {
    for (int64_t h = 0; h < H; ++h) {
      normalized[h] = (static_cast<S>(z(n, h)) - mean(n)) * rstd(n);
      g[h] = static_cast<S>(dy(n, h)) * gamma(h);
      if (call.has(7)) dgamma(h) += static_cast<S>(dy(n, h)) * normalized[h];
      if (call.has(8)) dbeta(h) += dy(n, h);
    }
    row_gradient(g, normalized, rstd(n), dz);
    for (int64_t h = 0; h < H; ++h) {
      if (call.has(6)) dresidual(n, h) = dz[h];
      if (call.has(5)) dx(n, h) = dropout.factor(n, h) * dz[h];
    }
  }
}

NB_INSTANTIATE(add_layer_norm_forward);
NB_INSTANTIATE(add_layer_norm_backward);

}  // namespace node_bert::reference
