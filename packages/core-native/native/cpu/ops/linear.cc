// y = activation(x W^T + b), and its gradient: three GEMMs, with the bias in the first and everything else in one sweep beside
// each. oneDNN's own GELU epilogue is not used: in 3.2 it is off by up to 8e-7 where the result itself is below 1e-3 (ours by
// 4e-10; both on [-10, 10] against float64), and training needs x W^T + b as well.
#include <cstring>

#include "ops.h"

namespace node_bert::cpu {
namespace {

// The slope 1 - y^2 of a saturated tanh has few digits left of y, so y may be rounded only once, from f32.
void tanh_rounded_once(nb_device& device, GemmCall product, void* y) {
  const int64_t count = product.M * product.N;
  float* pre = device.scratch.floats(count);
  product.c = pre;
  product.c_is_f32 = true;
  device.gemm.run(Type::bf16, product);
  device.kernels.activation_forward(Type::f32, NB_ACTIVATION_TANH, pre, pre, count, device.threads);
  device.kernels.f32_to_bf16(pre, static_cast<bf16*>(y), count, device.threads);
}

}  // namespace

void linear_forward(nb_device& device, const Call& call) {
  const int64_t N = call.dim(0, 0), K = call.dim(0, 1), M = call.dim(1, 0);
  const int32_t activation = static_cast<int32_t>(call.param(0));
  const Type type = call.type(0);
  void* y = call.data(3);
  void* pre = call.has(4) ? call.data(4) : y;
  const GemmCall product{
      .M = N, .N = M, .K = K, .a = call.data(0), .b = call.data(1), .c = pre, .bias = call.floats(2), .b_transposed = true,
      .b_is_f32 = type != call.type(1), .b_is_constant = call.param(1) != 0};
  if (activation == NB_ACTIVATION_TANH && pre == y && type == Type::bf16) return tanh_rounded_once(device, product, y);
  device.gemm.run(type, product);
  if (activation != NB_ACTIVATION_NONE) {
    device.kernels.activation_forward(type, activation, pre, y, N * M, device.threads);
  } else if (pre != y) {
    std::memcpy(y, pre, static_cast<size_t>(N * M) * (type == Type::bf16 ? 2 : 4));
  }
}

void linear_backward(nb_device& device, const Call& call) {
  const int64_t N = call.dim(0, 0), K = call.dim(0, 1), M = call.dim(1, 0);
  const int32_t activation = static_cast<int32_t>(call.param(0));
  const Type type = call.type(0);
  const void* dpre = call.data(3);
  if (N > 0 && M > 0 && (activation != NB_ACTIVATION_NONE || call.has(7))) {
    ActivationBackward args{};
    args.N = N;
    args.M = M;
    args.activation = activation;
    args.dy = dpre;
    args.dbias = call.floats(7);
    if (activation != NB_ACTIVATION_NONE) {
      args.saved = call.data(2);
      args.dpre = call.data(4);
      dpre = args.dpre;
    }
    if (args.dbias != nullptr) args.partials = device.scratch.floats(row_blocks(N) * padded(M));
    device.kernels.activation_backward(type, args, device.threads);
  }
  if (call.has(5)) {
    device.gemm.run(type,
                    {.M = N, .N = K, .K = M, .a = dpre, .b = call.data(1), .c = call.data(5), .accumulate = call.param(1) != 0, .b_is_f32 = type != call.type(1)});
  }
  if (call.has(6)) {
    const void* x = call.data(0);
    const int32_t x_activation = static_cast<int32_t>(call.param(2));
    if (x_activation != NB_ACTIVATION_NONE) {
      float* activated = device.scratch.floats(N * K);
      device.kernels.activation_forward(type, x_activation, x, activated, N * K, device.threads);
      x = activated;
    }
    device.gemm.run(type, {.M = M,
                           .N = K,
                           .K = N,
                           .a = dpre,
                           .b = x,
                           .c = call.data(6),
                           .a_transposed = true,
                           .accumulate = true,
                           .c_is_f32 = true});
  }
}

}  // namespace node_bert::cpu
