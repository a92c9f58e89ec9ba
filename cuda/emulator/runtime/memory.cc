// Memory: allocation, copies, fills.
#include <sys/mman.h>

#include <cstring>

#include "emulator/runtime/context.h"

using namespace node_bert::cuda::emulator;

namespace {

uint64_t address_of(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

// From the pool, what it kept is used first: all of the allocation or nothing, as if it were one block.
cudaError_t allocate(Context& context, void** pointer, size_t size, bool from_pool) {
  *pointer = nullptr;
  if (size == 0) return cudaSuccess;
  const uint64_t kept = from_pool && context.pool_kept >= size ? context.pool_kept - size : context.pool_kept;
  if (context.injected(FailingCall::allocation) || context.memory->used() + kept + size > context.total_memory) return remember(cudaErrorMemoryAllocation);
  const uint64_t address = context.memory->allocate(size);
  if (address == 0) return remember(cudaErrorMemoryAllocation);
  context.pool_kept = kept;
  ++context.step.allocations;
  *pointer = reinterpret_cast<void*>(address);
  return cudaSuccess;
}

// Bytes between places on the device, with what was never written staying so.
void copy_on_device(Context& context, uint64_t target, uint64_t source, size_t bytes) {
  DeviceMemory& memory = *context.memory;
  memory.check(source, bytes, "reads");
  if (context.checks) {
    const Accessor who = context.accessor();
    const uint64_t offset = memory.offset(source);
    for (size_t at = 0; at < bytes;) {
      const uint32_t piece = static_cast<uint32_t>(std::min<size_t>(bytes - at, 4 - (offset + at) % 4));
      memory.shadow().access(offset + at, piece, Access::copy_read, who, 0);
      at += piece;
    }
  }
  context.device_write(target, bytes);
  std::memmove(memory.bytes(target), memory.bytes(source), bytes);
  if (!context.checks) return;
  for (size_t at = 0; at < bytes;) {
    const uint32_t piece = static_cast<uint32_t>(std::min<size_t>(bytes - at, 4));
    if (!memory.shadow().initialised(memory.offset(source) + at, piece, context.accessor())) {
      for (uint32_t i = 0; i < piece; ++i) {
        if (!memory.shadow().initialised(memory.offset(source) + at + i, 1, context.accessor())) memory.shadow().set_uninitialised(memory.offset(target) + at + i, 1);
      }
    }
    at += piece;
  }
}

bool on_device(const Context& context, const void* pointer) { return context.memory->contains(address_of(pointer)); }

// Whether the range is wholly inside one live allocation.
bool valid(const Context& context, const void* pointer, size_t bytes) {
  const Allocation* allocation = context.memory->find(address_of(pointer));
  return allocation != nullptr && bytes <= allocation->end() - address_of(pointer);
}

cudaError_t copy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t handle, bool synchronous) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  const bool to_device = on_device(context, target), from_device = on_device(context, source);
  const cudaMemcpyKind actual = to_device ? (from_device ? cudaMemcpyDeviceToDevice : cudaMemcpyHostToDevice) : from_device ? cudaMemcpyDeviceToHost : cudaMemcpyHostToHost;
  if (kind != cudaMemcpyDefault && kind != actual) return remember(cudaErrorInvalidMemcpyDirection);
  if ((to_device && !valid(context, target, bytes)) || (from_device && !valid(context, source, bytes))) {
    context.report = "a copy outside device memory";
    return remember(cudaErrorInvalidValue);
  }
  if (context.injected(FailingCall::copy)) return remember(cudaErrorUnknown);
  ++context.step.copies;
  if (actual == cudaMemcpyHostToDevice) context.step.bytes_to_device += bytes;
  if (actual == cudaMemcpyDeviceToHost) context.step.bytes_to_host += bytes;
  Work work{Work::copy, "a copy of " + std::to_string(bytes) + " bytes", {}};
  const uint64_t device_target = address_of(target), device_source = address_of(source);
  if (actual == cudaMemcpyDeviceToDevice) {
    work.run = [=, &context] { copy_on_device(context, device_target, device_source, bytes); };
  } else if (actual == cudaMemcpyHostToDevice && context.is_pinned(source)) {
    work.host_source = source;  // read when the copy runs
    work.host_bytes = bytes;
    work.run = [=, &context] {
      context.deliver_before_reading(source, bytes);
      context.device_write(device_target, bytes);
      std::memcpy(context.memory->bytes(device_target), source, bytes);
    };
  } else if (actual == cudaMemcpyHostToDevice) {
    // Pageable memory is staged before the call returns.
    const uint8_t* from = static_cast<const uint8_t*>(source);
    work.run = [=, &context, staged = std::vector<uint8_t>(from, from + bytes)] {
      context.device_write(device_target, bytes);
      std::memcpy(context.memory->bytes(device_target), staged.data(), bytes);
    };
  } else if (actual == cudaMemcpyDeviceToHost) {
    if (!context.is_pinned(target)) synchronous = true;  // as a real one is
    work.at_submit = [=, &context] {
      context.run_readers_of(target, bytes);
      std::memset(target, 0xff, bytes);
    };
    work.run = [=, &context] {
      context.device_read(device_source, bytes);
      context.deliver(target, context.memory->bytes(device_source), bytes);
    };
  } else {
    work.run = [=] { std::memmove(target, source, bytes); };
  }
  if (synchronous && stream->capture != nullptr) return remember(cudaErrorStreamCaptureUnsupported);
  context.submit(stream, std::move(work));
  if (!synchronous) return remember(context.sticky);
  ++context.step.synchronisations;
  return remember(context.wait(stream->clock));
}

