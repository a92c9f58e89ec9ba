// Matrix products that are too small for a library call to pay: the classifier's (N,2), single rows, empty dimensions.
// Vectorised over k where both operands are contiguous along it, else over the columns of c.
#include "declare.h"
#include "simd.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

template <class X, class C>
NB_INLINE void finish(const SmallGemm& args, int64_t i, int64_t j, float sum) {
  C* c = static_cast<C*>(args.c) + i * args.N + j;
  if (args.bias != nullptr) sum += args.bias[j];
  if (args.accumulate) sum += scalar_of(*c);
  store_part(c, splat(sum), 1);
}

template <class X, class C>
void dot_products(const SmallGemm& args, int threads) {
#pragma omp parallel for collapse(2) num_threads(threads) schedule(static) if (args.M * args.N * args.K > 32768)
  for (int64_t i = 0; i < args.M; ++i) {
    for (int64_t j = 0; j < args.N; ++j) {
      const X* a = static_cast<const X*>(args.a) + i * args.a_row;
      const X* b = static_cast<const X*>(args.b) + j * args.b_column;
      F sums = {};
      for (int64_t k = 0; k < args.K; k += W) sums += load(a + k, args.K - k) * load(b + k, args.K - k);
      finish<X, C>(args, i, j, sum_lanes(sums));
    }
  }
}

// b is contiguous along j.
template <class X, class C>
void row_sums(const SmallGemm& args, int threads) {
  const int64_t slices = (args.N + W - 1) / W;
#pragma omp parallel for collapse(2) num_threads(threads) schedule(static) if (args.M * args.N * args.K > 32768)
  for (int64_t i = 0; i < args.M; ++i) {
    for (int64_t slice = 0; slice < slices; ++slice) {
      const int64_t j = slice * W, left = args.N - j;
      const X* a = static_cast<const X*>(args.a) + i * args.a_row;
      const X* b = static_cast<const X*>(args.b) + j;
      F sums = args.bias != nullptr ? load(args.bias + j, left) : F{};
      for (int64_t k = 0; k < args.K; ++k) sums += scalar_of(a[k * args.a_column]) * load(b + k * args.b_row, left);
      C* c = static_cast<C*>(args.c) + i * args.N + j;
      if (args.accumulate) sums += load(c, left);
      store(c, sums, left);
    }
  }
}

template <class X, class C>
void multiply(const SmallGemm& args, int threads) {
  if (args.a_column == 1 && args.b_row == 1) dot_products<X, C>(args, threads);
  else row_sums<X, C>(args, threads);
}

}  // namespace

void small_gemm(Type type, const SmallGemm& args, int threads) {
  if (type == Type::f32) multiply<float, float>(args, threads);
  else if (args.c_is_f32) multiply<bf16, float>(args, threads);
  else multiply<bf16, bf16>(args, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
