// The sum of squares for the gradient norm, and AdamW over flat arenas: each one pass over memory, and memory is their limit.
// AdamW moves 16 bytes in and 12 out per parameter that has had a gradient (+ 4 to clear the gradient, + 2 for the bf16 copy).
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

struct Moments {
  F m, v, update;  // update: what the parameter loses beside its decay
};

NB_INLINE Moments next(const AdamW& args, F grad, F m, F v) {
  const F g = grad * args.grad_factor;
  m = args.beta1 * m + args.one_minus_beta1 * g;
  v = args.beta2 * v + args.one_minus_beta2 * g * g;
  const F denominator = square_root(v) * args.inverse_root_correction2 + args.eps;
  return {m, v, args.step_size * m / denominator};
}

// Whether where gradient and moments are 0 they stay 0, and the parameter only decays. Then the moments of words that have not occurred yet
// are read and not written, and memory that was never written to takes none.
bool zeros_stay(const AdamW& args) {
  const Moments moments = next(args, F{}, F{}, F{});
  return is_all_zero(bits_of(moments.m) | bits_of(moments.v) | bits_of(moments.update));
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
  const bool zeros_rest = zeros_stay(args);
#pragma omp parallel for num_threads(threads) schedule(static) if (args.n > 2 * kChunk)
  for (int64_t begin = 0; begin < args.n; begin += kChunk) {
    const int64_t end = smaller(begin + kChunk, args.n);
    for (int64_t i = begin; i < end; i += W) {
      const int64_t left = end - i;
      const F grad = load(args.grad + i, left), m = load(args.m + i, left), v = load(args.v + i, left);
      F update = {};
      if (!zeros_rest || !is_all_zero(bits_of(grad) | bits_of(m) | bits_of(v))) {
        const Moments moments = next(args, grad, m, v);
        update = moments.update;
        store(args.m + i, moments.m, left);
        store(args.v + i, moments.v, left);
        if (args.zero_grad && !is_all_zero(bits_of(grad))) store(args.grad + i, F{}, left);
      }
      const F param = load(args.param + i, left) * args.keep - update;
      store(args.param + i, param, left);
      if (args.copy != nullptr) store(args.copy + i, param, left);
    }
  }
}

}  // namespace node_bert::cpu::NB_KERNELS
