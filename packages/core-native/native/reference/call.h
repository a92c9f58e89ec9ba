// How an op of the reference backend sees its arguments: typed matrices over the ABI's tensors, and failures as exceptions, which
// backend.cc turns into a status at the ABI's edge.
#ifndef NODE_BERT_REFERENCE_CALL_H
#define NODE_BERT_REFERENCE_CALL_H

#include <cstdint>
#include <string>
#include <utility>

#include "bfloat16.h"
#include "float16.h"
#include "node_bert/backend.h"

namespace node_bert::reference {

struct Failure {
  nb_status status;
  std::string message;
};

// The type S of the ABI that goes with an activation type X. It is also the type every op computes in.
template <class X>
struct StatisticsOf {
  using type = float;
};
template <>
struct StatisticsOf<double> {
  using type = double;
};
template <class X>
using Statistics = typename StatisticsOf<X>::type;

inline int64_t element_count(const nb_tensor& tensor) {
  int64_t count = 1;
  for (int axis = 0; axis < tensor.rank; ++axis) count *= tensor.dims[axis];
  return count;
}

// A row-major (rows, columns) view; a vector is seen as one column, m(i) is its element i.
template <class T>
struct Matrix {
  T* data;
  int64_t rows;
  int64_t columns;

  T& operator()(int64_t row, int64_t column) const { return data[row * columns + column]; }
  T& operator()(int64_t index) const { return data[index]; }
  int64_t size() const { return rows * columns; }
};

class Call {
 public:
  explicit Call(const nb_call& call) : call_(call) {}

  bool has(int index) const { return index < call_.tensor_count && call_.tensors[index].rank >= 0; }
  const nb_tensor& tensor(int index) const { return call_.tensors[index]; }
  double param(int index) const { return call_.params[index]; }

  template <class T>
  Matrix<T> matrix(int index) const {
    const nb_tensor& tensor = call_.tensors[index];
    const int64_t rows = tensor.rank > 0 ? tensor.dims[0] : 1;
    const int64_t columns = rows > 0 ? element_count(tensor) / rows : (tensor.rank > 1 ? tensor.dims[1] : 1);
    return {static_cast<T*>(tensor.data), rows, columns};
  }

 private:
  const nb_call& call_;
};

// Refuses a data value outside 0 .. limit - 1. Ops check all of their indices before they write anything.
inline void check_index(const char* what, int64_t at, int64_t value, int64_t limit) {
  if (value >= 0 && value < limit) return;
  throw Failure{NB_ERROR_INDEX, std::string(what) + "[" + std::to_string(at) + "] is " + std::to_string(value) +
                                    ", expected 0 .. " + std::to_string(limit - 1)};
}

inline void check_indices(const char* what, const Matrix<int32_t>& values, int64_t limit) {
  for (int64_t i = 0; i < values.size(); ++i) check_index(what, i, values(i), limit);
}

// cu_seqlens (B + 1) must rise from 0 to N, in steps of at most max_length.
inline void check_cu_seqlens(const Matrix<int32_t>& cu_seqlens, int64_t tokens, int64_t max_length) {
  const auto refuse = [](const std::string& message) { throw Failure{NB_ERROR_INDEX, message}; };
  const int64_t sequences = cu_seqlens.size() - 1;
  if (cu_seqlens(0) != 0) refuse("cu_seqlens[0] is " + std::to_string(cu_seqlens(0)) + ", expected 0");
  for (int64_t b = 0; b < sequences; ++b) {
    const int64_t length = int64_t{cu_seqlens(b + 1)} - cu_seqlens(b);
    if (length < 0 || length > max_length) {
      refuse("cu_seqlens gives sequence " + std::to_string(b) + " " + std::to_string(length) + " tokens, expected 0 .. " +
             std::to_string(max_length));
    }
  }
  if (cu_seqlens(sequences) != tokens) {
    refuse("cu_seqlens ends at " + std::to_string(cu_seqlens(sequences)) + ", expected the number of rows, " +
           std::to_string(tokens));
  }
}

}  // namespace node_bert::reference

#endif  // NODE_BERT_REFERENCE_CALL_H
