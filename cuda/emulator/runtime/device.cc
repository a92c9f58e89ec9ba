// The device, versions and errors; and what emulator.h offers.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "emulator/runtime/context.h"

using namespace node_bert::cuda::emulator;

namespace {

constexpr int kVersion = 13000, kMultiprocessors = 4;

struct ErrorName {
  cudaError_t error;
  const char *name, *text;
};
#define NB_ERROR(error, text) {error, #error, text}
constexpr ErrorName kErrors[] = {
    NB_ERROR(cudaSuccess, "no error"),
    NB_ERROR(cudaErrorInvalidValue, "invalid argument"),
    NB_ERROR(cudaErrorMemoryAllocation, "out of memory"),
    NB_ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument"),
    NB_ERROR(cudaErrorInvalidSymbol, "invalid device symbol"),
    NB_ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy"),
    NB_ERROR(cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version"),
    NB_ERROR(cudaErrorInvalidDeviceFunction, "invalid device function"),
    NB_ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected"),
    NB_ERROR(cudaErrorInvalidDevice, "invalid device ordinal"),
    NB_ERROR(cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device"),
    NB_ERROR(cudaErrorInvalidPtx, "a PTX JIT compilation failed"),
    NB_ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    NB_ERROR(cudaErrorIllegalState, "the operation cannot be performed in the present state"),
    NB_ERROR(cudaErrorNotReady, "device not ready"),
    NB_ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered"),
    NB_ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch"),
    NB_ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated"),
    NB_ERROR(cudaErrorMisalignedAddress, "misaligned address"),
    NB_ERROR(cudaErrorLaunchFailure, "unspecified launch failure"),
    NB_ERROR(cudaErrorNotSupported, "operation not supported"),
    NB_ERROR(cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing"),
    NB_ERROR(cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture"),
    NB_ERROR(cudaErrorStreamCaptureMerge, "operation would result in a merge of separate capture sequences"),
    NB_ERROR(cudaErrorStreamCaptureUnmatched, "capture was not ended in the same stream as it began"),
    NB_ERROR(cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work"),
    NB_ERROR(cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream"),
    NB_ERROR(cudaErrorCapturedEvent, "operation not permitted on an event last recorded in a capturing stream"),
    NB_ERROR(cudaErrorGraphExecUpdateFailure, "the graph update was not performed because it included changes which violated constraints specific to instantiated graph update"),
    NB_ERROR(cudaErrorUnknown, "unknown error"),
};
const ErrorName* find(cudaError_t error) {
  for (const ErrorName& known : kErrors) {
    if (known.error == error) return &known;
  }
  return nullptr;
}

int shared_per_multiprocessor(int arch) { return arch == 75 ? 65536 : arch == 80 ? 167936 : arch == 86 || arch == 89 || arch == 120 ? 102400 : 233472; }
int threads_per_multiprocessor(int arch) { return arch == 75 ? 1024 : arch == 86 || arch == 89 || arch == 120 ? 1536 : 2048; }

}  // namespace

extern "C" {

const char* cudaGetErrorName(cudaError_t error) { return find(error) == nullptr ? "unrecognized error code" : find(error)->name; }
const char* cudaGetErrorString(cudaError_t error) { return find(error) == nullptr ? "unrecognized error code" : find(error)->text; }
cudaError_t cudaGetLastError(void) { return take_last_error(true); }
cudaError_t cudaPeekAtLastError(void) { return take_last_error(false); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : remember(cudaErrorInvalidDevice); }
cudaError_t cudaInitDevice(int device, unsigned, unsigned) { return cudaSetDevice(device); }
cudaError_t cudaSetDeviceFlags(unsigned) { return cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

cudaError_t cudaDeviceReset(void) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  context.reset();
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  NB_ENTER(context);
  if (device != 0) return remember(cudaErrorInvalidDevice);
  std::memset(static_cast<void*>(properties), 0, sizeof(*properties));
  const int arch = context.arch;
  std::snprintf(properties->name, sizeof(properties->name), "node-bert CUDA emulator (sm_%d)", arch);
  properties->totalGlobalMem = context.total_memory;
  properties->sharedMemPerBlock = 49152;
  properties->sharedMemPerBlockOptin = shared_per_multiprocessor(arch) - (arch == 75 ? 0 : 1024);
  properties->sharedMemPerMultiprocessor = shared_per_multiprocessor(arch);
  properties->regsPerBlock = properties->regsPerMultiprocessor = 65536;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsDim[0] = properties->maxThreadsDim[1] = 1024;
  properties->maxThreadsDim[2] = 64;
  properties->maxGridSize[0] = 0x7fffffff;
  properties->maxGridSize[1] = properties->maxGridSize[2] = 65535;
  properties->maxThreadsPerMultiProcessor = threads_per_multiprocessor(arch);
  properties->major = arch / 10;
  properties->minor = arch % 10;
  properties->multiProcessorCount = kMultiprocessors;
  properties->asyncEngineCount = 1;
  properties->concurrentKernels = 1;
  properties->unifiedAddressing = 1;
  properties->memoryPoolsSupported = 1;
  properties->canMapHostMemory = 1;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  NB_ENTER(context);
  if (device != 0) return remember(cudaErrorInvalidDevice);
  const int arch = context.arch;
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor: *value = arch / 10; break;
    case cudaDevAttrComputeCapabilityMinor: *value = arch % 10; break;
    case cudaDevAttrMultiProcessorCount: *value = kMultiprocessors; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = threads_per_multiprocessor(arch); break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = 49152; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = shared_per_multiprocessor(arch) - (arch == 75 ? 0 : 1024); break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = shared_per_multiprocessor(arch); break;
    case cudaDevAttrMaxRegistersPerBlock: case cudaDevAttrMaxRegistersPerMultiprocessor: *value = 65536; break;
    case cudaDevAttrMemoryPoolsSupported: *value = 1; break;
    case cudaDevAttrL2CacheSize: *value = 4 << 20; break;
    case cudaDevAttrClockRate: case cudaDevAttrMemoryClockRate: *value = 1000000; break;
    case cudaDevAttrGlobalMemoryBusWidth: *value = 384; break;
    case cudaDevAttrCooperativeLaunch: *value = 0; break;
    case cudaDevAttrAsyncEngineCount: case cudaDevAttrConcurrentKernels: case cudaDevAttrUnifiedAddressing: case cudaDevAttrCanMapHostMemory: *value = 1; break;
    default: return remember(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

}  // extern "C"

namespace node_bert::cuda::emulator {

void set_seed(uint64_t seed) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  context.seed = seed;
  context.reset();
}

void set_checks(bool on) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  context.checks = on;
  context.reset();
}

std::string last_report() { return Context::get().report; }

std::vector<std::string> load_all_kernels() {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  std::vector<std::string> refused;
  for (auto& [function, entry] : context.kernels) {
    try {
      context.load(*entry);
    } catch (const std::exception& error) {
      refused.push_back(error.what());
    }
  }
  return refused;
}

size_t live_allocations() {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  size_t variables = 0;
  for (const auto& module : context.modules) variables += module->symbols.size();
  return context.memory->live() - variables;
}

}  // namespace node_bert::cuda::emulator
