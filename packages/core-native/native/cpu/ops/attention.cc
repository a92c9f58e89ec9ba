// Attention on packed sequences: the order of the work, scratch memory, checks.
#include <algorithm>
#include <numeric>

#include "ops.h"

namespace node_bert::cpu {
namespace {

// Tensors 0 and 1 and the first three params.
Attention inputs_of(const Call& call) {
  Attention args{};
  args.qkv = call.data(0);
  args.N = call.dim(0, 0);
  args.H = call.dim(0, 1) / 3;
  args.cu_seqlens = call.integers(1);
  args.B = call.dim(1, 0) - 1;
  args.A = static_cast<int64_t>(call.param(0));
  args.D = args.H / args.A;
  args.scale = call.param_f(2);
  args.S = check_cu_seqlens(args.cu_seqlens, args.B, args.N, static_cast<int64_t>(call.param(1)));
  return args;
}

// Sequences by falling length: work is proportional to its square, and the short ones even out the end.
void order_sequences(Attention& args, int32_t* order) {
  std::iota(order, order + args.B, 0);
  const auto length = [&](int32_t b) { return args.cu_seqlens[b + 1] - args.cu_seqlens[b]; };
  std::sort(order, order + args.B, [&](int32_t a, int32_t b) { return length(a) != length(b) ? length(a) > length(b) : a < b; });
  args.order = order;
}

void provide_scratch(nb_device& device, Attention& args, int64_t floats_per_thread) {
  const int64_t floats = device.threads * floats_per_thread;
  args.scratch = device.scratch.floats(floats + args.B);
  order_sequences(args, reinterpret_cast<int32_t*>(args.scratch + floats));
}

}  // namespace

void attention_forward(nb_device& device, const Call& call) {
  Attention args = inputs_of(call);
  if (args.N == 0 || args.H == 0) return;
  args.dropout = call.dropout(3);
  args.out = call.data(2);
  args.lse = call.floats(3);
  provide_scratch(device, args, attention_forward_scratch(args.S, args.D));
  device.kernels.attention_forward(call.type(0), args, device.threads);
}

void attention_backward(nb_device& device, const Call& call) {
  Attention args = inputs_of(call);
  if (args.N == 0 || args.H == 0) return;
  args.dropout = call.dropout(3);
  args.lse = call.floats(3);
  args.dout = call.data(4);
  args.out = call.data(5);
  provide_scratch(device, args, attention_backward_scratch(args.S, args.D));
  device.kernels.attention_backward(call.type(0), args, device.threads);
}

void attention_probabilities(nb_device& device, const Call& call) {
  Attention args = inputs_of(call);
  for (int64_t b = 0; b < args.B; ++b) {
    const int64_t length = args.cu_seqlens[b + 1] - args.cu_seqlens[b];
    args.squares += length * length;
  }
  if (args.squares != call.dim(2, 1)) {
    throw Failure{NB_ERROR_INDEX, "probabilities has " + std::to_string(call.dim(2, 1)) +
                                      " columns, but the squared lengths of cu_seqlens sum to " + std::to_string(args.squares)};
  }
  if (args.N == 0 || args.H == 0) return;
  args.probabilities = call.floats(2);
  provide_scratch(device, args, attention_forward_scratch(args.S, args.D));
  device.kernels.attention_probabilities(call.type(0), args, device.threads);
}

}  // namespace node_bert::cpu
