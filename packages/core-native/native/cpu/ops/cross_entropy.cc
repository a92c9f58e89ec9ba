// The mean over rows with label != ignore_index of -log softmax(logits)[label], and its gradient.
#include "ops.h"

namespace node_bert::cpu {
namespace {

struct Rows {
  CrossEntropy args{};
  int64_t counted = 0;  // rows that are not ignored

  explicit Rows(const Call& call) {
    args.logits = call.data(0);
    args.labels = call.integers(1);
    args.N = call.dim(0, 0);
    args.C = call.dim(0, 1);
    args.ignore_index = static_cast<int64_t>(call.param(0));
    for (int64_t n = 0; n < args.N; ++n) {
      const int64_t label = args.labels[n];
      if (label == args.ignore_index) continue;
      if (label < 0 || label >= args.C) {
        throw Failure{NB_ERROR_INDEX, "labels[" + std::to_string(n) + "] is " + std::to_string(label) + ", expected 0 .. " +
                                          std::to_string(args.C - 1) + " or " + std::to_string(args.ignore_index) + " (ignored)"};
      }
      ++counted;
    }
  }
};

}  // namespace

void cross_entropy_forward(nb_device& device, const Call& call) {
  Rows rows(call);
  rows.args.losses = call.floats(2);
  rows.args.lse = call.floats(4);
  device.kernels.cross_entropy_forward(call.type(0), rows.args, device.threads);
  double sum = 0;
  for (int64_t n = 0; n < rows.args.N; ++n) sum += rows.args.losses[n];
  *call.floats(3) = rows.counted > 0 ? static_cast<float>(sum / static_cast<double>(rows.counted)) : 0.f;
}

void cross_entropy_backward(nb_device& device, const Call& call) {
  Rows rows(call);
  rows.args.factor = rows.counted > 0 ? *call.floats(2) / static_cast<float>(rows.counted) : 0.f;
  rows.args.dlogits = call.data(3);
  device.kernels.cross_entropy_backward(call.type(0), rows.args, device.threads);
}

}  // namespace node_bert::cpu
