// Copies from the device to the host, and marks: points of the compute stream that another thread can wait for while more is enqueued. What was
// downloaded, and index errors that kernels noted, are looked at when the mark that follows is waited for. So reading a loss stops nothing.
#ifndef NODE_BERT_CUDA_DOWNLOADS_H
#define NODE_BERT_CUDA_DOWNLOADS_H

#include <cuda_runtime_api.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "host/index_errors.h"

namespace node_bert::cuda {

class Downloads {
 public:
  Downloads(IndexErrors& index_errors, cudaStream_t compute);
  ~Downloads();
  Downloads(const Downloads&) = delete;
  Downloads& operator=(const Downloads&) = delete;

  // On the device's thread. A long one waits for the stream.
  void enqueue(void* host, const void* source, size_t bytes);
  uint64_t record();
  // On any one thread. @throws Failure for what failed before the mark, index errors included
  void wait(uint64_t mark);
  // How often a thread waited.
  uint64_t waits() const { return waits_; }

 private:
  struct Landing {
    char* pinned;
    void* host;
    size_t bytes;
  };
  struct Mark {
    cudaEvent_t event = nullptr;
    int* flags = nullptr;  // pinned, of index errors
    bool has_flags = false;
    std::vector<Landing> landings;
  };
  static constexpr size_t MARKS = 64;  // at most so many are outstanding: the ABI says so
  void destroy();
  char* take_buffer();

  IndexErrors& index_errors_;
  cudaStream_t compute_;
  std::array<Mark, MARKS> marks_;
  uint64_t recorded_ = 0;
  std::vector<Landing> pending_;  // since the last mark
  std::mutex buffers_mutex_;
  std::vector<char*> buffers_;  // pinned, free
  std::atomic<uint64_t> waits_ = 0;
};

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_DOWNLOADS_H
