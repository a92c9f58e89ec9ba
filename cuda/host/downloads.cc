#include "host/downloads.h"

#include <algorithm>
#include <cstring>

#include "host/failure.h"

namespace node_bert::cuda {
namespace {

constexpr size_t BUFFER_BYTES = size_t{1} << 18;

}  // namespace

Downloads::Downloads(IndexErrors& index_errors, cudaStream_t compute) : index_errors_(index_errors), compute_(compute) {
  try {
    for (Mark& mark : marks_) {
      check(cudaEventCreateWithFlags(&mark.event, cudaEventDisableTiming), "creating an event");
      check(cudaMallocHost(reinterpret_cast<void**>(&mark.flags), IndexErrors::BYTES), "allocating pinned memory");
    }
  } catch (...) {
    destroy();
    throw;
  }
}

Downloads::~Downloads() { destroy(); }

void Downloads::destroy() {
  for (Mark& mark : marks_) {
    if (mark.event != nullptr) cudaEventDestroy(mark.event);
    if (mark.flags != nullptr) cudaFreeHost(mark.flags);
    for (const Landing& landing : mark.landings) cudaFreeHost(landing.pinned);
  }
  for (const Landing& landing : pending_) cudaFreeHost(landing.pinned);
  for (char* buffer : buffers_) cudaFreeHost(buffer);
}

char* Downloads::take_buffer() {
  std::lock_guard lock(buffers_mutex_);
  if (buffers_.empty()) {
    char* made = nullptr;
    check(cudaMallocHost(reinterpret_cast<void**>(&made), BUFFER_BYTES), "allocating pinned memory");
    return made;
  }
  char* buffer = buffers_.back();
  buffers_.pop_back();
  return buffer;
}

void Downloads::enqueue(void* host, const void* source, size_t bytes) {
  for (size_t done = 0; done < bytes; done += BUFFER_BYTES) {
    const size_t now = std::min(BUFFER_BYTES, bytes - done);
    const Landing landing{take_buffer(), static_cast<char*>(host) + done, now};
    pending_.push_back(landing);
    check(cudaMemcpyAsync(landing.pinned, static_cast<const char*>(source) + done, now, cudaMemcpyDeviceToHost, compute_), "a download");
    // Pinned memory stays bounded when all weights are read.
    if (pending_.size() >= 16) wait(record());
  }
}

uint64_t Downloads::record() {
  const uint64_t number = recorded_++;
  Mark& mark = marks_[number % MARKS];
  mark.landings.swap(pending_);
  mark.has_flags = index_errors_.fetch(mark.flags);
  check(cudaEventRecord(mark.event, compute_), "marking the stream");
  return number;
}

void Downloads::wait(uint64_t number) {
  Mark& mark = marks_[number % MARKS];
  ++waits_;
  const cudaError_t code = cudaEventSynchronize(mark.event);
  {
    std::lock_guard lock(buffers_mutex_);
    for (const Landing& landing : mark.landings) {
      if (code == cudaSuccess) std::memcpy(landing.host, landing.pinned, landing.bytes);
      buffers_.push_back(landing.pinned);
    }
    mark.landings.clear();
  }
  check(code, "an op since the last wait (NODE_BERT_CUDA_SYNC=1 waits after each and tells which)");
  if (mark.has_flags) index_errors_.report(mark.flags);
}

}  // namespace node_bert::cuda
