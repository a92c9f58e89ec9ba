// y = dropout(LayerNorm(word[id] + position[pos] + type[tt])), and its gradient.
#include "ops.h"

namespace node_bert::cpu {
namespace {

// A vocabulary so many times the tokens of a batch has a gradient that is mostly zeros, pages of zeros with them.
constexpr int64_t kSparse = 8;

// What both directions read: tensors 0 .. 6.
Embeddings inputs_of(const Call& call) {
  Embeddings args{};
  args.N = call.dim(0, 0);
  args.H = call.dim(3, 1);
  args.ids = call.integers(0);
  args.positions = call.integers(1);
  args.types = call.integers(2);
  args.word = call.floats(3);
  args.position = call.floats(4);
  args.type = call.floats(5);
  args.gamma = call.floats(6);
  args.eps = call.param_f(0);
  args.dropout = call.dropout(1);
  check_indices("ids", args.ids, args.N, call.dim(3, 0));
  check_indices("positions", args.positions, args.N, call.dim(4, 0));
  check_indices("types", args.types, args.N, call.dim(5, 0));
  return args;
}

}  // namespace

void embeddings_forward(nb_device& device, const Call& call) {
  Embeddings args = inputs_of(call);
  if (args.N == 0 || args.H == 0) return;
  args.beta = call.floats(7);
  args.y = call.data(8);
  args.mean = call.floats(9);
  args.rstd = call.floats(10);
  args.scratch = device.scratch.floats(device.threads * layer_norm_scratch(args.H));
  device.kernels.embeddings_forward(call.type(8), args, device.threads);
}

void embeddings_backward(nb_device& device, const Call& call) {
  Embeddings args = inputs_of(call);
  if (args.N == 0 || args.H == 0) return;
  args.mean = call.floats(7);
  args.rstd = call.floats(8);
  args.dy = call.data(9);
  args.dword = call.floats(10);
  const int64_t words = call.dim(3, 0) * args.H;
  if (args.dword != nullptr && words >= kSparse * args.N * args.H) {
    const size_t bytes = static_cast<size_t>(words) * sizeof(float);
    prefer_small_pages(args.dword, bytes);
    device.sparse_gradients[reinterpret_cast<const char*>(args.dword)] = bytes;
  }
  args.dposition = call.floats(11);
  args.dtype = call.floats(12);
  args.dgamma = call.floats(13);
  args.dbeta = call.floats(14);
  const int64_t width = padded(args.H), rows = device.threads * layer_norm_scratch(args.H);
  args.scratch = device.scratch.floats(rows + args.N * width + row_blocks(args.N) * 2 * width);
  args.dz = args.scratch + rows;
  args.partials = args.dz + args.N * width;
  device.kernels.embeddings_backward(call.type(9), args, device.threads);
}

}  // namespace node_bert::cpu
