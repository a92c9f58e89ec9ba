// z = dropout(x) + residual; y = LayerNorm(z), and its gradient.
#include "ops.h"

namespace node_bert::cpu {

void add_layer_norm_forward(nb_device& device, const Call& call) {
  LayerNormForward args{};
  args.N = call.dim(0, 0);
  args.H = call.dim(0, 1);
  if (args.N == 0 || args.H == 0) return;
  args.x = call.data(0);
  args.residual = call.data(1);
  args.gamma = call.floats(2);
  args.beta = call.floats(3);
  args.y = call.data(4);
  args.z = call.data(5);
  args.mean = call.floats(6);
  args.rstd = call.floats(7);
  args.eps = call.param_f(0);
  args.dropout = call.dropout(1);
  args.scratch = device.scratch.floats(device.threads * layer_norm_scratch(args.H));
  device.kernels.layer_norm_forward(call.type(0), args, device.threads);
}

void add_layer_norm_backward(nb_device& device, const Call& call) {
  LayerNormBackward args{};
  args.N = call.dim(0, 0);
  args.H = call.dim(0, 1);
  if (args.N == 0 || args.H == 0) return;
  args.z = call.data(0);
  args.gamma = call.floats(1);
  args.mean = call.floats(2);
  args.rstd = call.floats(3);
  args.dy = call.data(4);
  args.dx = call.data(5);
  args.dresidual = call.data(6);
  args.dgamma = call.floats(7);
  args.dbeta = call.floats(8);
  args.dropout = call.dropout(1);
  const int64_t rows = device.threads * layer_norm_scratch(args.H);
  args.scratch = device.scratch.floats(rows + row_blocks(args.N) * 2 * padded(args.H));
  args.partials = args.scratch + rows;
  device.kernels.layer_norm_backward(call.type(0), args, device.threads);
}

}  // namespace node_bert::cpu
