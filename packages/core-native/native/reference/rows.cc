// Ops on whole rows: gather, mean over a sequence, dropout.
#include <limits>
#include <vector>

#include "dropout.h"
#include "ops.h"

namespace node_bert::reference {

template <class X>
void gather_rows_forward(const Call& call) {
  const auto x = call.matrix<X>(0);            // (N, H)
  const auto index = call.matrix<int32_t>(1);  // (M)
  const auto y = call.matrix<X>(2);            // (M, H)
  check_indices("index", index, x.rows);
  for (int64_t m = 0; m < y.rows; ++m) {
    for (int64_t h = 0; h < y.columns; ++h) y(m, h) = x(index(m), h);
  }
}

template <class X>
void gather_rows_backward(const Call& call) {
  using S = Statistics<X>;
  const auto index = call.matrix<int32_t>(0);  // (M)
  const auto dy = call.matrix<X>(1);           // (M, H)
  const auto dx = call.matrix<X>(2);           // (N, H)
  check_indices("index", index, dx.rows);
  std::vector<S> sums(dx.size(), S{0});
  for (int64_t m = 0; m < dy.rows; ++m) {
    for (int64_t h = 0; h < dy.columns; ++h) sums[index(m) * dx.columns + h] += dy(m, h);
  }
  for (int64_t i = 0; i < dx.size(); ++i) dx(i) = sums[i];
}

// The mean of a sequence without tokens is 0.
template <class X>
void mean_pool_forward(const Call& call) {
  using S = Statistics<X>;
  const auto x = call.matrix<X>(0);                 // (N, H)
  const auto cu_seqlens = call.matrix<int32_t>(1);  // (B + 1)
  const auto y = call.matrix<X>(2);                 // (B, H)
  check_cu_seqlens(cu_seqlens, x.rows, std::numeric_limits<int32_t>::max());
  for (int64_t b = 0; b < y.rows; ++b) {
    const int32_t length = cu_seqlens(b + 1) - cu_seqlens(b);
    for (int64_t h = 0; h < y.columns; ++h) {
      S sum = 0;
      for (int64_t n = cu_seqlens(b); n < cu_seqlens(b + 1); ++n) sum += x(n, h);
      y(b, h) = length > 0 ? sum / static_cast<S>(length) : S{0};
    }
  }
}

template <class X>
void mean_pool_backward(const Call& call) {
  using S = Statistics<X>;
  const auto cu_seqlens = call.matrix<int32_t>(0);  // (B + 1)
  const auto dy = call.matrix<X>(1);                // (B, H)
  const auto dx = call.matrix<X>(2);                // (N, H)
  check_cu_seqlens(cu_seqlens, dx.rows, std::numeric_limits<int32_t>::max());
  for (int64_t b = 0; b < dy.rows; ++b) {
    const int32_t length = cu_seqlens(b + 1) - cu_seqlens(b);
    for (int64_t n = cu_seqlens(b); n < cu_seqlens(b + 1); ++n) {
      for (int64_t h = 0; h < dx.columns; ++h) dx(n, h) = static_cast<S>(dy(b, h)) / static_cast<S>(length);
    }
  }
}

template <class X>
void dropout(const Call& call) {
  using S = Statistics<X>;
  const auto x = call.matrix<X>(0);
  const auto y = call.matrix<X>(1);
  const Dropout<S> mask(call, 0);
  for (int64_t row = 0; row < y.rows; ++row) {
    for (int64_t column = 0; column < y.columns; ++column) {
      y(row, column) = mask.factor(row, column) * x(row, column);
    }
  }
}

NB_INSTANTIATE(gather_rows_forward);
NB_INSTANTIATE(gather_rows_backward);
NB_INSTANTIATE(mean_pool_forward);
NB_INSTANTIATE(mean_pool_backward);
NB_INSTANTIATE(dropout);

}  // namespace node_bert::reference
