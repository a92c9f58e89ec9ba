// What a check throws. Whoever runs the operation adds where: kernel, source line, PTX line, block, thread.
#ifndef NODE_BERT_CUDA_EMULATOR_MEMORY_FAULT_H
#define NODE_BERT_CUDA_EMULATOR_MEMORY_FAULT_H

#include <cuda_runtime_api.h>

#include <string>

namespace node_bert::cuda::emulator {

struct Fault {
  cudaError_t code;
  std::string what;
  int lane = -1;  // of the warp that ran, when one is to blame
};

// printf into a string.
std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

}  // namespace node_bert::cuda::emulator
#endif
