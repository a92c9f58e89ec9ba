// Layer normalization of one row (Ba, Kiros & Hinton 2016), shared by the two ops that end in one.
#ifndef NODE_BERT_REFERENCE_LAYER_NORM_H
#define NODE_BERT_REFERENCE_LAYER_NORM_H

#include <cmath>
#include <cstdint>
#include <vector>

namespace node_bert::reference {

template <class S>
struct RowMoments {
  S mean;
  S rstd;  // 1 / sqrt(variance + eps)
};

template <class S>
RowMoments<S> row_moments(const std::vector<S>& z, double eps) {
  const S size = static_cast<S>(z.size());
  S sum = 0;
  for (const S value : z) sum += value;
  const S mean = sum / size;
  S squares = 0;
  for (const S value : z) squares += (value - mean) * (value - mean);
  return {mean, S{1} / std::sqrt(squares / size + static_cast<S>(eps))};
}

// The gradient of z of y = normalized * gamma + beta, from g = dy * gamma and normalized = (z - mean) * rstd:
//   dz = rstd * (g - mean(g) - normalized * mean(g * normalized))
template <class S>
void row_gradient(const std::vector<S>& g, const std::vector<S>& normalized, S rstd, std::vector<S>& dz) {
  const S size = static_cast<S>(g.size());
  S sum = 0;
  S dot = 0;
  for (size_t h = 0; h < g.size(); ++h) {
    sum += g[h];
    dot += g[h] * normalized[h];
  }
  for (size_t h = 0; h < g.size(); ++h) dz[h] = rstd * (g[h] - sum / size - normalized[h] * (dot / size));
}

}  // namespace node_bert::reference

#endif  // NODE_BERT_REFERENCE_LAYER_NORM_H
