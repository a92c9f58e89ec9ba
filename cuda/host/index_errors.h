// Index errors found by kernels. Each op that reads indices has an int in device memory, where its kernels note the first bad kind; the host looks
// at all of them when it waits anyway, so that checking costs no synchronisation.
#ifndef NODE_BERT_CUDA_INDEX_ERRORS_H
#define NODE_BERT_CUDA_INDEX_ERRORS_H

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "host/memory.h"
#include "node_bert/backend.h"

namespace node_bert::cuda {

class IndexErrors {
 public:
  static constexpr size_t BYTES = 64 * sizeof(int);

  IndexErrors(Pool& pool, cudaStream_t stream);
  ~IndexErrors();
  IndexErrors(const IndexErrors&) = delete;
  IndexErrors& operator=(const IndexErrors&) = delete;

  // Where the kernels of this call note an error.
  int* flag_of(const nb_call& call);
  // Enqueues copying the flags to pinned memory and clearing them; false, and nothing, when no op had a flag since the last time.
  bool fetch(int* landing);
  // Once they are there, on any thread. @throws Failure naming op and argument when one is set
  void report(const int* landing) const;

 private:
  static constexpr int OPS = BYTES / sizeof(int);
  Pool& pool_;
  cudaStream_t stream_;
  int* flags_ = nullptr;  // (OPS) device
  bool used_ = false;
  std::atomic<int64_t> limits_[7][OPS] = {};  // by IndexError: how many values are allowed, of the op's last call
};

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_INDEX_ERRORS_H
