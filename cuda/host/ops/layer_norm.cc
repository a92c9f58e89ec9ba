// What ends in a LayerNorm: the embeddings, and dropout + residual + LayerNorm.
#include "host/device.h"
#include "host/op_list.h"

namespace node_bert::cuda {
namespace {

void require_width(int64_t H) {
  if (H > MAX_NORM_COLUMNS)
    throw Failure{NB_ERROR_UNSUPPORTED, "rows are " + std::to_string(H) + " wide, the CUDA device takes up to " + std::to_string(MAX_NORM_COLUMNS)};
}

EmbeddingTables tables_of(const Call& call) {
  return {call.data<int32_t>(0), call.data<int32_t>(1), call.data<int32_t>(2), call.data<float>(3), call.data<float>(4), call.data<float>(5),
          call.dim(0, 0),        call.dim(3, 1),        call.dim(3, 0),        call.dim(4, 0),      call.dim(5, 0)};
}

}  // namespace

void embeddings_forward(nb_device&, const Launch& launch, const Call& call) {
  require_width(call.dim(3, 1));
  check(embeddings_forward(launch, call.type(8), tables_of(call), call.data<float>(6), call.data<float>(7), call.data(8), call.data<float>(9),
                           call.data<float>(10), static_cast<float>(call.param(0)), call.dropout(1)),
        "the kernel");
}

void embeddings_backward(nb_device& device, const Launch& launch, const Call& call) {
  require_width(call.dim(3, 1));
  void* workspace = device.scratch(embeddings_backward_workspace(call.dim(0, 0), call.dim(3, 1)));
  check(embeddings_backward(launch, call.type(9), tables_of(call), call.data<float>(6), call.data<float>(7), call.data<float>(8), call.data(9),
                            call.data<float>(10), call.data<float>(11), call.data<float>(12), call.data<float>(13), call.data<float>(14),
                            call.dropout(1), workspace),
        "the kernel");
}

void add_layer_norm_forward(nb_device&, const Launch& launch, const Call& call) {
  require_width(call.dim(0, 1));
  check(add_layer_norm_forward(launch, call.type(0), call.data(0), call.data(1), call.data<float>(2), call.data<float>(3), call.data(4), call.data(5),
                               call.data<float>(6), call.data<float>(7), call.dim(0, 0), call.dim(0, 1), static_cast<float>(call.param(0)),
                               call.dropout(1)),
        "the kernel");
}

void add_layer_norm_backward(nb_device& device, const Launch& launch, const Call& call) {
  const int64_t N = call.dim(0, 0), H = call.dim(0, 1);
  require_width(H);
  void* workspace = device.scratch(add_layer_norm_backward_workspace(N, H));
  check(add_layer_norm_backward(launch, call.type(0), call.data(0), call.data<float>(1), call.data<float>(2), call.data<float>(3), call.data(4),
                                call.data(5), call.data(6), call.data<float>(7), call.data<float>(8), N, H, call.dropout(1), workspace),
        "the kernel");
}

}  // namespace node_bert::cuda
