// What host/cublas_api.h says of cuBLASLt, against the real library: numbers and sizes against its header when this is compiled, symbols when it runs with
// the library's path. scripts/cuda/check-cublas.mjs does both.
#include <cublasLt.h>
#include <dlfcn.h>

#include <cstdio>

#include "host/cublas_api.h"

namespace nb = node_bert::cuda;

static_assert(sizeof(nb::CublasAlgorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(nb::CublasHeuristic) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(nb::CublasHeuristic, workspace_bytes) == offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(nb::CublasHeuristic, status) == offsetof(cublasLtMatmulHeuristicResult_t, state));
static_assert(sizeof(nb::CublasHandle) == sizeof(cublasLtHandle_t) && sizeof(cublasOperation_t) == sizeof(int32_t));
static_assert(int(nb::CUBLAS_STATUS_OK) == CUBLAS_STATUS_SUCCESS && int(nb::CUBLAS_STATUS_NOT_INITIALIZED_) == CUBLAS_STATUS_NOT_INITIALIZED);
static_assert(int(nb::CUBLAS_STATUS_ALLOC_FAILED_) == CUBLAS_STATUS_ALLOC_FAILED);
static_assert(int(nb::CUBLAS_R_32F) == CUDA_R_32F && int(nb::CUBLAS_R_16F) == CUDA_R_16F && int(nb::CUBLAS_R_16BF) == CUDA_R_16BF);
static_assert(int(nb::CUBLAS_COMPUTE_32F_) == CUBLAS_COMPUTE_32F && int(nb::CUBLAS_COMPUTE_32F_FAST_TF32_) == CUBLAS_COMPUTE_32F_FAST_TF32);
static_assert(int(nb::CUBLASLT_DESC_TRANSA) == CUBLASLT_MATMUL_DESC_TRANSA && int(nb::CUBLASLT_DESC_TRANSB) == CUBLASLT_MATMUL_DESC_TRANSB);
static_assert(int(nb::CUBLAS_OPERATION_N) == CUBLAS_OP_N && int(nb::CUBLAS_OPERATION_T) == CUBLAS_OP_T);
static_assert(int(nb::CUBLASLT_PREFERENCE_MAX_WORKSPACE_BYTES) == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
static_assert(int(nb::CUBLASLT_PREFERENCE_MIN_ALIGNMENT_A_BYTES) == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
static_assert(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + 3);

int main(int, char** arguments) {
  void* library = dlopen(arguments[1], RTLD_LAZY);
  if (library == nullptr) return std::fprintf(stderr, "%s\n", dlerror()), 1;
  int missing = 0, found = 0;
#define NODE_BERT_CHECK(member, symbol, result, parameters) \
  if (dlsym(library, #symbol) != nullptr) ++found;          \
  else ++missing, std::fprintf(stderr, "%s: no " #symbol "\n", arguments[1]);
  NODE_BERT_CUBLAS_SYMBOLS(NODE_BERT_CHECK)
  std::printf("%d symbols found, %d missing\n", found, missing);
  return missing == 0 ? 0 : 1;
}
