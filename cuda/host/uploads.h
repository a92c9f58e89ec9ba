// Copies from the host to the device through pinned memory.
//
// An upload copies the caller's bytes into a pinned slot and returns. The slot crosses the bus on a copy stream of its own, so while the device
// computes; only the last hop, from the slot's device half to the tensor, waits its turn on the compute stream. So the target may be memory that
// earlier ops still read.
#ifndef NODE_BERT_CUDA_UPLOADS_H
#define NODE_BERT_CUDA_UPLOADS_H

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>

#include "host/memory.h"

namespace node_bert::cuda {

class Uploads {
 public:
  Uploads(Pool& pool, cudaStream_t compute);
  ~Uploads();
  Uploads(const Uploads&) = delete;
  Uploads& operator=(const Uploads&) = delete;

  void enqueue(void* target, const void* host, size_t bytes);

 private:
  struct Slot {
    char* pinned = nullptr;
    char* device = nullptr;
    cudaEvent_t crossed = nullptr;   // the bytes are in the device half
    cudaEvent_t consumed = nullptr;  // and in the tensor: the slot is free
  };
  void destroy();

  Pool& pool_;
  cudaStream_t compute_;
  cudaStream_t copy_ = nullptr;
  std::array<Slot, 4> slots_;
  size_t next_ = 0;
};

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_UPLOADS_H
