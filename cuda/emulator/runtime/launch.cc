// What nvcc's host code calls: registering modules and launching kernels.
#include <cstring>

#include "emulator/runtime/context.h"

using namespace node_bert::cuda::emulator;

namespace {

struct Configuration {
  dim3 grid, block;
  size_t shared;
  cudaStream_t stream;
};
thread_local std::vector<Configuration> configurations;

int shared_limit(int arch) {  // that a block may ask for with cudaFuncSetAttribute
  switch (arch) {
    case 75: return 65536;
    case 80: case 87: return 166912;
    case 86: case 89: case 120: case 121: return 101376;
    default: return 232448;
  }
}

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared, cudaStream_t handle) {
  NB_ENTER(context);
  KernelEntry* const entry = context.find_kernel(function);
  if (entry == nullptr) return remember(cudaErrorInvalidDeviceFunction);
  CUstream_st* const stream = context.stream(handle);
  if (stream == nullptr) return remember(cudaErrorInvalidResourceHandle);
  if (context.injected(FailingCall::launch)) return remember(cudaErrorLaunchOutOfResources);
  Kernel* kernel;
  try {
    kernel = &context.load(*entry);
  } catch (const PtxError& error) {
    context.report = std::string("refused: ") + error.what();
    std::fprintf(stderr, "CUDA emulator: %s\n", context.report.c_str());
    return remember(cudaErrorInvalidPtx);
  } catch (const std::runtime_error& error) {
    context.report = error.what();
    std::fprintf(stderr, "CUDA emulator: %s\n", error.what());
    return remember(cudaErrorNoKernelImageForDevice);
  }
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || uint64_t{grid.x} * grid.y * grid.z == 0 || threads > 1024 || block.z > 64 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) {
    return remember(cudaErrorInvalidConfiguration);
  }
  if (threads > kernel->max_threads) return remember(cudaErrorInvalidValue);
  const size_t allowed = entry->max_dynamic_shared != 0 ? entry->max_dynamic_shared : 49152 - kernel->static_shared;
  if (shared > allowed || kernel->static_shared > 49152) return remember(cudaErrorInvalidValue);
  LaunchRequest request{kernel, grid, block, static_cast<uint32_t>(shared), std::vector<uint8_t>(kernel->parameter_bytes)};
  for (size_t i = 0; i < kernel->parameters.size(); ++i) std::memcpy(request.parameters.data() + kernel->parameters[i].offset, arguments[i], kernel->parameters[i].size);
  ++context.step.launches;
  Work work{Work::kernel, "kernel " + entry->name, [&context, request = std::move(request)] { context.executor->run(request); }};
  work.entry = entry;
  context.submit(stream, std::move(work));
  return context.sticky;
}

}  // namespace

extern "C" {

void** __cudaRegisterFatBinary(void* fatbin) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  return reinterpret_cast<void**>(context.register_module(fatbin));
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}

