// Scaled dot-product self-attention (Vaswani et al. 2017) on packed sequences, forward, backward and the probabilities alone.
//
// Every score matrix is written out in full. What goes into or comes out of a product of matrices is an activation and is held in X: the
// probabilities after dropout, their gradient, and the gradient of the scores. The scores themselves stay in S up to the softmax.
// The backward pass starts again from qkv and uses the softmax's own Jacobian; it reads neither out nor lse, so that it checks the
// identities which fused kernels rely on.
#include <algorithm>
#include <cmath>
#include <vector>

#include "dropout.h"
#include "ops.h"

namespace node_bert::reference {
namespace {

template <class X>
struct Attention {
  using S = Statistics<X>;
  Matrix<X> qkv;               // (N, 3H), row n is q | k | v, each A heads of D
  Matrix<int32_t> cu_seqlens;  // (B + 1)
  int64_t H, A, D;
  S scale;

  explicit Attention(const Call& call)
      : qkv(call.matrix<X>(0)), cu_seqlens(call.matrix<int32_t>(1)), H(qkv.columns / 3),
        A(static_cast<int64_t>(call.param(0))), D(H / A), scale(static_cast<S>(call.param(2))) {
    check_cu_seqlens(cu_seqlens, qkv.rows, static_cast<int64_t>(call.param(1)));
  }

  int64_t sequences() const { return cu_seqlens.size() - 1; }
  S q(int64_t n, int64_t a, int64_t d) const { return qkv(n, a * D + d); }
  S k(int64_t n, int64_t a, int64_t d) const { return qkv(n, H + a * D + d); }
  S v(int64_t n, int64_t a, int64_t d) const { return qkv(n, 2 * H + a * D + d); }

  // probabilities = softmax(scale q k^T) over the keys begin .. end - 1, for the query n; returns the log of the sum of exponentials.
  S softmax_row(int64_t n, int64_t a, int64_t begin, int64_t end, std::vector<S>& probabilities) const {
    probabilities.resize(end - begin);
    for (int64_t j = begin; j < end; ++j) {
      S score = 0;
      for (int64_t d = 0; d < D; ++d) score += q(n, a, d) * k(j, a, d);
      probabilities[j - begin] = scale * score;
    }
    const S largest = *std::max_element(probabilities.begin(), probabilities.end());
    S sum = 0;
    for (S& p : probabilities) sum += p = std::exp(p - largest);
    for (S& p : probabilities) p /= sum;
    return largest + std::log(sum);
  }
};

}  // namespace

template <class X>
void attention_forward(const Call& call) {
  using S = Statistics<X>;
  const Attention<X> attention(call);
  const auto out = call.matrix<X>(2);  // (N, H)
  const auto lse = call.matrix<S>(3);  // (A, N)
  const Dropout<S> dropout(call, 3);

  std::vector<S> p;
  std::vector<X> kept;
  for (int64_t b = 0; b < attention.sequences(); ++b) {
    const int64_t begin = attention.cu_seqlens(b), end = attention.cu_seqlens(b + 1);
    kept.resize(end - begin);
    for (int64_t a = 0; a < attention.A; ++a) {
      for (int64_t i = begin; i < end; ++i) {
        const S row_lse = attention.softmax_row(i, a, begin, end, p);
        if (call.has(3)) lse(a, i) = row_lse;
        for (int64_t j = begin; j < end; ++j) {
          kept[j - begin] = dropout.factor(i * attention.A + a, j - begin) * p[j - begin];
        }
        for (int64_t d = 0; d < attention.D; ++d) {
          S sum = 0;
          for (int64_t j = begin; j < end; ++j) sum += static_cast<S>(kept[j - begin]) * attention.v(j, a, d);
          out(i, a * attention.D + d) = sum;
        }
      }
    }
  }
}

template <class X>
void attention_backward(const Call& call) {
  using S = Statistics<X>;
  const Attention<X> attention(call);
  const auto dout = call.matrix<X>(4);  // (N, H)
  const auto dqkv = call.matrix<X>(5);  // (N, 3H)
  const Dropout<S> dropout(call, 3);
  const int64_t H = attention.H, A = attention.A, D = attention.D;

  std::vector<S> sums(dqkv.size(), S{0});
  const Matrix<S> gradient{sums.data(), dqkv.rows, dqkv.columns};
  std::vector<S> p, dp;
  for (int64_t b = 0; b < attention.sequences(); ++b) {
    const int64_t begin = attention.cu_seqlens(b), end = attention.cu_seqlens(b + 1);
    dp.resize(end - begin);
    for (int64_t a = 0; a < A; ++a) {
      for (int64_t i = begin; i < end; ++i) {
        attention.softmax_row(i, a, begin, end, p);
        S p_dot_dp = 0;
        for (int64_t j = begin; j < end; ++j) {
          const S factor = dropout.factor(i * A + a, j - begin);
          const X kept = factor * p[j - begin];
          S sum = 0;
          for (int64_t d = 0; d < D; ++d) {
            sum += static_cast<S>(dout(i, a * D + d)) * attention.v(j, a, d);
            gradient(j, 2 * H + a * D + d) += static_cast<S>(kept) * static_cast<S>(dout(i, a * D + d));
          }
          const X dkept = sum;
          dp[j - begin] = factor * static_cast<S>(dkept);
          p_dot_dp += p[j - begin] * dp[j - begin];
        }
        for (int64_t j = begin; j < end; ++j) {
          const X dscore = p[j - begin] * (dp[j - begin] - p_dot_dp);
          for (int64_t d = 0; d < D; ++d) {
            gradient(i, a * D + d) += attention.scale * static_cast<S>(dscore) * attention.k(j, a, d);
            gradient(j, H + a * D + d) += attention.scale * static_cast<S>(dscore) * attention.q(i, a, d);
          }
        }
      }
    }
  }
  for (int64_t i = 0; i < dqkv.size(); ++i) dqkv(i) = sums[i];
}

template <class X>
void attention_probabilities(const Call& call) {
  using S = Statistics<X>;
  const Attention<X> attention(call);
  const auto out = call.matrix<S>(2);  // (A, sum of squared lengths)

  int64_t squares = 0;
  for (int64_t b = 0; b < attention.sequences(); ++b) {
    const int64_t length = int64_t{attention.cu_seqlens(b + 1)} - attention.cu_seqlens(b);
    squares += length * length;
  }
  if (squares != out.columns) {
    throw Failure{NB_ERROR_INDEX, "probabilities has " + std::to_string(out.columns) +
                                      " columns, but the squares of cu_seqlens' lengths sum to " + std::to_string(squares)};
  }
  std::vector<S> row;
  for (int64_t a = 0; a < attention.A; ++a) {
    int64_t column = 0;
    for (int64_t b = 0; b < attention.sequences(); ++b) {
      const int64_t begin = attention.cu_seqlens(b), end = attention.cu_seqlens(b + 1);
      for (int64_t i = begin; i < end; ++i) {
        attention.softmax_row(i, a, begin, end, row);
        for (const S p : row) out(a, column++) = p;
      }
    }
  }
}

NB_INSTANTIATE(attention_forward);
NB_INSTANTIATE(attention_backward);
NB_INSTANTIATE(attention_probabilities);

}  // namespace node_bert::reference
