// How an op sees its arguments: dimensions, typed pointers, dropout params. The core has checked counts, shapes and types.
#ifndef NODE_BERT_CUDA_CALL_H
#define NODE_BERT_CUDA_CALL_H

#include <cstdint>

#include "host/failure.h"
#include "kernels/launch.h"
#include "node_bert/backend.h"

namespace node_bert::cuda {

inline int64_t element_count(const nb_tensor& tensor) {
  int64_t count = 1;
  for (int axis = 0; axis < tensor.rank; ++axis) count *= tensor.dims[axis];
  return count;
}

inline DType activation_type(int32_t dtype) {
  switch (dtype) {
    case NB_F32: return DType::f32;
    case NB_BF16: return DType::bf16;
    case NB_F16: return DType::f16;
    default: throw Failure{NB_ERROR_UNSUPPORTED, "the CUDA device computes in f32, bf16 and f16 only"};
  }
}

class Call {
 public:
  explicit Call(const nb_call& call) : call_(call) {}

  bool has(int index) const { return call_.tensors[index].rank >= 0; }
  const nb_tensor& tensor(int index) const { return call_.tensors[index]; }
  int64_t dim(int index, int axis) const { return call_.tensors[index].dims[axis]; }
  int64_t count(int index) const { return element_count(call_.tensors[index]); }
  DType type(int index) const { return activation_type(call_.tensors[index].dtype); }
  double param(int index) const { return call_.params[index]; }

  // nullptr when an optional tensor was left out.
  template <class T = void>
  T* data(int index) const {
    return static_cast<T*>(call_.tensors[index].data);
  }

  // The five params {p, seed_low, seed_high, step, op} start at `first`.
  Dropout dropout(int first) const {
    const auto word = [&](int index) { return static_cast<uint32_t>(param(first + index)); };
    return {param(first), word(1), word(2), word(3), word(4)};
  }

 private:
  const nb_call& call_;
};

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_CALL_H
