#include "host/memory.h"

#include <cstdint>

#include "host/failure.h"

namespace node_bert::cuda {
namespace {

constexpr size_t SMALLEST_SCRATCH = size_t{1} << 20;

}  // namespace

Pool::Pool(int device) {
  check(cudaDeviceGetDefaultMemPool(&pool_, device), "finding the memory pool");
  uint64_t keep_all = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep_all), "setting up the memory pool");
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating the memory stream");
}

Pool::~Pool() {
  cudaStreamSynchronize(stream_);
  cudaStreamDestroy(stream_);
  cudaMemPoolTrimTo(pool_, 0);
}

void* Pool::allocate(size_t bytes) {
  void* data = nullptr;
  cudaError_t code = cudaMallocAsync(&data, bytes, stream_);
  if (code == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    check(cudaStreamSynchronize(stream_), "waiting for freed memory");
    check(cudaMemPoolTrimTo(pool_, 0), "freeing the memory pool's cache");
    code = cudaMallocAsync(&data, bytes, stream_);
  }
  if (code == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw Failure{NB_ERROR_OUT_OF_MEMORY, "the device is out of memory: " + mebibytes(bytes) + " asked for, " + mebibytes(total - free) + " of " +
                                              mebibytes(total) + " used, " + mebibytes(free) + " free"};
  }
  check(code, "allocating device memory");
  // From here on the block is usable in every stream.
  code = cudaStreamSynchronize(stream_);
  if (code != cudaSuccess) cudaFreeAsync(data, stream_);
  check(code, "allocating device memory");
  return data;
}

void Pool::release(void* data) {
  if (data != nullptr) cudaFreeAsync(data, stream_);
}

uint64_t Pool::most_used() const {
  uint64_t bytes = 0;
  return cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemHigh, &bytes) == cudaSuccess ? bytes : 0;
}

Scratch::~Scratch() { pool_.release(data_); }

void Scratch::grow(size_t bytes) {
  size_t wanted = SMALLEST_SCRATCH;
  while (wanted < bytes) wanted *= 2;
  pool_.release(data_);
  data_ = nullptr;
  bytes_ = 0;
  data_ = pool_.allocate(wanted);
  bytes_ = wanted;
}

}  // namespace node_bert::cuda
