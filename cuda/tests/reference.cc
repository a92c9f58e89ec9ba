#include "tests/reference.h"

#include "../../packages/core-native/native/reference/add_layer_norm.cc"
#include "../../packages/core-native/native/reference/cross_entropy.cc"
#include "../../packages/core-native/native/reference/elementwise.cc"
#include "../../packages/core-native/native/reference/embeddings.cc"
#include "../../packages/core-native/native/reference/linear.cc"
#include "../../packages/core-native/native/reference/optimizer.cc"
#include "../../packages/core-native/native/reference/rows.cc"

namespace node_bert::reference {
namespace {

using Run = void (*)(const Call&);

template <class X>
Run find(int32_t op) {
  switch (op) {
    case NB_OP_ADD: return add<X>;
    case NB_OP_EMBEDDINGS_FORWARD: return embeddings_forward<X>;
    case NB_OP_EMBEDDINGS_BACKWARD: return embeddings_backward<X>;
    case NB_OP_LINEAR_FORWARD: return linear_forward<X>;
    case NB_OP_LINEAR_BACKWARD: return linear_backward<X>;
    case NB_OP_ADD_LAYER_NORM_FORWARD: return add_layer_norm_forward<X>;
    case NB_OP_ADD_LAYER_NORM_BACKWARD: return add_layer_norm_backward<X>;
    case NB_OP_GATHER_ROWS_FORWARD: return gather_rows_forward<X>;
    case NB_OP_GATHER_ROWS_BACKWARD: return gather_rows_backward<X>;
    case NB_OP_MEAN_POOL_FORWARD: return mean_pool_forward<X>;
    case NB_OP_MEAN_POOL_BACKWARD: return mean_pool_backward<X>;
    case NB_OP_DROPOUT: return dropout<X>;
    case NB_OP_CROSS_ENTROPY_FORWARD: return cross_entropy_forward<X>;
    case NB_OP_CROSS_ENTROPY_BACKWARD: return cross_entropy_backward<X>;
    case NB_OP_SUM_OF_SQUARES: return sum_of_squares<X>;
    case NB_OP_ADAMW: return adamw<X>;
    default: return nullptr;
  }
}

}  // namespace
}  // namespace node_bert::reference

namespace node_bert::cuda::tests {

void run_reference(const nb_call& call, Precision precision) {
  using namespace node_bert::reference;
  const Call view(call);
  switch (precision) {
    case Precision::f64: return find<double>(call.op)(view);
    case Precision::f32: return find<float>(call.op)(view);
    case Precision::bf16: return find<bfloat16>(call.op)(view);
    case Precision::f16: return find<float16>(call.op)(view);
  }
}

double rounded(double value, Precision precision) {
  switch (precision) {
    case Precision::f64: return value;
    case Precision::f32: return static_cast<float>(value);
    case Precision::bf16: return reference::bfloat16(static_cast<float>(value));
    case Precision::f16: return reference::float16(static_cast<float>(value));
  }
  return value;
}

}  // namespace node_bert::cuda::tests
