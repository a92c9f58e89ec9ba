// The sum of squares for the gradient norm, and AdamW over flat arenas: each one pass over memory, and memory is their limit.
// AdamW moves 16 bytes in and 12 out per parameter (+ 4 to clear the gradient, + 2 for the bf16 copy).
#include "declare.h"
#include "simd.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

typedef float FHalf __attribute__((vector_size(W * 2)));
typedef FHalf FHalf_memory __attribute__((aligned(4), may_alias));
typedef double D __attribute__((vector_size(W * 4)));

NB_INLINE double block_squares(const float* x, int64_t count) {
  constexpr int L = W / 2;
  constexpr int64_t kAhead = 1024;  // floats; a lone stream of loads reaches the memory's rate only with the help of prefetches
  D sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * L <= count; i += 4 * L) {
    for (int64_t line = 0; line < 4 * L; line += 16) __builtin_prefetch(x + i + kAhead + line);
    for (int k = 0; k < 4; ++k) {
      const D value = __builtin_convertvector(*(const FHalf_memory*)(x + i + k * L), D);
      sums[k] += value * value;
    }
  }
  const D total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double sum = 0;
  for (int lane = 0; lane < L; ++lane) sum += total[lane];
  for (; i < count; ++i) sum += static_cast<double>(x[i]) * x[i];
  return sum;
}

}  // namespace

double sum_of_squares(const float* x, int64_t count, double* partials, int threads) {
  const int64_t blocks = sum_of_squares_blocks(count);
#pragma omp parallel for num_threads(threads) schedule(static) if (blocks > 1)
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t begin = block * kSquaresBlock;
    partials[block] = block_squares(x + begin, smaller(kSquaresBlock, count - begin));
  }
  double sum = 0;
  for (int64_t block = 0; block < blocks; ++block) sum += partials[block];
  return sum;
}

void adamw(const AdamW& args, int threads) {
  constexpr int64_t kChunk = 4096;
#pragma omp parallel for num_threads(threads) schedule(static) if (args.n > 2 * kChunk)
  for (int64_t begin = 0; begin < args.n; begin += kChunk) {
    const int64_t end = smaller(begin + kChunk, args.n);
    for (int64_t i = begin; i < end; i += W) {
      const int64_t left = end - i;
      const F g = load(args.grad + i, left) * args.grad_factor;
      const F m = args.beta1 * load(args.m + i, left) + args.one_minus_beta1 * g;
      const F v = args.beta2 * load(args.v + i, left) + args.one_minus_beta2 * g * g;
      const F denominator = square_root(v) * args.inverse_root_correction2 + args.eps;
      const F param = load(args.param + i, left) * args.keep - args.step_size * m / denominator;
      store(args.m + i, m, left);
      store(args.v + i, v, left);
      store(args.param + i, param, left);
      if (args.copy != nullptr) store(args.copy + i, param, left);
      if (args.zero_grad) store(args.grad + i, F{}, left);
    }
  }
}

}  // namespace node_bert::cpu::NB_KERNELS
