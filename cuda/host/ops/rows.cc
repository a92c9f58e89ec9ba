// Gathering rows and mean pooling.
#include "host/device.h"
#include "host/op_list.h"

namespace node_bert::cuda {

void gather_rows_forward(nb_device&, const Launch& launch, const Call& call) {
  check(gather_rows_forward(launch, call.type(0), call.data(0), call.data<int32_t>(1), call.data(2), call.dim(0, 0), call.dim(1, 0), call.dim(0, 1)),
        "the kernel");
}

void gather_rows_backward(nb_device&, const Launch& launch, const Call& call) {
  check(gather_rows_backward(launch, call.type(1), call.data<int32_t>(0), call.data(1), call.data(2), call.dim(2, 0), call.dim(0, 0), call.dim(2, 1)),
        "the kernel");
}

void mean_pool_forward(nb_device&, const Launch& launch, const Call& call) {
  check(mean_pool_forward(launch, call.type(0), call.data(0), call.data<int32_t>(1), call.data(2), call.dim(0, 0), call.dim(2, 0), call.dim(0, 1)),
        "the kernel");
}

void mean_pool_backward(nb_device&, const Launch& launch, const Call& call) {
  check(mean_pool_backward(launch, call.type(1), call.data<int32_t>(0), call.data(1), call.data(2), call.dim(2, 0), call.dim(1, 0), call.dim(2, 1)),
        "the kernel");
}

}  // namespace node_bert::cuda
