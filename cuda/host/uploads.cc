#include "host/uploads.h"

#include <algorithm>
#include <cstring>

#include "host/failure.h"

namespace node_bert::cuda {
namespace {

constexpr size_t BLOCK_BYTES = size_t{1} << 20;

}  // namespace

Uploads::Uploads(Pool& pool, cudaStream_t compute) : pool_(pool), compute_(compute) {
  try {
    check(cudaStreamCreateWithFlags(&copy_, cudaStreamNonBlocking), "creating the copy stream");
    for (Block& block : blocks_) {
      check(cudaMallocHost(reinterpret_cast<void**>(&block.pinned), BLOCK_BYTES), "allocating pinned memory");
      block.device = static_cast<char*>(pool_.allocate(BLOCK_BYTES));
      check(cudaEventCreateWithFlags(&block.crossed, cudaEventDisableTiming), "creating an event");
      check(cudaEventCreateWithFlags(&block.consumed, cudaEventDisableTiming), "creating an event");
    }
  } catch (...) {
    destroy();
    throw;
  }
}

Uploads::~Uploads() { destroy(); }

void Uploads::destroy() {
  if (copy_ != nullptr) cudaStreamSynchronize(copy_);
  for (Block& block : blocks_) {
    if (block.crossed != nullptr) cudaEventDestroy(block.crossed);
    if (block.consumed != nullptr) cudaEventDestroy(block.consumed);
    pool_.release(block.device);
    if (block.pinned != nullptr) cudaFreeHost(block.pinned);
  }
  if (copy_ != nullptr) cudaStreamDestroy(copy_);
}

Uploads::Block& Uploads::room_for(size_t bytes) {
  used_ = (used_ + 15) / 16 * 16;
  if (used_ + bytes > BLOCK_BYTES) {
    current_ = (current_ + 1) % blocks_.size();
    used_ = 0;
    const cudaEvent_t consumed = blocks_[current_].consumed;
    cudaError_t code = cudaEventQuery(consumed);
    if (code == cudaErrorNotReady) {
      cudaGetLastError();
      code = cudaEventSynchronize(consumed);
    }
    check(code, "waiting for an earlier upload");
  }
  return blocks_[current_];
}

void Uploads::enqueue(void* target, const void* host, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    const size_t now = std::min(BLOCK_BYTES, bytes - done);
    Block& block = room_for(now);
    char *pinned = block.pinned + used_, *device = block.device + used_;
    std::memcpy(pinned, static_cast<const char*>(host) + done, now);
    check(cudaMemcpyAsync(device, pinned, now, cudaMemcpyHostToDevice, copy_), "an upload");
    check(cudaEventRecord(block.crossed, copy_), "an upload");
    check(cudaStreamWaitEvent(compute_, block.crossed, 0), "an upload");
    check(cudaMemcpyAsync(static_cast<char*>(target) + done, device, now, cudaMemcpyDeviceToDevice, compute_), "an upload");
    check(cudaEventRecord(block.consumed, compute_), "an upload");
    used_ += now;
    done += now;
  }
}

}  // namespace node_bert::cuda
