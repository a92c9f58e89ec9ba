#include "host/device.h"
#include "host/op_list.h"

namespace node_bert::cuda {

void cross_entropy_forward(nb_device&, const Launch& launch, const Call& call) {
  check(cross_entropy_forward(launch, call.type(0), call.data(0), call.data<int32_t>(1), call.data<float>(2), call.data<float>(3),
                              call.data<float>(4), call.dim(0, 0), call.dim(0, 1), static_cast<int64_t>(call.param(0))),
        "the kernel");
}

void cross_entropy_backward(nb_device& device, const Launch& launch, const Call& call) {
  void* workspace = device.scratch(cross_entropy_backward_workspace());
  check(cross_entropy_backward(launch, call.type(0), call.data(0), call.data<int32_t>(1), call.data<float>(2), call.data(3), call.dim(0, 0),
                               call.dim(0, 1), static_cast<int64_t>(call.param(0)), workspace),
        "the kernel");
}

}  // namespace node_bert::cuda
