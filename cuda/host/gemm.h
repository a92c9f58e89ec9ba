// Matrix products, row-major: C (m, n) = op(A) op(B) + beta C, with op a transposition or not. By cuBLASLt when it can be loaded, else by our own
// kernel (kernels/gemm.cu).
#ifndef NODE_BERT_CUDA_GEMM_H
#define NODE_BERT_CUDA_GEMM_H

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "host/cublas_library.h"
#include "kernels/launch.h"

struct nb_device;

namespace node_bert::cuda {

struct Product {
  int64_t m, n, k;
  bool transpose_a;  // A is stored (k, m) and not (m, k)
  bool transpose_b;  // B is stored (n, k) and not (k, n)
  bool accumulate;   // beta = 1
  DType inputs;      // of A and B
  DType output;      // of C: f32 or as the inputs

  auto operator<=>(const Product&) const = default;
};

class Gemm {
 public:
  explicit Gemm(nb_device& device);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  // Looks for cuBLAS, once. Not while a graph is captured.
  void prepare();
  // Scratch that run() uses at most; the op asks for it together with its own.
  size_t workspace_bytes();
  void run(const Launch& launch, const Product& product, const void* a, const void* b, void* c, void* workspace);
  // "cuBLAS 13.0.2 from …" or "own kernel: …" with the places tried.
  std::string describe() const;

 private:
  struct Key {
    Product product;
    uint32_t alignment_a, alignment_b, alignment_c;  // bytes
    auto operator<=>(const Key&) const = default;
  };
  struct Plan;  // cuBLASLt's descriptions and algorithm for a product
  // nullptr when cuBLASLt has no algorithm for it.
  const Plan* plan_of(const Key& key);

  nb_device& device_;
  bool prepared_ = false;
  bool tf32_ = false;
  std::unique_ptr<CublasLibrary> library_;
  CublasHandle handle_ = nullptr;
  std::map<Key, std::unique_ptr<Plan>> plans_;
  mutable std::mutex text_mutex_;
  std::string text_;
};

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_GEMM_H