cudaError_t fill(void* target, int value, size_t bytes, cudaStream_t handle, bool synchronous) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (bytes == 0) return cudaSuccess;
  if (!valid(context, target, bytes)) return remember(cudaErrorInvalidValue);
  const uint64_t address = address_of(target);
  context.submit(stream, {Work::fill, "a fill of " + std::to_string(bytes) + " bytes", [=, &context] {
                            context.device_write(address, bytes);
                            std::memset(context.memory->bytes(address), value, bytes);
                          }});
  return remember(synchronous ? context.wait(stream->clock) : context.sticky);
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** pointer, size_t size) {
  NB_ENTER(context);
  if (pointer == nullptr) return remember(cudaErrorInvalidValue);
  if (capturing(context)) return remember(cudaErrorStreamCaptureUnsupported);
  return allocate(context, pointer, size, false);
}

cudaError_t cudaFree(void* pointer) {
  NB_ENTER(context);
  if (pointer == nullptr) return cudaSuccess;
  if (capturing(context)) return remember(cudaErrorStreamCaptureUnsupported);
  const cudaError_t waited = context.wait_for_everything();
  if (waited != cudaSuccess) return remember(waited);
  if (!context.memory->release(address_of(pointer))) return remember(cudaErrorInvalidValue);
  ++context.step.frees;
  return cudaSuccess;
}

cudaError_t cudaMallocAsync(void** pointer, size_t size, cudaStream_t handle) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) return remember(cudaErrorStreamCaptureUnsupported);
  return allocate(context, pointer, size, true);
}

cudaError_t cudaFreeAsync(void* pointer, cudaStream_t handle) {
  NB_ENTER(context);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (pointer == nullptr) return cudaSuccess;
  const Allocation* allocation = context.memory->find(address_of(pointer));
  if (allocation == nullptr || allocation->base != address_of(pointer)) return remember(cudaErrorInvalidValue);
  if (stream->capture != nullptr) return remember(cudaErrorStreamCaptureUnsupported);
  const uint64_t address = allocation->base, size = allocation->size;
  context.submit(stream, {Work::free, "the release of " + std::to_string(size) + " bytes", [=, &context] {
                            context.device_write(address, size);  // whoever uses the memory must be done, in stream order
                            context.memory->release(address);
                            context.pool_kept += size;
                            context.trim_pool(context.pool_threshold);
                          }});
  ++context.step.frees;
  return remember(context.sticky);
}

cudaError_t cudaMallocFromPoolAsync(void** pointer, size_t size, cudaMemPool_t, cudaStream_t stream) { return cudaMallocAsync(pointer, size, stream); }

