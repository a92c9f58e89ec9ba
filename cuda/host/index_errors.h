// Index errors found by kernels. Each op that reads indices has an int in device memory, where its kernels note the first bad kind; the host looks
// at all of them when it waits anyway, so that checking costs no synchronisation.
#ifndef NODE_BERT_CUDA_INDEX_ERRORS_H
#define NODE_BERT_CUDA_INDEX_ERRORS_H

#include <cuda_runtime_api.h>

#include <array>

#include "host/memory.h"
#include "node_bert/backend.h"

namespace node_bert::cuda {

class IndexErrors {
 public:
  IndexErrors(Pool& pool, cudaStream_t stream);
  ~IndexErrors();
  IndexErrors(const IndexErrors&) = delete;
  IndexErrors& operator=(const IndexErrors&) = delete;

  // Where the kernels of this call note an error.
  int* flag_of(const nb_call& call);
  // Enqueues reading the flags, to be followed by a wait for the stream; nothing when no op had a flag since the last check.
  void fetch();
  // After the wait. @throws Failure naming op and argument, and clears the flags
  void report();

 private:
  static constexpr int OPS = 64;
  Pool& pool_;
  cudaStream_t stream_;
  int* flags_ = nullptr;   // (OPS) device
  int* landing_ = nullptr; // (OPS) pinned
  bool used_ = false, fetched_ = false;
  std::array<int64_t, OPS> limits_[7];  // by IndexError: how many values are allowed, of the op's last call
};

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_INDEX_ERRORS_H
