// The sum of squares, and AdamW's scalars (in double); the sweeps are in kernels/optimizer.cc.
#include <algorithm>
#include <cmath>

#include "ops.h"

namespace node_bert::cpu {
namespace {

// The sweep does not write gradients that are 0, nor moments that are and stay 0. In small pages they then take no memory: 0.1 GB of BERT-base's word embeddings in a
// short training, and for good where most words never occur (benchmarks/training).
void prefer_small_pages_for_moments(const nb_device& device, const AdamW& args) {
  const char* const begin = reinterpret_cast<const char*>(args.grad);
  const char* const end = begin + static_cast<size_t>(args.n) * sizeof(float);
  for (const auto& [gradient, bytes] : device.sparse_gradients) {
    if (gradient < begin || gradient + bytes > end) continue;
    for (float* moments : {args.m, args.v}) prefer_small_pages(reinterpret_cast<char*>(moments) + (gradient - begin), bytes);
  }
}

}  // namespace

void sum_of_squares(nb_device& device, const Call& call) {
  const int64_t count = call.count(0);
  if (count == 0) return;
  double* partials =
      static_cast<double*>(device.scratch.bytes(static_cast<size_t>(sum_of_squares_blocks(count)) * sizeof(double)));
  float& out = *call.floats(1);
  out = static_cast<float>(out + device.kernels.sum_of_squares(call.floats(0), count, partials, device.threads));
}

void adamw(nb_device& device, const Call& call) {
  if (call.has(6)) throw Failure{NB_ERROR_UNSUPPORTED, "the CPU device has no f16, so no loss scale"};
  const double lr = call.param(0), beta1 = call.param(1), beta2 = call.param(2), step = call.param(5);
  const double max_norm = call.param(6), grad_scale = call.param(7);
  double factor = grad_scale;
  if (call.has(5) && max_norm > 0) {
    const double norm = std::sqrt(static_cast<double>(*call.floats(5))) * grad_scale;
    factor *= std::min(max_norm / (norm + 1e-6), 1.0);  // in this order min() hands a NaN on
  }
  AdamW args{};
  args.param = call.floats(0);
  args.grad = call.floats(1);
  args.m = call.floats(2);
  args.v = call.floats(3);
  args.copy = static_cast<bf16*>(call.data(4));
  args.n = call.count(0);
  args.grad_factor = static_cast<float>(factor);
  args.keep = static_cast<float>(1.0 - lr * call.param(4));
  args.beta1 = static_cast<float>(beta1);
  args.beta2 = static_cast<float>(beta2);
  args.one_minus_beta1 = static_cast<float>(1.0 - beta1);
  args.one_minus_beta2 = static_cast<float>(1.0 - beta2);
  args.eps = call.param_f(3);
  args.step_size = static_cast<float>(lr / (1.0 - std::pow(beta1, step)));
  args.inverse_root_correction2 = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(beta2, step)));
  args.zero_grad = call.param(8) != 0;
  prefer_small_pages_for_moments(device, args);
  device.kernels.adamw(args, device.threads);
}

}  // namespace node_bert::cpu
