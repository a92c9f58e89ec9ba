// Matrix products by oneDNN: primitives cached by shape, one scratchpad, plain row-major operands (a transposed one is a view).
// Plain weights run at the rate of blocked ones on the shapes of BERT-base (f32 and bf16, AVX-512), so nothing is re-laid.
#pragma once
#include <cstdint>
#include <list>
#include <map>
#include <memory>

#include "kernels.h"

namespace node_bert::cpu {

// c (M,N) = [c +] op(a) (M,K) op(b) (K,N) [+ bias (N)]
struct GemmCall {
  int64_t M, N, K;
  const void* a;  // (M,K), or (K,M) when a_transposed
  const void* b;  // (K,N), or (N,K) when b_transposed
  void* c;
  const float* bias = nullptr;
  bool a_transposed = false, b_transposed = false, accumulate = false;
  bool c_is_f32 = false;  // with bf16 operands
};

class Gemm {
 public:
  Gemm(const Kernels& kernels, int threads);
  ~Gemm();

  // Throws dnnl::error or Failure.
  void run(Type type, const GemmCall& call);

  bool native_bf16() const;  // false: operands are converted to f32 first

 private:
  struct Library;
  void run_library(Type type, const GemmCall& call);
  void run_bf16_through_f32(const GemmCall& call);

  const Kernels& kernels_;
  const int threads_;
  std::unique_ptr<Library> library_;
};

}  // namespace node_bert::cpu
