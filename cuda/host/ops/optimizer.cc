#include "host/device.h"
#include "host/op_list.h"

namespace node_bert::cuda {

void sum_of_squares(nb_device& device, const Launch& launch, const Call& call) {
  void* workspace = device.scratch(sum_of_squares_workspace(call.count(0)));
  check(sum_of_squares(launch, call.data<float>(0), call.count(0), call.data<float>(1), workspace), "the kernel");
}

void adamw(nb_device&, const Launch& launch, const Call& call) {
  const AdamWParams params{call.param(0), call.param(1), call.param(2), call.param(3),     call.param(4),
                           call.param(5), call.param(6), call.param(7), call.param(8) != 0};
  const DType copy = call.has(4) ? call.type(4) : DType::bf16;
  check(adamw(launch, call.data<float>(0), call.data<float>(1), call.data<float>(2), call.data<float>(3), copy, call.data(4), call.count(0),
              call.data<float>(5), call.data<LossScale>(6), params),
        "the kernel");
}

void update_loss_scale(nb_device&, const Launch& launch, const Call& call) {
  check(update_loss_scale(launch, call.data<LossScale>(0), call.data<float>(1)), "the kernel");
}

}  // namespace node_bert::cuda