cudaError_t cudaHostAlloc(void** pointer, size_t size, unsigned) {
  NB_ENTER(context);
  *pointer = nullptr;
  if (size == 0) return cudaSuccess;
  if (context.injected(FailingCall::allocation)) return remember(cudaErrorMemoryAllocation);
  void* const made = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return remember(cudaErrorMemoryAllocation);
  std::memset(made, 0xff, size);
  context.pinned[address_of(made)] = size;
  *pointer = made;
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** pointer, size_t size) { return cudaHostAlloc(pointer, size, 0); }

cudaError_t cudaFreeHost(void* pointer) {
  NB_ENTER(context);
  if (pointer == nullptr) return cudaSuccess;
  const auto found = context.pinned.find(address_of(pointer));
  if (found == context.pinned.end()) return remember(cudaErrorInvalidValue);
  const cudaError_t waited = context.wait_for_everything();
  munmap(pointer, found->second);
  context.pinned.erase(found);
  return remember(waited);
}

cudaError_t cudaMemcpy(void* target, const void* source, size_t bytes, cudaMemcpyKind kind) { return copy(target, source, bytes, kind, nullptr, true); }
cudaError_t cudaMemcpyAsync(void* target, const void* source, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) { return copy(target, source, bytes, kind, stream, false); }
cudaError_t cudaMemset(void* target, int value, size_t bytes) { return fill(target, value, bytes, nullptr, true); }
cudaError_t cudaMemsetAsync(void* target, int value, size_t bytes, cudaStream_t stream) { return fill(target, value, bytes, stream, false); }

cudaError_t cudaMemcpyToSymbol(const void* symbol, const void* source, size_t bytes, size_t offset, cudaMemcpyKind kind) {
  void* address = nullptr;
  const cudaError_t error = cudaGetSymbolAddress(&address, symbol);
  return error != cudaSuccess ? error : cudaMemcpy(static_cast<uint8_t*>(address) + offset, source, bytes, kind);
}
cudaError_t cudaMemcpyFromSymbol(void* target, const void* symbol, size_t bytes, size_t offset, cudaMemcpyKind kind) {
  void* address = nullptr;
  const cudaError_t error = cudaGetSymbolAddress(&address, symbol);
  return error != cudaSuccess ? error : cudaMemcpy(target, static_cast<uint8_t*>(address) + offset, bytes, kind);
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  NB_ENTER(context);
  *total = context.total_memory;
  *free = context.total_memory - context.memory->used() - context.pool_kept;
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  NB_ENTER(context);
  *attributes = {};
  if (on_device(context, pointer)) {
    attributes->type = cudaMemoryTypeDevice;
    attributes->devicePointer = const_cast<void*>(pointer);
  } else if (context.is_pinned(pointer)) {
    attributes->type = cudaMemoryTypeHost;
    attributes->hostPointer = const_cast<void*>(pointer);
  }
  return cudaSuccess;
}

// One pool, which keeps up to its threshold of what was freed, until it is trimmed.
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  static char only;
  *pool = reinterpret_cast<cudaMemPool_t>(&only);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* pool, int device) { return cudaDeviceGetDefaultMemPool(pool, device); }
cudaError_t cudaDeviceSetMemPool(int, cudaMemPool_t) { return cudaSuccess; }
cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) { return cudaDeviceGetDefaultMemPool(pool, 0); }
cudaError_t cudaMemPoolDestroy(cudaMemPool_t) { return cudaSuccess; }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void* value) {
  NB_ENTER(context);
  if (attribute == cudaMemPoolAttrReleaseThreshold) context.pool_threshold = *static_cast<uint64_t*>(value);
  return cudaSuccess;
}
cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr attribute, void* value) {
  NB_ENTER(context);
  uint64_t& out = *static_cast<uint64_t*>(value);
  if (attribute == cudaMemPoolAttrReleaseThreshold) return out = context.pool_threshold, cudaSuccess;
  if (attribute == cudaMemPoolAttrUsedMemCurrent) return out = context.memory->used(), cudaSuccess;
  if (attribute == cudaMemPoolAttrUsedMemHigh) return out = context.memory->most_used(), cudaSuccess;
  if (attribute == cudaMemPoolAttrReservedMemCurrent) return out = context.memory->used() + context.pool_kept, cudaSuccess;
  return remember(cudaErrorInvalidValue);
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t bytes) {
  NB_ENTER(context);
  context.trim_pool(bytes);
  return cudaSuccess;
}

}  // extern "C"
