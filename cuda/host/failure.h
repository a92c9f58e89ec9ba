// Failures travel as exceptions inside the host code; backend.cc turns them into a status and a message at the ABI's edge.
#ifndef NODE_BERT_CUDA_FAILURE_H
#define NODE_BERT_CUDA_FAILURE_H

#include <cuda_runtime_api.h>

#include <string>

#include "node_bert/backend.h"

namespace node_bert::cuda {

struct Failure {
  nb_status status;
  std::string message;
};

// Throws when a call of the runtime failed. `doing` completes "… failed".
inline void check(cudaError_t code, const char* doing) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // or the next launch would report it once more
  const nb_status status = code == cudaErrorMemoryAllocation ? NB_ERROR_OUT_OF_MEMORY : NB_ERROR_DEVICE;
  throw Failure{status, std::string(doing) + " failed: " + cudaGetErrorName(code) + ", " + cudaGetErrorString(code)};
}

inline std::string mebibytes(size_t bytes) { return std::to_string((bytes + (size_t{1} << 20) - 1) >> 20) + " MiB"; }

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_FAILURE_H
