// Quantization to 8 bits and what follows a product of quantized matrices, where int8_vnni.cc does not do it all.
#include "activation_functions.h"
#include "declare.h"
#include "int8_row.h"
#include "node_bert/backend.h"

namespace node_bert::cpu::NB_KERNELS {
namespace {

template <class X>
void quantize(const X* x, uint8_t* q, float* scales, int64_t N, int64_t K, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (N * K > 16384)
  for (int64_t n = 0; n < N; ++n) scales[n] = quantize_token(x + n * K, K, q + n * K);
}

NB_INLINE I load_integers(const int32_t* p, int64_t n) { return (I)load((const float*)p, n); }

template <class X, class Function>
void finish(const Int8Finish& args, int threads) {
  const int64_t M = args.M;
#pragma omp parallel for num_threads(threads) schedule(static) if (args.N * M > 8192)
  for (int64_t n = 0; n < args.N; ++n) {
    const float row_scale = args.row_scales[n];
    const int32_t* sums = args.sums + n * M;
    X* y = static_cast<X*>(args.y) + n * M;
    for (int64_t m = 0; m < M; m += W) {
      const int64_t left = M - m;
      const I exact = load_integers(sums + m, left) - load_integers(args.offsets + m, left);
      F value = __builtin_convertvector(exact, F) * (load(args.column_scales + m, left) * row_scale);
      if (args.bias != nullptr) value += load(args.bias + m, left);
      store(y + m, Function::value(value), left);
    }
  }
}

template <class X>
void finish(const Int8Finish& args, int threads) {
  switch (args.activation) {
    case NB_ACTIVATION_GELU: return finish<X, typename GeluFor<X>::Function>(args, threads);
    case NB_ACTIVATION_TANH: return finish<X, Tanh>(args, threads);
    case NB_ACTIVATION_RELU: return finish<X, Relu>(args, threads);
    default: return finish<X, Identity>(args, threads);
  }
}

}  // namespace

void quantize_rows(Type type, const void* x, uint8_t* q, float* scales, int64_t N, int64_t K, int threads) {
  if (type == Type::bf16) quantize((const bf16*)x, q, scales, N, K, threads);
  else quantize((const float*)x, q, scales, N, K, threads);
}

void quantize_weight(const float* w, int8_t* q, float* scales, int32_t* offsets, int64_t M, int64_t K, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (M * K > 16384)
  for (int64_t m = 0; m < M; ++m) {
    const Steps steps = steps_of_row(w + m * K, K);
    scales[m] = steps.scale;
    offsets[m] = 128 * quantize_row<0, true>(w + m * K, K, steps.inverse, reinterpret_cast<uint8_t*>(q) + m * K);
  }
}

void int8_gemm(const uint8_t* a, const int8_t* b, int32_t* c, int64_t N, int64_t M, int64_t K, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (N * M * K > 32768)
  for (int64_t m = 0; m < M; ++m) {
    for (int64_t n = 0; n < N; ++n) {
      int32_t sum = 0;
      for (int64_t k = 0; k < K; ++k) sum += static_cast<int16_t>(a[n * K + k]) * static_cast<int16_t>(b[m * K + k]);
      c[n * M + m] = sum;
    }
  }
}

void int8_finish(Type type, const Int8Finish& args, int threads) {
  type == Type::bf16 ? finish<bf16>(args, threads) : finish<float>(args, threads);
}

}  // namespace node_bert::cpu::NB_KERNELS
