// Matrix products by oneDNN: primitives cached by shape, one scratchpad, plain row-major operands (a transposed one is a view).
// Weights that stay what they are between calls are re-laid once into oneDNN's own layout: 1.02 to 1.1 times the rate at 1024 rows,
// 1.2 to 1.35 at 128, 1.6 to 1.9 at 16 (benchmarks/kernels; Zen 4, f32 and bf16). In training it would not pay at 1024 rows.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <memory>

#include "kernels.h"
#include "packed_weights.h"

namespace node_bert::cpu {

// c (M,N) = [c +] op(a) (M,K) op(b) (K,N) [+ bias (N)]
struct GemmCall {
  int64_t M, N, K;
  const void* a;  // (M,K), or (K,M) when a_transposed
  const void* b;  // (K,N), or (N,K) when b_transposed
  void* c;
  const float* bias = nullptr;
  bool a_transposed = false, b_transposed = false, accumulate = false;
  bool c_is_f32 = false;       // with bf16 operands
  bool b_is_f32 = false;       // to be rounded to bf16, the type of a
  bool b_is_constant = false;  // b, transposed, keeps its values between calls: from the second on it is re-laid, with equal results
};

class Gemm {
 public:
  Gemm(const Kernels& kernels, int threads);
  ~Gemm();

  // Throws dnnl::error or Failure.
  void run(Type type, const GemmCall& call);

  // w (N,K) in 8 bits, quantized at first use. Throws as run() does.
  const PackedWeight& quantized(const float* w, int64_t N, int64_t K);
  // c (M,N) = a (M,K) b^T; not for weights in panels
  void run_int8(int64_t M, const uint8_t* a, const PackedWeight& b, int32_t* c);

  // To be called for all memory that is written to or given back.
  void forget(const void* memory, size_t bytes) { packed_.forget(memory, bytes); }

  bool native_bf16() const;  // false: operands are converted to f32 first
  bool native_int8() const;  // false: a loop of ours multiplies
  bool panels_int8() const;  // true: quantized weights are in the panels of our own product (kernels/int8_vnni.cc)

 private:
  struct Library;
  // b as it is, or rounded in scratch memory where it has to be.
  const void* operand_b(const GemmCall& call);
  void run_library(Type type, const GemmCall& call);
  void execute(PackedKind kind, const GemmCall& call);
  void run_bf16_through_f32(const GemmCall& call);

  const Kernels& kernels_;
  const int threads_;
  std::unique_ptr<Library> library_;
  PackedWeights packed_;
};

}  // namespace node_bert::cpu
