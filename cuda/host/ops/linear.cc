// y = activation(x W^T + b): one GEMM and one kernel over its result. Backward: dpre and dbias in one kernel, then a GEMM each for dx and dw.
#include <algorithm>

#include "host/device.h"
#include "host/op_list.h"

namespace node_bert::cuda {
namespace {

// Scratch of an op that needs some for itself and for its GEMMs: they never use it at the same time, for they run one after another.
void* shared_scratch(nb_device& device, size_t own) { return device.scratch(std::max(own, device.gemm().workspace_bytes())); }

constexpr size_t ALIGNMENT = 256;

void check_weight(const Call& call) {
  if (call.type(1) != call.type(0)) throw Failure{NB_ERROR_UNSUPPORTED, "the CUDA device does not round weights: w must be of the type of x"};
}

}  // namespace

void linear_forward(nb_device& device, const Launch& launch, const Call& call) {
  check_weight(call);
  const DType type = call.type(0);
  const int64_t N = call.dim(0, 0), K = call.dim(0, 1), M = call.dim(1, 0);
  const auto activation = static_cast<nb_activation>(static_cast<int>(call.param(0)));
  const bool is_plain = !call.has(2) && !call.has(4) && activation == NB_ACTIVATION_NONE;
  // A product that was rounded to 16 bits before the bias is added may have the wrong sign near 0: it stays in f32 until then.
  const DType product_type = is_plain ? type : DType::f32;
  const size_t room = product_type == type ? 0 : (static_cast<size_t>(N * M) * sizeof(float) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  char* scratch = static_cast<char*>(device.scratch(room + device.gemm().workspace_bytes()));
  void* product = product_type == type ? call.data(3) : scratch;
  device.gemm().run(launch, {N, M, K, false, true, false, type, product_type}, call.data(0), call.data(1), product, scratch + room);
  if (is_plain) return;
  check(bias_activation_forward(launch, product_type, product, type, call.data<float>(2), activation, call.data(3), call.data(4), N, M), "the kernel");
}

void linear_backward(nb_device& device, const Launch& launch, const Call& call) {
  check_weight(call);
  if (call.param(2) != 0) throw Failure{NB_ERROR_UNSUPPORTED, "the CUDA device takes x as forward had it"};
  const DType type = call.type(0);
  const int64_t N = call.dim(0, 0), K = call.dim(0, 1), M = call.dim(1, 0);
  const auto activation = static_cast<nb_activation>(static_cast<int>(call.param(0)));
  const bool accumulate_dx = call.param(1) != 0;
  void* scratch = shared_scratch(device, activation_backward_workspace(N, M));
  const void* dpre = call.data(3);
  if (activation != NB_ACTIVATION_NONE || call.has(7)) {
    check(activation_backward(launch, type, call.data(2), call.data(3), activation, activation == NB_ACTIVATION_NONE ? nullptr : call.data(4),
                              call.data<float>(7), N, M, scratch),
          "the kernel");
    if (activation != NB_ACTIVATION_NONE) dpre = call.data(4);
  }
  if (call.has(5)) device.gemm().run(launch, {N, K, M, false, false, accumulate_dx, type, type}, dpre, call.data(1), call.data(5), scratch);
  if (call.has(6)) device.gemm().run(launch, {M, K, N, true, false, true, type, DType::f32}, dpre, call.data(0), call.data(6), scratch);
}

}  // namespace node_bert::cuda
