// The ABI's functions. Each is the only place where exceptions of its callees become a status, and makes the device current for the thread that
// calls: ops run on the device's thread, memory is asked for on JavaScript's.
#include "host/backend.h"

#include <dlfcn.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "host/device.h"
#include "host/failure.h"
#include "host/op_list.h"

namespace node_bert::cuda {
namespace {

// Of the calling thread: allocations fail on another thread than ops do.
thread_local std::string error_message;

nb_status fail(nb_status status, const std::string& message) {
  error_message = message;
  return status;
}

template <class Body>
nb_status guarded(Body body) {
  try {
    body();
    return NB_OK;
  } catch (const Failure& failure) {
    return fail(failure.status, failure.message);
  } catch (const std::bad_alloc&) {
    return fail(NB_ERROR_OUT_OF_MEMORY, "out of host memory");
  } catch (const std::exception& error) {
    return fail(NB_ERROR_INTERNAL, error.what());
  }
}

template <class Body>
nb_status on_device(nb_device* device, Body body) {
  return guarded([&] {
    check(cudaSetDevice(device->index), "choosing the device");
    body();
  });
}

std::string version_text(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

// Of the driver's library, which the runtime looks for and says nothing about.
std::string what_the_loader_says() {
  if (dlopen("libcuda.so.1", RTLD_LAZY) != nullptr) return "libcuda.so.1 is there, but does not answer";
  const std::string said = dlerror();
  const char* path = std::getenv("LD_LIBRARY_PATH");
  return said + "; LD_LIBRARY_PATH is " + (path == nullptr || path[0] == '\0' ? "not set" : path);
}

// Why there is no device, in words of what a user can change.
Failure no_device(cudaError_t code) {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  const std::string needed = version_text(CUDART_VERSION);
  std::string message;
  if (driver == 0)
    message = "no NVIDIA driver was found (" + what_the_loader_says() + "). Install one that supports CUDA " + needed + " (580 or later)";
  else if (code == cudaErrorInsufficientDriver)
    message = "the NVIDIA driver supports CUDA " + version_text(driver) + ", expected " + needed + " or later. Update the driver (580 or later)";
  else if (code == cudaErrorNoDevice || code == cudaSuccess)
    message = "the NVIDIA driver (CUDA " + version_text(driver) + ") sees no GPU. Look at nvidia-smi and CUDA_VISIBLE_DEVICES";
  else message = std::string("the NVIDIA driver (CUDA ") + version_text(driver) + ") fails: " + cudaGetErrorName(code) + ", " + cudaGetErrorString(code);
  return {NB_ERROR_DEVICE, message};
}

int count_devices() {
  int count = 0;
  const cudaError_t code = cudaGetDeviceCount(&count);
  if (code != cudaSuccess || count == 0) {
    cudaGetLastError();
    throw no_device(code);
  }
  return count;
}

nb_status device_count(int32_t* count) {
  *count = 0;
  return guarded([&] { *count = count_devices(); });
}

nb_status device_open(int32_t index, const nb_device_options*, nb_device** device) {
  *device = nullptr;
  return guarded([&] {
    const int count = count_devices();
    if (index < 0 || index >= count)
      throw Failure{NB_ERROR_DEVICE, "there is no device " + std::to_string(index) + ", expected 0 .. " + std::to_string(count - 1)};
    check(cudaSetDevice(index), "choosing the device");
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, index), "reading the device's properties");
    const int arch = properties.major * 10 + properties.minor;
    if (arch < 75)
      throw Failure{NB_ERROR_DEVICE, std::string(properties.name) + " has compute capability " + std::to_string(properties.major) + "." +
                                         std::to_string(properties.minor) + ", expected 7.5 (T4, RTX 20) or later"};
    *device = new nb_device(index);
  });
}

void device_close(nb_device* device) {
  cudaSetDevice(device->index);
  delete device;
}

const char* device_info(nb_device* device) { return device->describe(); }

nb_status allocate(nb_device* device, size_t bytes, void** data) {
  *data = nullptr;
  return on_device(device, [&] { *data = device->pool().allocate(bytes); });
}

void release(nb_device* device, void* data) {
  cudaSetDevice(device->index);
  device->pool().release(data);
}

nb_status upload(nb_device* device, void* device_data, const void* host_data, size_t bytes) {
  return on_device(device, [&] { device->upload(device_data, host_data, bytes); });
}

nb_status download(nb_device* device, void* host_data, const void* device_data, size_t bytes) {
  return on_device(device, [&] { device->download(host_data, device_data, bytes); });
}

int32_t supports_op(nb_device* device, int32_t op, int32_t activation_dtype) {
  const Op* found = find_op(op);
  if (found == nullptr) return op == NB_OP_STEP_BEGIN || op == NB_OP_STEP_END ? 1 : 0;
  if (found->activation < 0) return 1;
  return activation_dtype == NB_F32 || activation_dtype == NB_BF16 || activation_dtype == NB_F16 ? 1 : 0;
}

nb_status run(nb_device* device, const nb_call* call) {
  if (!supports_op(device, call->op, NB_F32))
    return fail(NB_ERROR_UNSUPPORTED, "op " + std::to_string(call->op) + " does not exist on the CUDA device");
  const nb_status status = on_device(device, [&] { device->run(*call); });
  const std::string name = op_name(call->op);
  if (status != NB_OK && error_message.rfind(name, 0) != 0) error_message = name + ": " + error_message;
  return status;
}

nb_status synchronize(nb_device* device) {
  return on_device(device, [&] { device->wait(device->record()); });
}

nb_status record(nb_device* device, uint64_t* mark) {
  return on_device(device, [&] { *mark = device->record(); });
}

nb_status wait(nb_device* device, uint64_t mark) {
  return on_device(device, [&] { device->wait(mark); });
}

const char* last_error(nb_device*) { return error_message.c_str(); }

}  // namespace

nb_backend backend_named(const char* name) {
  return {
      .abi_version = NB_ABI_VERSION,
      .size = sizeof(nb_backend),
      .name = name,
      .device_count = device_count,
      .device_open = device_open,
      .device_close = device_close,
      .device_info = device_info,
      .allocate = allocate,
      .release = release,
      .upload = upload,
      .download = download,
      .supports_op = supports_op,
      .run = run,
      .synchronize = synchronize,
      .record = record,
      .wait = wait,
      .last_error = last_error,
  };
}

}  // namespace node_bert::cuda
