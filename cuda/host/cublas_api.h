// The part of cuBLASLt's C interface that this backend uses, declared here so that building it needs no cuBLAS headers and loading it no
// cuBLAS. Names, types and numbers are those of cublasLt.h (CUDA 13); cublas_emulated/ offers the same symbols.
//
// cuBLASLt is column-major; gemm.cc turns our row-major products round. Only combinations that NVIDIA documents are used:
//   f32 x f32 -> f32        compute 32F, or 32F_FAST_TF32 when asked for
//   bf16 x bf16 -> bf16, f32    compute 32F
//   f16 x f16 -> f16, f32       compute 32F
// always with host pointers to float alpha and beta, C = D, beta 0 or 1, and the default epilogue.
#ifndef NODE_BERT_CUDA_CUBLAS_API_H
#define NODE_BERT_CUDA_CUBLAS_API_H

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <stdint.h>

namespace node_bert::cuda {

using CublasHandle = void*;      // cublasLtHandle_t
using CublasDescription = void*; // cublasLtMatmulDesc_t
using CublasLayout = void*;      // cublasLtMatrixLayout_t
using CublasPreference = void*;  // cublasLtMatmulPreference_t

struct CublasAlgorithm {  // cublasLtMatmulAlgo_t
  uint64_t data[8];
};

struct CublasHeuristic {  // cublasLtMatmulHeuristicResult_t
  CublasAlgorithm algorithm;
  size_t workspace_bytes;
  int status;  // 0: usable
  float waves;
  int reserved[4];
};

enum CublasConstant : int {
  CUBLAS_STATUS_OK = 0,
  CUBLAS_STATUS_NOT_INITIALIZED_ = 1,
  CUBLAS_STATUS_ALLOC_FAILED_ = 3,
  // cudaDataType
  CUBLAS_R_32F = 0,
  CUBLAS_R_16F = 2,
  CUBLAS_R_16BF = 14,
  // cublasComputeType_t
  CUBLAS_COMPUTE_32F_ = 68,
  CUBLAS_COMPUTE_32F_FAST_TF32_ = 77,
  // cublasLtMatmulDescAttributes_t, each an int32_t holding a cublasOperation_t
  CUBLASLT_DESC_TRANSA = 3,
  CUBLASLT_DESC_TRANSB = 4,
  CUBLAS_OPERATION_N = 0,
  CUBLAS_OPERATION_T = 1,
  // cublasLtMatmulPreferenceAttributes_t: a uint64_t, then four uint32_t
  CUBLASLT_PREFERENCE_MAX_WORKSPACE_BYTES = 1,
  CUBLASLT_PREFERENCE_MIN_ALIGNMENT_A_BYTES = 5,  // B, C and D follow
};

// X(member, symbol, return type, argument types)
#define NODE_BERT_CUBLAS_SYMBOLS(X)                                                                                                       \
  X(get_version, cublasLtGetVersion, size_t, (void))                                                                                      \
  X(create, cublasLtCreate, int, (CublasHandle*))                                                                                         \
  X(destroy, cublasLtDestroy, int, (CublasHandle))                                                                                        \
  X(description_create, cublasLtMatmulDescCreate, int, (CublasDescription*, int compute_type, int scale_type))                            \
  X(description_set, cublasLtMatmulDescSetAttribute, int, (CublasDescription, int attribute, const void* value, size_t bytes))            \
  X(description_destroy, cublasLtMatmulDescDestroy, int, (CublasDescription))                                                             \
  X(layout_create, cublasLtMatrixLayoutCreate, int, (CublasLayout*, int type, uint64_t rows, uint64_t columns, int64_t leading))          \
  X(layout_destroy, cublasLtMatrixLayoutDestroy, int, (CublasLayout))                                                                     \
  X(preference_create, cublasLtMatmulPreferenceCreate, int, (CublasPreference*))                                                          \
  X(preference_set, cublasLtMatmulPreferenceSetAttribute, int, (CublasPreference, int attribute, const void* value, size_t bytes))        \
  X(preference_destroy, cublasLtMatmulPreferenceDestroy, int, (CublasPreference))                                                         \
  X(heuristic, cublasLtMatmulAlgoGetHeuristic, int,                                                                                       \
    (CublasHandle, CublasDescription, CublasLayout a, CublasLayout b, CublasLayout c, CublasLayout d, CublasPreference, int requested,    \
     CublasHeuristic * results, int* returned))                                                                                           \
  X(matmul, cublasLtMatmul, int,                                                                                                          \
    (CublasHandle, CublasDescription, const void* alpha, const void* a, CublasLayout, const void* b, CublasLayout, const void* beta,      \
     const void* c, CublasLayout, void* d, CublasLayout, const CublasAlgorithm*, void* workspace, size_t workspace_bytes, cudaStream_t))

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_CUBLAS_API_H