void __cudaRegisterFunction(void** handle, const char* host_function, char*, const char* name, int, uint3*, uint3*, dim3*, dim3*, int*) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  context.register_kernel(reinterpret_cast<Module*>(handle), host_function, name);
}
void __cudaRegisterVar(void** handle, char* host_variable, char*, const char* name, int, size_t, int, int) {
  reinterpret_cast<Module*>(handle)->host_variables[host_variable] = name;
}

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, cudaStream_t stream) {
  configurations.push_back({grid, block, shared, stream});
  return 0;
}
cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  if (configurations.empty()) return remember(cudaErrorMissingConfiguration);
  const Configuration top = configurations.back();
  configurations.pop_back();
  *grid = top.grid;
  *block = top.block;
  *shared = top.shared;
  *static_cast<cudaStream_t*>(stream) = top.stream;
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* host_function) {
  Context& context = Context::get();
  const std::lock_guard<std::recursive_mutex> held(context.lock);
  *kernel = reinterpret_cast<cudaKernel_t>(context.find_kernel(host_function));
  return *kernel == nullptr ? remember(cudaErrorInvalidDeviceFunction) : cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared, cudaStream_t stream) {
  return launch(kernel, grid, block, arguments, shared, stream);
}
cudaError_t __cudaLaunchKernel_ptsz(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, size_t shared, cudaStream_t stream) {
  return launch(kernel, grid, block, arguments, shared, stream);
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, size_t shared, cudaStream_t stream) {
  return launch(function, grid, block, arguments, shared, stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function, void** arguments) {
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    const cudaLaunchAttributeID id = config->attrs[i].id;
    if (id != cudaLaunchAttributeIgnore && id != cudaLaunchAttributePriority) return remember(cudaErrorNotSupported);
  }
  return launch(function, config->gridDim, config->blockDim, arguments, config->dynamicSmemBytes, config->stream);
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  NB_ENTER(context);
  KernelEntry* const entry = context.find_kernel(function);
  if (entry == nullptr) return remember(cudaErrorInvalidDeviceFunction);
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) return cudaSuccess;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return remember(cudaErrorInvalidValue);
  try {
    if (value < 0 || value + static_cast<int>(context.load(*entry).static_shared) > shared_limit(context.arch)) return remember(cudaErrorInvalidValue);
  } catch (const std::runtime_error& error) {
    std::fprintf(stderr, "CUDA emulator: %s\n", error.what());
    return remember(cudaErrorInvalidPtx);
  }
  entry->max_dynamic_shared = value;
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  NB_ENTER(context);
  KernelEntry* const entry = context.find_kernel(function);
  if (entry == nullptr) return remember(cudaErrorInvalidDeviceFunction);
  try {
    const Kernel& kernel = context.load(*entry);
    *attributes = {};
    attributes->sharedSizeBytes = kernel.static_shared;
    attributes->localSizeBytes = kernel.local_bytes;
    attributes->maxThreadsPerBlock = static_cast<int>(kernel.max_threads);
    attributes->ptxVersion = attributes->binaryVersion = context.arch;
    attributes->maxDynamicSharedSizeBytes = entry->max_dynamic_shared != 0 ? entry->max_dynamic_shared : 49152 - static_cast<int>(kernel.static_shared);
  } catch (const std::runtime_error& error) {
    std::fprintf(stderr, "CUDA emulator: %s\n", error.what());
    return remember(cudaErrorInvalidPtx);
  }
  return cudaSuccess;
}

// Registers are ptxas' business, so only threads and shared memory limit the answer.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void* function, int block_size, size_t dynamic_shared) {
  NB_ENTER(context);
  KernelEntry* const entry = context.find_kernel(function);
  if (entry == nullptr) return remember(cudaErrorInvalidDeviceFunction);
  if (block_size <= 0 || block_size > 1024) return remember(cudaErrorInvalidValue);
  try {
    const size_t shared = context.load(*entry).static_shared + dynamic_shared + 1024;
    const int by_threads = (context.arch == 75 ? 1024 : context.arch == 86 || context.arch == 89 || context.arch == 120 ? 1536 : 2048) / block_size;
    *blocks = std::min<int>(by_threads, static_cast<int>((shared_limit(context.arch) + 1024) / shared));
  } catch (const std::runtime_error& error) {
    return remember(cudaErrorInvalidPtx);
  }
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void* function, int block_size, size_t dynamic_shared, unsigned) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, block_size, dynamic_shared);
}

cudaError_t cudaGetSymbolAddress(void** address, const void* symbol) {
  NB_ENTER(context);
  for (auto& module : context.modules) {
    const auto found = module->host_variables.find(symbol);
    if (found == module->host_variables.end()) continue;
    context.load_module(*module);
    *address = reinterpret_cast<void*>(module->symbols.at(found->second).address);
    return cudaSuccess;
  }
  return remember(cudaErrorInvalidSymbol);
}

}  // extern "C"
