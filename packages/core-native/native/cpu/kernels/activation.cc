// The activation functions of a linear layer and their gradients, and the gradient of its bias; (N,M).
// Memory: forward reads pre and writes y; backward reads saved and dy, writes dpre, and sums its columns into dbias on the way.
#include "activation_functions.h"
#include "declare.h"
#include "layer_norm_row.h"
#include "node_bert/backend.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

template <class X, class Function>
void forward(const X* pre, X* y, int64_t count, int threads) {
  constexpr int64_t kChunk = 4096;
#pragma omp parallel for num_threads(threads) schedule(static) if (count > kChunk)
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t end = smaller(begin + kChunk, count);
    for (int64_t i = begin; i < end; i += W) store(y + i, Function::value(load(pre + i, end - i)), end - i);
  }
}

template <class X>
void forward(int32_t activation, const X* pre, X* y, int64_t count, int threads) {
  switch (activation) {
    case NB_ACTIVATION_GELU: return forward<X, typename GeluFor<X>::Function>(pre, y, count, threads);
    case NB_ACTIVATION_TANH: return forward<X, Tanh>(pre, y, count, threads);
    case NB_ACTIVATION_RELU: return forward<X, Relu>(pre, y, count, threads);
    default: return;
  }
}

// Rows begin .. end - 1; part (padded(M)) receives their column sums.
template <class X, class Function, bool kSums>
void backward_rows(const ActivationBackward& args, int64_t begin, int64_t end, float* part) {
  const int64_t M = args.M;
  const X* saved = static_cast<const X*>(args.saved);
  const X* dy = static_cast<const X*>(args.dy);
  X* dpre = static_cast<X*>(args.dpre);
  if (kSums) memset(part, 0, static_cast<size_t>(padded(M)) * sizeof(float));
  for (int64_t at = begin * M; at < end * M; at += M) {
    for (int64_t m = 0; m < M; m += W) {
      F gradient = load(dy + at + m, M - m);
      if (saved != nullptr) {
        gradient *= Function::slope(load(saved + at + m, M - m));
        store(dpre + at + m, gradient, M - m);
      }
      if (kSums) store(part + m, load(part + m) + gradient);
    }
  }
}

template <class X, class Function>
void backward(const ActivationBackward& args, int threads) {
  const int64_t blocks = row_blocks(args.N), width = padded(args.M);
#pragma omp parallel for num_threads(threads) schedule(static) if (args.N * args.M > 4096)
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t begin = block * kRowBlock, end = smaller(begin + kRowBlock, args.N);
    if (args.dbias != nullptr) backward_rows<X, Function, true>(args, begin, end, args.partials + block * width);
    else backward_rows<X, Function, false>(args, begin, end, nullptr);
  }
  if (args.dbias != nullptr) add_partials(args.partials, blocks, width, args.dbias, args.M, threads);
}

template <class X>
void backward(const ActivationBackward& args, int threads) {
  switch (args.activation) {
    case NB_ACTIVATION_GELU: return backward<X, Gelu>(args, threads);
    case NB_ACTIVATION_TANH: return backward<X, Tanh>(args, threads);
    case NB_ACTIVATION_RELU: return backward<X, Relu>(args, threads);
    default: return backward<X, Identity>(args, threads);
  }
}

}  // namespace

void activation_forward(Type type, int32_t activation, const void* pre, void* y, int64_t count, int threads) {
  if (type == Type::bf16) forward<bf16>(activation, (const bf16*)pre, (bf16*)y, count, threads);
  else forward<float>(activation, (const float*)pre, (float*)y, count, threads);
}

void activation_backward(Type type, const ActivationBackward& args, int threads) {
  type == Type::bf16 ? backward<bf16>(args, threads) : backward<float>(args, threads);
}

void column_sums(Type type, const void* dy, float* dbias, int64_t N, int64_t M, float* partials, int threads) {
  const ActivationBackward args{nullptr, dy, nullptr, dbias, N, M, NB_ACTIVATION_NONE, partials};
  activation_backward(type, args, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
