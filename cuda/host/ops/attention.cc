#include "host/device.h"
#include "host/op_list.h"

namespace node_bert::cuda {
namespace {

// Params: heads, max_seqlen, scale.
AttentionShape shape_of(const Call& call) {
  const auto heads = static_cast<int64_t>(call.param(0));
  return {.N = call.dim(0, 0),
          .A = heads,
          .D = call.dim(0, 1) / 3 / heads,
          .B = call.dim(1, 0) - 1,
          .max_seqlen = static_cast<int64_t>(call.param(1)),
          .scale = static_cast<float>(call.param(2))};
}

}  // namespace

void attention_forward(nb_device&, const Launch& launch, const Call& call) {
  check(attention_forward(launch, call.type(0), shape_of(call), call.data(0), call.data<int32_t>(1), call.data(2), call.data<float>(3),
                          call.dropout(3)),
        "the kernel");
}

void attention_backward(nb_device& device, const Launch& launch, const Call& call) {
  const AttentionShape shape = shape_of(call);
  void* workspace = device.scratch(attention_backward_workspace(shape));
  check(attention_backward(launch, call.type(0), shape, call.data(0), call.data<int32_t>(1), call.data(2), call.data<float>(3), call.data(4),
                           call.data(5), call.dropout(3), workspace),
        "the kernel");
}

void attention_probabilities(nb_device&, const Launch& launch, const Call& call) {
  check(attention_probabilities(launch, call.type(0), shape_of(call), call.data(0), call.data<int32_t>(1), call.data<float>(2), call.dim(2, 1)),
        "the kernel");
}

}  // namespace node_bert::cuda
