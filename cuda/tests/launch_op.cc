// From a call of the ABI to the launcher of its op.
#include <algorithm>

#include "tests/op_case.h"

namespace node_bert::cuda::tests {
namespace {

struct View {
  const nb_call& call;

  template <class T = void>
  T* data(int i) const {
    return static_cast<T*>(call.tensors[i].data);
  }
  int64_t dim(int i, int axis) const { return call.tensors[i].dims[axis]; }
  double param(int i) const { return call.params[i]; }
  Dropout dropout(int first) const {
    return {param(first), static_cast<uint32_t>(param(first + 1)), static_cast<uint32_t>(param(first + 2)), static_cast<uint32_t>(param(first + 3)),
            static_cast<uint32_t>(param(first + 4))};
  }
  EmbeddingTables tables(int gradient) const {
    return {data<int32_t>(0), data<int32_t>(1), data<int32_t>(2), data<float>(3), data<float>(4), data<float>(5),
            dim(gradient, 0), dim(gradient, 1), dim(3, 0),        dim(4, 0),      dim(5, 0)};
  }
  int64_t count(int i) const {
    int64_t product = 1;
    for (int axis = 0; axis < call.tensors[i].rank; ++axis) product *= dim(i, axis);
    return product;
  }
};

}  // namespace

size_t workspace_of(const nb_call& call) {
  const View v{call};
  switch (call.op) {
    case NB_OP_EMBEDDINGS_BACKWARD: return embeddings_backward_workspace(v.dim(9, 0), v.dim(9, 1));
    case NB_OP_LINEAR_BACKWARD: return activation_backward_workspace(v.dim(3, 0), v.dim(3, 1));
    case NB_OP_ADD_LAYER_NORM_BACKWARD: return add_layer_norm_backward_workspace(v.dim(4, 0), v.dim(4, 1));
    case NB_OP_CROSS_ENTROPY_BACKWARD: return cross_entropy_backward_workspace();
    case NB_OP_SUM_OF_SQUARES: return sum_of_squares_workspace(v.count(0));
    default: return 0;
  }
}

cudaError_t launch_op(const nb_call& call, const Launch& launch, DType type, void* workspace) {
  const View v{call};
  switch (call.op) {
    case NB_OP_ADD: return add(launch, type, v.data(0), v.data(1), v.data(2), v.count(0));
    case NB_OP_EMBEDDINGS_FORWARD:
      return embeddings_forward(launch, type, v.tables(8), v.data<float>(6), v.data<float>(7), v.data(8), v.data<float>(9), v.data<float>(10),
                                static_cast<float>(v.param(0)), v.dropout(1));
    case NB_OP_EMBEDDINGS_BACKWARD:
      return embeddings_backward(launch, type, v.tables(9), v.data<float>(6), v.data<float>(7), v.data<float>(8), v.data(9), v.data<float>(10),
                                 v.data<float>(11), v.data<float>(12), v.data<float>(13), v.data<float>(14), v.dropout(1), workspace);
    case NB_OP_ADD_LAYER_NORM_FORWARD:
      return add_layer_norm_forward(launch, type, v.data(0), v.data(1), v.data<float>(2), v.data<float>(3), v.data(4), v.data(5), v.data<float>(6),
                                    v.data<float>(7), v.dim(0, 0), v.dim(0, 1), static_cast<float>(v.param(0)), v.dropout(1));
    case NB_OP_ADD_LAYER_NORM_BACKWARD:
      return add_layer_norm_backward(launch, type, v.data(0), v.data<float>(1), v.data<float>(2), v.data<float>(3), v.data(4), v.data(5), v.data(6),
                                     v.data<float>(7), v.data<float>(8), v.dim(4, 0), v.dim(4, 1), v.dropout(1), workspace);
    case NB_OP_LINEAR_FORWARD:  // the part beside the GEMM: x is the product, w an identity matrix for the reference
      return bias_activation_forward(launch, v.call.tensors[0].dtype == NB_F32 ? DType::f32 : type, v.data(0), type, v.data<float>(2),
                                     static_cast<nb_activation>(v.param(0)), v.data(3), v.data(4), v.dim(0, 0), v.dim(0, 1));
    case NB_OP_LINEAR_BACKWARD:  // the part beside the GEMMs
      return activation_backward(launch, type, v.data(2), v.data(3), static_cast<nb_activation>(v.param(0)), v.data(4), v.data<float>(7),
                                 v.dim(3, 0), v.dim(3, 1), workspace);
    case NB_OP_GATHER_ROWS_FORWARD:
      return gather_rows_forward(launch, type, v.data(0), v.data<int32_t>(1), v.data(2), v.dim(0, 0), v.dim(2, 0), v.dim(0, 1));
    case NB_OP_GATHER_ROWS_BACKWARD:
      return gather_rows_backward(launch, type, v.data<int32_t>(0), v.data(1), v.data(2), v.dim(2, 0), v.dim(1, 0), v.dim(2, 1));
    case NB_OP_MEAN_POOL_FORWARD:
      return mean_pool_forward(launch, type, v.data(0), v.data<int32_t>(1), v.data(2), v.dim(0, 0), v.dim(2, 0), v.dim(0, 1));
    case NB_OP_MEAN_POOL_BACKWARD:
      return mean_pool_backward(launch, type, v.data<int32_t>(0), v.data(1), v.data(2), v.dim(2, 0), v.dim(1, 0), v.dim(2, 1));
    case NB_OP_DROPOUT: return dropout(launch, type, v.data(0), v.data(1), v.dim(0, 0), v.dim(0, 1), v.dropout(0));
    case NB_OP_CROSS_ENTROPY_FORWARD:
      return cross_entropy_forward(launch, type, v.data(0), v.data<int32_t>(1), v.data<float>(2), v.data<float>(3), v.data<float>(4), v.dim(0, 0),
                                   v.dim(0, 1), static_cast<int64_t>(v.param(0)));
    case NB_OP_CROSS_ENTROPY_BACKWARD:
      return cross_entropy_backward(launch, type, v.data(0), v.data<int32_t>(1), v.data<float>(2), v.data(3), v.dim(0, 0), v.dim(0, 1),
                                    static_cast<int64_t>(v.param(0)), workspace);
    case NB_OP_SUM_OF_SQUARES: return sum_of_squares(launch, v.data<float>(0), v.count(0), v.data<float>(1), workspace);
    case NB_OP_ADAMW: {
      const AdamWParams params{v.param(0), v.param(1), v.param(2), v.param(3), v.param(4), v.param(5), v.param(6), v.param(7), v.param(8) != 0};
      return adamw(launch, v.data<float>(0), v.data<float>(1), v.data<float>(2), v.data<float>(3), DType::bf16,
                   v.data(4), v.count(0), v.data<float>(5), nullptr, params);
    }
    default: return cudaErrorInvalidValue;
  }
}

const char* name_of(nb_op op) {
  switch (op) {
    case NB_OP_ADD: return "add";
    case NB_OP_EMBEDDINGS_FORWARD: return "embeddings_forward";
    case NB_OP_EMBEDDINGS_BACKWARD: return "embeddings_backward";
    case NB_OP_LINEAR_FORWARD: return "bias_activation_forward";
    case NB_OP_LINEAR_BACKWARD: return "activation_backward";
    case NB_OP_ADD_LAYER_NORM_FORWARD: return "add_layer_norm_forward";
    case NB_OP_ADD_LAYER_NORM_BACKWARD: return "add_layer_norm_backward";
    case NB_OP_GATHER_ROWS_FORWARD: return "gather_rows_forward";
    case NB_OP_GATHER_ROWS_BACKWARD: return "gather_rows_backward";
    case NB_OP_MEAN_POOL_FORWARD: return "mean_pool_forward";
    case NB_OP_MEAN_POOL_BACKWARD: return "mean_pool_backward";
    case NB_OP_DROPOUT: return "dropout";
    case NB_OP_CROSS_ENTROPY_FORWARD: return "cross_entropy_forward";
    case NB_OP_CROSS_ENTROPY_BACKWARD: return "cross_entropy_backward";
    case NB_OP_SUM_OF_SQUARES: return "sum_of_squares";
    case NB_OP_ADAMW: return "adamw";
    default: return "?";
  }
}

const char* name_of(DType type) { return type == DType::f32 ? "f32" : type == DType::bf16 ? "bf16" : "f16"; }

}  // namespace node_bert::cuda::tests
