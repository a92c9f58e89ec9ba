// The device "cpu" as the ABI sees it. run() is the only place where exceptions (ours, oneDNN's, the standard library's) become a
// status.
#include "backend.h"

#include <omp.h>

#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "device.h"
#include "ops/ops.h"

namespace node_bert::cpu {
namespace {

struct Op {
  nb_op op;
  const char* name;
  int activation;  // the tensor that has the activation type, or -1 when any type will do
  int inputs;      // how many tensors, from the first on, are only read
  void (*run)(nb_device&, const Call&);
};

constexpr Op kOps[] = {
    {NB_OP_FILL, "fill", -1, 0, fill},
    {NB_OP_CONVERT, "convert", -1, 1, convert},
    {NB_OP_ADD, "add", 0, 2, add},
    {NB_OP_EMBEDDINGS_FORWARD, "embeddings_forward", 8, 8, embeddings_forward},
    {NB_OP_EMBEDDINGS_BACKWARD, "embeddings_backward", 9, 10, embeddings_backward},
    {NB_OP_LINEAR_FORWARD, "linear_forward", 0, 3, linear_forward},
    {NB_OP_LINEAR_BACKWARD, "linear_backward", 0, 4, linear_backward},
    {NB_OP_LINEAR_INT8_FORWARD, "linear_int8_forward", 0, 3, linear_int8_forward},
    {NB_OP_ADD_LAYER_NORM_FORWARD, "add_layer_norm_forward", 0, 4, add_layer_norm_forward},
    {NB_OP_ADD_LAYER_NORM_BACKWARD, "add_layer_norm_backward", 0, 5, add_layer_norm_backward},
    {NB_OP_ATTENTION_FORWARD, "attention_forward", 0, 2, attention_forward},
    {NB_OP_ATTENTION_BACKWARD, "attention_backward", 0, 5, attention_backward},
    {NB_OP_ATTENTION_PROBABILITIES, "attention_probabilities", 0, 2, attention_probabilities},
    {NB_OP_GATHER_ROWS_FORWARD, "gather_rows_forward", 0, 2, gather_rows_forward},
    {NB_OP_GATHER_ROWS_BACKWARD, "gather_rows_backward", 1, 2, gather_rows_backward},
    {NB_OP_MEAN_POOL_FORWARD, "mean_pool_forward", 0, 2, mean_pool_forward},
    {NB_OP_MEAN_POOL_BACKWARD, "mean_pool_backward", 1, 2, mean_pool_backward},
    {NB_OP_DROPOUT, "dropout", 0, 1, dropout},
    {NB_OP_CROSS_ENTROPY_FORWARD, "cross_entropy_forward", 0, 2, cross_entropy_forward},
    {NB_OP_CROSS_ENTROPY_BACKWARD, "cross_entropy_backward", 0, 3, cross_entropy_backward},
    {NB_OP_SUM_OF_SQUARES, "sum_of_squares", 0, 1, sum_of_squares},
    {NB_OP_ADAMW, "adamw", 0, 0, adamw},
};

const Op* find_op(int32_t number) {
  for (const Op& op : kOps) {
    if (op.op == number) return &op;
  }
  return nullptr;
}

bool is_activation(int32_t dtype) { return dtype == NB_F32 || dtype == NB_BF16; }

size_t bytes_of(const nb_tensor& tensor) {
  size_t bytes = tensor.dtype == NB_F64 ? 8 : tensor.dtype == NB_BF16 || tensor.dtype == NB_F16 ? 2 : tensor.dtype == NB_U8 ? 1 : 4;
  for (int axis = 0; axis < tensor.rank; ++axis) bytes *= static_cast<size_t>(tensor.dims[axis]);
  return tensor.rank < 0 ? 0 : bytes;
}

thread_local std::string open_error;

nb_status fail(nb_device* device, nb_status status, const std::string& message) {
  device->error = message;
  return status;
}

nb_status device_count(int32_t* count) {
  *count = 1;
  return NB_OK;
}

nb_status refuse_open(nb_status status, const std::string& message) {
  open_error = message;
  return status;
}

nb_status device_open(int32_t index, const nb_device_options* options, nb_device** device) {
  *device = nullptr;
  if (index != 0)
    return refuse_open(NB_ERROR_DEVICE,
                       "there is one CPU device, index 0, but index " + std::to_string(index) + " was asked for");
  const int32_t threads = options == nullptr ? 0 : options->threads;
  if (threads < 0) return refuse_open(NB_ERROR_DEVICE, "threads is " + std::to_string(threads) + ", expected 0 (all) or more");
  try {
    Isa isa;
    std::string error;
    if (!choose_isa(&isa, &error)) return refuse_open(NB_ERROR_DEVICE, error);
    limit_library(isa);
    *device = std::make_unique<nb_device>(threads > 0 ? threads : usable_threads(), isa).release();
    return NB_OK;
  } catch (const std::bad_alloc&) {
    return refuse_open(NB_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return refuse_open(NB_ERROR_DEVICE, std::string("oneDNN cannot start: ") + error.what());
  }
}

void device_close(nb_device* device) { delete device; }

const char* device_info(nb_device* device) { return device->info.c_str(); }

nb_status allocate(nb_device* device, size_t bytes, void** data) {
  *data = allocate_aligned(bytes);
  return *data != nullptr ? NB_OK : fail(device, NB_ERROR_OUT_OF_MEMORY, "cannot allocate " + std::to_string(bytes) + " bytes");
}

// The core does not say how large the block was, and gives whole blocks back only when it runs out of memory.
void release(nb_device* device, void* data) {
  device->gemm.forget(nullptr, SIZE_MAX);
  device->sparse_gradients.clear();
  release_aligned(data);
}

nb_status upload(nb_device* device, void* device_data, const void* host_data, size_t bytes) {
  device->gemm.forget(device_data, bytes);
  if (bytes > 0) std::memcpy(device_data, host_data, bytes);
  return NB_OK;
}

nb_status download(nb_device*, void* host_data, const void* device_data, size_t bytes) {
  if (bytes > 0) std::memcpy(host_data, device_data, bytes);
  return NB_OK;
}

int32_t supports_op(nb_device*, int32_t op, int32_t activation_dtype) {
  const Op* found = find_op(op);
  return found != nullptr && (found->activation < 0 || is_activation(activation_dtype)) ? 1 : 0;
}

nb_status run(nb_device* device, const nb_call* call) {
  const Op* op = find_op(call->op);
  if (op == nullptr)
    return fail(device, NB_ERROR_UNSUPPORTED, "op " + std::to_string(call->op) + " does not exist on the CPU device");
  if (op->activation >= 0 && !is_activation(call->tensors[op->activation].dtype)) {
    return fail(device, NB_ERROR_UNSUPPORTED, std::string(op->name) + ": the CPU device computes in f32 and bf16 only");
  }
  for (int i = op->inputs; i < call->tensor_count; ++i) device->gemm.forget(call->tensors[i].data, bytes_of(call->tensors[i]));
  omp_set_num_threads(device->threads);  // of this thread, for oneDNN's loops; ours say it themselves
  try {
    op->run(*device, Call(*call));
    return NB_OK;
  } catch (const Failure& failure) {
    return fail(device, failure.status, std::string(op->name) + ": " + failure.message);
  } catch (const std::bad_alloc&) {
    return fail(device, NB_ERROR_OUT_OF_MEMORY, std::string(op->name) + ": out of memory");
  } catch (const dnnl::error& error) {
    const nb_status status = error.status == dnnl_out_of_memory ? NB_ERROR_OUT_OF_MEMORY : NB_ERROR_DEVICE;
    return fail(device, status, std::string(op->name) + ": oneDNN: " + error.what());
  } catch (const std::exception& error) {
    return fail(device, NB_ERROR_INTERNAL, std::string(op->name) + ": " + error.what());
  }
}

nb_status synchronize(nb_device*) { return NB_OK; }

const char* last_error(nb_device* device) { return device != nullptr ? device->error.c_str() : open_error.c_str(); }

constexpr nb_backend kBackend = {
    .abi_version = NB_ABI_VERSION,
    .size = sizeof(nb_backend),
    .name = "cpu",
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
    .record = nullptr,
    .wait = nullptr,
    .last_error = last_error,
};

}  // namespace
}  // namespace node_bert::cpu

extern "C" const nb_backend* nb_cpu_backend_entry(void) { return &node_bert::cpu::kBackend; }
