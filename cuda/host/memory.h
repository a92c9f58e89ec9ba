// Device memory. Tensors come from CUDA's stream-ordered pool, which keeps what is freed; above it the core's caching allocator reuses blocks
// in stream order, so that in steady state neither is asked. Scratch is one buffer that grows: ops run one after another on one stream.
#ifndef NODE_BERT_CUDA_MEMORY_H
#define NODE_BERT_CUDA_MEMORY_H

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

namespace node_bert::cuda {

class Pool {
 public:
  explicit Pool(int device);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Callable from any thread, also while another captures a graph. When the device is full the pool's cache is freed and the allocation tried
  // once more. @throws Failure that says how much was asked for, used and free
  void* allocate(size_t bytes);
  // The device must be done with the block.
  void release(void* data);
  // The most bytes that were ever in use at a time, of all who use the device's default pool in this process; 0 when the driver cannot tell.
  uint64_t most_used() const;

 private:
  cudaMemPool_t pool_ = nullptr;
  cudaStream_t stream_ = nullptr;  // of its own: never captured, never waits for compute
};

class Scratch {
 public:
  explicit Scratch(Pool& pool) : pool_(pool) {}
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  bool holds(size_t bytes) const { return bytes <= bytes_; }
  // Replaces the buffer by a larger one. The stream that uses it must be idle.
  void grow(size_t bytes);
  void* data() const { return data_; }

 private:
  Pool& pool_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_MEMORY_H
