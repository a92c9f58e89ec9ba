// y = activation(x W^T + b), and its gradient. dw and dbias are +=; dx is = unless the caller asks to accumulate.
#include <cmath>
#include <numbers>
#include <type_traits>

#include "ops.h"

namespace node_bert::reference {
namespace {

// The standard normal distribution function. erfc keeps its digits where 1 + erf cancels, far left of 0.
template <class S>
S normal_distribution(S x) {
  return S{0.5} * std::erfc(-x / std::numbers::sqrt2_v<S>);
}

template <class S>
S normal_density(S x) {
  return std::exp(-x * x / 2) * (std::numbers::inv_sqrtpi_v<S> / std::numbers::sqrt2_v<S>);
}

template <class S>
S activate(int activation, S pre) {
  switch (activation) {
    case NB_ACTIVATION_GELU: return pre * normal_distribution(pre);
    case NB_ACTIVATION_TANH: return std::tanh(pre);
    case NB_ACTIVATION_RELU: return pre < 0 ? S{0} : pre;
    default: return pre;
  }
}

// saved is the value before the activation for GELU and the one after it for TANH and RELU.
template <class S>
S activation_slope(int activation, S saved) {
  switch (activation) {
    case NB_ACTIVATION_GELU: return normal_distribution(saved) + saved * normal_density(saved);
    case NB_ACTIVATION_TANH: return S{1} - saved * saved;
    case NB_ACTIVATION_RELU: return saved > 0 ? S{1} : S{0};
    default: return S{1};
  }
}

// A weight (M,K) of X, or of float that is rounded to X.
template <class X>
struct Weight {
  const X* narrow;
  const float* wide;
  int64_t rows, columns;

  Weight(const Call& call, int index)
      : narrow(call.matrix<X>(index).data),
        wide(std::is_same_v<X, bfloat16> && call.tensor(index).dtype == NB_F32 ? call.matrix<float>(index).data : nullptr),
        rows(call.matrix<X>(index).rows),
        columns(call.matrix<X>(index).columns) {}

  X operator()(int64_t m, int64_t k) const { return wide != nullptr ? X(wide[m * columns + k]) : narrow[m * columns + k]; }
};

struct Quantized {
  float scale, inverse;

  // The ABI fixes this arithmetic, float in every type, so that all backends choose the same integers.
  template <class T>
  Quantized(const Matrix<T>& rows, int64_t row) : scale(0), inverse(0) {
    float largest = 0, bad = 0;
    for (int64_t k = 0; k < rows.columns; ++k) {
      const float value = static_cast<float>(rows(row, k));
      if (std::abs(value) > largest) largest = std::abs(value);
      bad += value * 0.f;
    }
    const bool is_zero = !(largest >= 1e-30f);
    scale = (is_zero ? 0.f : largest / 127.f) + bad;
    inverse = is_zero ? 0.f : 127.f / largest;
  }

  template <class T>
  float integer(T value) const {
    return std::nearbyint(static_cast<float>(value) * inverse);
  }
};

}  // namespace

template <class X>
void linear_forward(const Call& call) {
  using S = Statistics<X>;
  const auto x = call.matrix<X>(0);     // (N, K)
  const Weight<X> w(call, 1);           // (M, K)
  const auto bias = call.matrix<S>(2);  // (M)
  const auto y = call.matrix<X>(3);     // (N, M)
  const auto pre = call.matrix<X>(4);   // (N, M)
  const int activation = static_cast<int>(call.param(0));

  for (int64_t n = 0; n < y.rows; ++n) {
    for (int64_t m = 0; m < y.columns; ++m) {
      S sum = 0;
      for (int64_t k = 0; k < x.columns; ++k) sum += static_cast<S>(x(n, k)) * static_cast<S>(w(m, k));
      if (call.has(2)) sum += bias(m);
      if (call.has(4)) pre(n, m) = sum;
      y(n, m) = activate(activation, sum);
    }
  }
}

template <class X>
void linear_backward(const Call& call) {
  using S = Statistics<X>;
  const auto x = call.matrix<X>(0);      // (N, K)
  const Weight<X> w(call, 1);            // (M, K)
  const auto saved = call.matrix<X>(2);  // (N, M)
  const auto dy = call.matrix<X>(3);     // (N, M)
  const auto dx = call.matrix<X>(5);     // (N, K)
  const auto dw = call.matrix<S>(6);     // (M, K)
  const auto dbias = call.matrix<S>(7);  // (M)
  const int activation = static_cast<int>(call.param(0));
  const bool accumulate_dx = call.param(1) != 0;
  const int x_activation = static_cast<int>(call.param(2));
  const int64_t N = dy.rows, M = w.rows, K = w.columns;

  const bool has_activation = activation != NB_ACTIVATION_NONE;
  const auto dpre = has_activation ? call.matrix<X>(4) : dy;  // (N, M)
  if (has_activation) {
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t m = 0; m < M; ++m) {
        dpre(n, m) = static_cast<S>(dy(n, m)) * activation_slope<S>(activation, saved(n, m));
      }
    }
  }
  if (call.has(5)) {
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t k = 0; k < K; ++k) {
        S sum = 0;
        for (int64_t m = 0; m < M; ++m) sum += static_cast<S>(dpre(n, m)) * static_cast<S>(w(m, k));
        dx(n, k) = accumulate_dx ? static_cast<S>(dx(n, k)) + sum : sum;
      }
    }
  }
  if (call.has(6)) {
    for (int64_t m = 0; m < M; ++m) {
      for (int64_t k = 0; k < K; ++k) {
        S sum = 0;
        for (int64_t n = 0; n < N; ++n) {
          const X forward_x = x_activation == NB_ACTIVATION_NONE ? x(n, k) : X(activate(x_activation, static_cast<S>(x(n, k))));
          sum += static_cast<S>(dpre(n, m)) * static_cast<S>(forward_x);
        }
        dw(m, k) += sum;
      }
    }
  }
  if (call.has(7)) {
    for (int64_t m = 0; m < M; ++m) {
      S sum = 0;
      for (int64_t n = 0; n < N; ++n) sum += static_cast<S>(dpre(n, m));
      dbias(m) += sum;
    }
  }
}

template <class X>
void linear_int8_forward(const Call& call) {
  using S = Statistics<X>;
  const auto x = call.matrix<X>(0);     // (N, K)
  const auto w = call.matrix<S>(1);     // (M, K)
  const auto bias = call.matrix<S>(2);  // (M)
  const auto y = call.matrix<X>(3);     // (N, M)
  for (int64_t n = 0; n < y.rows; ++n) {
    const Quantized token(x, n);
    for (int64_t m = 0; m < y.columns; ++m) {
      const Quantized channel(w, m);
      double sum = 0;  // exact
      for (int64_t k = 0; k < x.columns; ++k) sum += token.integer(x(n, k)) * channel.integer(w(m, k));
      S pre = static_cast<S>(sum) * static_cast<S>(token.scale) * static_cast<S>(channel.scale);
      if (call.has(2)) pre += bias(m);
      y(n, m) = activate(static_cast<int>(call.param(0)), pre);
    }
  }
}

NB_INSTANTIATE(linear_forward);
NB_INSTANTIATE(linear_int8_forward);
NB_INSTANTIATE(linear_backward);

}  // namespace node_bert::reference
