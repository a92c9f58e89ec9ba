// What the emulator offers to a stand-in library that is loaded beside it (cublas_emulated): work in stream order, on device memory.
//
// The emulator defines services(). Whatever it is linked into exports it as node_bert_cuda_emulator_services() (host/entry.cc does), and the stand-in
// looks for that name among what is loaded, as the real cuBLAS finds the driver.
#ifndef NODE_BERT_CUDA_EMULATOR_SERVICES_H
#define NODE_BERT_CUDA_EMULATOR_SERVICES_H

#include <cuda_runtime_api.h>
#include <stddef.h>

namespace node_bert::cuda::emulator {

struct Services {
  // Adds an operation to the stream, or a node to the graph being captured on it. When its turn comes, work is called with a copy of the `bytes` at
  // data: once, or once a launch of the graph. `what` names the operation in messages and is copied.
  cudaError_t (*enqueue)(cudaStream_t stream, const char* what, void (*work)(const void* data), const void* data, size_t bytes);

  // Only inside work: device memory as the host can touch it, after the checks that a kernel's access gets (bounds, races; for read also
  // initialisation). Null when a check failed: the operation has failed then, with the emulator's message, and work returns.
  const void* (*read)(const void* device, size_t bytes);
  void* (*write)(void* device, size_t bytes);
};

const Services* services();

}  // namespace node_bert::cuda::emulator

extern "C" __attribute__((visibility("default"))) const node_bert::cuda::emulator::Services* node_bert_cuda_emulator_services(void);

#endif  // NODE_BERT_CUDA_EMULATOR_SERVICES_H
