// y = dropout(LayerNorm(word[id] + position[pos] + type[tt])), and its gradient. The tables and their gradients are of type S;
// only y and dy are of the activation type X. Table gradients are +=.
#include "dropout.h"
#include "layer_norm.h"
#include "ops.h"

namespace node_bert::reference {
namespace {

template <class S>
struct Tables {
  Matrix<int32_t> ids, positions, types;  // (N)
  Matrix<S> word, position, type;         // (V, H) (P, H) (T, H)

  explicit Tables(const Call& call)
      : ids(call.matrix<int32_t>(0)), positions(call.matrix<int32_t>(1)), types(call.matrix<int32_t>(2)),
        word(call.matrix<S>(3)), position(call.matrix<S>(4)), type(call.matrix<S>(5)) {
    check_indices("ids", ids, word.rows);
    check_indices("positions", positions, position.rows);
    check_indices("types", types, type.rows);
  }

  S sum(int64_t n, int64_t h) const { return word(ids(n), h) + position(positions(n), h) + type(types(n), h); }
};

}  // namespace

template <class X>
void embeddings_forward(const Call& call) {
  using S = Statistics<X>;
  const Tables<S> tables(call);
  const auto gamma = call.matrix<S>(6);
  const auto beta = call.matrix<S>(7);
  const auto y = call.matrix<X>(8);
  const auto mean = call.matrix<S>(9);
  const auto rstd = call.matrix<S>(10);
  const Dropout<S> dropout(call, 1);

  std::vector<S> z(y.columns);
  for (int64_t n = 0; n < y.rows; ++n) {
    for (int64_t h = 0; h < y.columns; ++h) z[h] = tables.sum(n, h);
    const RowMoments<S> moments = row_moments(z, call.param(0));
    mean(n) = moments.mean;
    rstd(n) = moments.rstd;
    for (int64_t h = 0; h < y.columns; ++h) {
      y(n, h) = dropout.factor(n, h) * ((z[h] - moments.mean) * moments.rstd * gamma(h) + beta(h));
    }
  }
}

template <class X>
void embeddings_backward(const Call& call) {
  using S = Statistics<X>;
  const Tables<S> tables(call);
  const auto gamma = call.matrix<S>(6);
  const auto mean = call.matrix<S>(7);
  const auto rstd = call.matrix<S>(8);
  const auto dy = call.matrix<X>(9);
  const auto dword = call.matrix<S>(10);
  const auto dposition = call.matrix<S>(11);
  const auto dtype = call.matrix<S>(12);
  const auto dgamma = call.matrix<S>(13);
  const auto dbeta = call.matrix<S>(14);
  const Dropout<S> dropout(call, 1);

  const int64_t H = dy.columns;
  std::vector<S> normalized(H), g(H), dz(H);
  for (int64_t n = 0; n < dy.rows; ++n) {
    for (int64_t h = 0; h < H; ++h) {
      normalized[h] = (tables.sum(n, h) - mean(n)) * rstd(n);
      const S dy_kept = dropout.factor(n, h) * dy(n, h);
      g[h] = dy_kept * gamma(h);
      if (call.has(13)) dgamma(h) += dy_kept * normalized[h];
      if (call.has(14)) dbeta(h) += dy_kept;
    }
    row_gradient(g, normalized, rstd(n), dz);
    for (int64_t h = 0; h < H; ++h) {
      if (call.has(10)) dword(tables.ids(n), h) += dz[h];
      if (call.has(11)) dposition(tables.positions(n), h) += dz[h];
      if (call.has(12)) dtype(tables.types(n), h) += dz[h];
    }
  }
}

NB_INSTANTIATE(embeddings_forward);
NB_INSTANTIATE(embeddings_backward);

}  // namespace node_bert::reference
