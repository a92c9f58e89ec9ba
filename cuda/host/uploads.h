// Copies from the host to the device through pinned memory.
//
// An upload copies the caller's bytes into pinned memory and returns. They cross the bus on a copy stream of its own, so while the device computes;
// only the last hop, from a block's device half to the tensor, waits its turn on the compute stream. So the target may be memory that earlier ops still
// read. Uploads fill a block one after another; blocks are used in turn, and by the time one's turn comes again it has long been consumed: batches are
// some kilobytes, and nobody waits for the device.
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
  struct Block {
    char* pinned = nullptr;
    char* device = nullptr;
    cudaEvent_t crossed = nullptr;   // the last bytes are in the device half
    cudaEvent_t consumed = nullptr;  // and in the tensor
  };
  void destroy();
  // A block with `bytes` free from used_ on, which is a multiple of 16.
  Block& room_for(size_t bytes);

  Pool& pool_;
  cudaStream_t compute_;
  cudaStream_t copy_ = nullptr;
  std::array<Block, 4> blocks_;
  size_t current_ = 0;
  size_t used_ = 0;  // bytes of the current block
};

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_UPLOADS_H
