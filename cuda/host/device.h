// One GPU as the backend uses it: a compute stream, memory, transfers, GEMMs and what the ops of one call need.
#ifndef NODE_BERT_CUDA_DEVICE_H
#define NODE_BERT_CUDA_DEVICE_H

#include <cuda_runtime_api.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "host/downloads.h"
#include "host/gemm.h"
#include "host/index_errors.h"
#include "host/memory.h"
#include "host/step_graph.h"
#include "host/uploads.h"
#include "kernels/launch.h"
#include "node_bert/backend.h"

namespace node_bert::cuda {

// Owned by the device, outlives whatever uses it.
struct Stream {
  Stream();
  ~Stream();
  cudaStream_t handle = nullptr;
};

}  // namespace node_bert::cuda

// The ABI's opaque device.
struct nb_device {
  explicit nb_device(int32_t index);
  ~nb_device();
  nb_device(const nb_device&) = delete;
  nb_device& operator=(const nb_device&) = delete;

  void upload(void* target, const void* host, size_t bytes);
  void download(void* host, const void* source, size_t bytes);
  void run(const nb_call& call);
  uint64_t record();
  // On any one thread, while others run ops.
  void wait(uint64_t mark) { downloads_->wait(mark); }
  const char* describe();

  // What an op's launchers get; index errors are noted under the op's name.
  node_bert::cuda::Launch launch(const nb_call& call);
  // Scratch memory for the op that runs now, aligned to 256 bytes; nullptr for 0 bytes.
  void* scratch(size_t bytes);
  node_bert::cuda::Gemm& gemm() { return *gemm_; }

  const int32_t index;
  cudaDeviceProp properties{};

 private:
  void launch_call(const nb_call& call);

  node_bert::cuda::Stream compute_;
  std::unique_ptr<node_bert::cuda::Pool> pool_;

 public:
  node_bert::cuda::Pool& pool() { return *pool_; }

 private:
  std::unique_ptr<node_bert::cuda::Uploads> uploads_;
  std::unique_ptr<node_bert::cuda::Scratch> scratch_;
  std::unique_ptr<node_bert::cuda::IndexErrors> index_errors_;
  std::unique_ptr<node_bert::cuda::Downloads> downloads_;
  std::unique_ptr<node_bert::cuda::Gemm> gemm_;
  std::unique_ptr<node_bert::cuda::StepGraph> graph_;
  bool wait_after_each_op_ = false;
  std::atomic<uint64_t> uploaded_bytes_ = 0, downloaded_bytes_ = 0;
  std::string description_;
};

#endif  // NODE_BERT_CUDA_DEVICE_H
