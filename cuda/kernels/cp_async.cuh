// Copies from global to shared memory that run beside the computation.
//
// A thread starts copies, closes them into a group with commit, and waits until at most `PENDING` of its own groups are unfinished. A wait covers the
// thread's own copies only: other threads may read them after a barrier that follows the wait.
//
// sm_75 has no such copies: there they are loads and stores in place, and commit and wait do nothing.
#pragma once

#include "mma.cuh"

namespace node_bert::cuda {

// 16 bytes, or 16 zero bytes when not `valid`; both addresses are multiples of 16. `global` is not read unless valid.
__device__ __forceinline__ void copy_async_16(void* shared, const void* global, bool valid) {
#if __CUDA_ARCH__ >= 800
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(bytes) : "memory");
#else
  *static_cast<uint4*>(shared) = valid ? *static_cast<const uint4*>(global) : uint4{0, 0, 0, 0};
#endif
}

// The same with 4 bytes.
__device__ __forceinline__ void copy_async_4(void* shared, const void* global, bool valid) {
#if __CUDA_ARCH__ >= 800
  const int bytes = valid ? 4 : 0;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(bytes) : "memory");
#else
  *static_cast<uint32_t*>(shared) = valid ? *static_cast<const uint32_t*>(global) : 0u;
#endif
}

__device__ __forceinline__ void copy_async_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

template <int PENDING>
__device__ __forceinline__ void copy_async_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
#endif
}

}  // namespace node_bert::cuda
