#include "host/uploads.h"

#include <algorithm>
#include <cstring>

#include "host/failure.h"

namespace node_bert::cuda {
namespace {

constexpr size_t SLOT_BYTES = size_t{1} << 20;

}  // namespace

Uploads::Uploads(Pool& pool, cudaStream_t compute) : pool_(pool), compute_(compute) {
  try {
    check(cudaStreamCreateWithFlags(&copy_, cudaStreamNonBlocking), "creating the copy stream");
    for (Slot& slot : slots_) {
      check(cudaMallocHost(reinterpret_cast<void**>(&slot.pinned), SLOT_BYTES), "allocating pinned memory");
      slot.device = static_cast<char*>(pool_.allocate(SLOT_BYTES));
      check(cudaEventCreateWithFlags(&slot.crossed, cudaEventDisableTiming), "creating an event");
      check(cudaEventCreateWithFlags(&slot.consumed, cudaEventDisableTiming), "creating an event");
    }
  } catch (...) {
    destroy();
    throw;
  }
}

Uploads::~Uploads() { destroy(); }

void Uploads::destroy() {
  if (copy_ != nullptr) cudaStreamSynchronize(copy_);
  for (Slot& slot : slots_) {
    if (slot.crossed != nullptr) cudaEventDestroy(slot.crossed);
    if (slot.consumed != nullptr) cudaEventDestroy(slot.consumed);
    pool_.release(slot.device);
    if (slot.pinned != nullptr) cudaFreeHost(slot.pinned);
  }
  if (copy_ != nullptr) cudaStreamDestroy(copy_);
}

void Uploads::enqueue(void* target, const void* host, size_t bytes) {
  for (size_t done = 0; done < bytes; done += SLOT_BYTES) {
    const size_t now = std::min(SLOT_BYTES, bytes - done);
    Slot& slot = slots_[next_];
    next_ = (next_ + 1) % slots_.size();
    check(cudaEventSynchronize(slot.consumed), "waiting for an upload slot");
    std::memcpy(slot.pinned, static_cast<const char*>(host) + done, now);
    check(cudaMemcpyAsync(slot.device, slot.pinned, now, cudaMemcpyHostToDevice, copy_), "an upload");
    check(cudaEventRecord(slot.crossed, copy_), "an upload");
    check(cudaStreamWaitEvent(compute_, slot.crossed, 0), "an upload");
    check(cudaMemcpyAsync(static_cast<char*>(target) + done, slot.device, now, cudaMemcpyDeviceToDevice, compute_), "an upload");
    check(cudaEventRecord(slot.consumed, compute_), "an upload");
  }
}

}  // namespace node_bert::cuda
