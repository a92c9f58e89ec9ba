// The device "reference": a backend whose ops are naive loops that read like their formulae, in the four activation types
//   f64   the reference every backend is compared with
//   f32   the naive implementation in the same precision, whose error sets the tolerance of an f32 backend
//   bf16, f16  the same for these: computes in float and rounds at each store of an activation
// It shares no code and no approximation with the other backends, except the definition of Philox. It is single-threaded and slow.
#include "backend.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>

#include "ops.h"

struct nb_device {
  std::string error;
};

namespace node_bert::reference {
namespace {

using Run = void (*)(const Call&);

struct Op {
  nb_op op;
  const char* name;
  int activation;  // the tensor whose dtype chooses the column below
  Run f64, f32, bf16, f16;
};

#define NB_OP_ROW(op, name, activation) {op, #name, activation, name<double>, name<float>, name<bfloat16>, name<float16>}
constexpr Op OPS[] = {
    {NB_OP_FILL, "fill", 0, fill, fill, fill, fill},
    {NB_OP_CONVERT, "convert", 0, convert, convert, convert, convert},
    NB_OP_ROW(NB_OP_ADD, add, 0),
    NB_OP_ROW(NB_OP_EMBEDDINGS_FORWARD, embeddings_forward, 8),
    NB_OP_ROW(NB_OP_EMBEDDINGS_BACKWARD, embeddings_backward, 9),
    NB_OP_ROW(NB_OP_LINEAR_FORWARD, linear_forward, 0),
    NB_OP_ROW(NB_OP_LINEAR_BACKWARD, linear_backward, 0),
    NB_OP_ROW(NB_OP_LINEAR_INT8_FORWARD, linear_int8_forward, 0),
    NB_OP_ROW(NB_OP_ADD_LAYER_NORM_FORWARD, add_layer_norm_forward, 0),
    NB_OP_ROW(NB_OP_ADD_LAYER_NORM_BACKWARD, add_layer_norm_backward, 0),
    NB_OP_ROW(NB_OP_ATTENTION_FORWARD, attention_forward, 0),
    NB_OP_ROW(NB_OP_ATTENTION_BACKWARD, attention_backward, 0),
    NB_OP_ROW(NB_OP_ATTENTION_PROBABILITIES, attention_probabilities, 0),
    NB_OP_ROW(NB_OP_GATHER_ROWS_FORWARD, gather_rows_forward, 0),
    NB_OP_ROW(NB_OP_GATHER_ROWS_BACKWARD, gather_rows_backward, 1),
    NB_OP_ROW(NB_OP_MEAN_POOL_FORWARD, mean_pool_forward, 0),
    NB_OP_ROW(NB_OP_MEAN_POOL_BACKWARD, mean_pool_backward, 1),
    NB_OP_ROW(NB_OP_DROPOUT, dropout, 0),
    NB_OP_ROW(NB_OP_CROSS_ENTROPY_FORWARD, cross_entropy_forward, 0),
    NB_OP_ROW(NB_OP_CROSS_ENTROPY_BACKWARD, cross_entropy_backward, 0),
    NB_OP_ROW(NB_OP_SUM_OF_SQUARES, sum_of_squares, 0),
    NB_OP_ROW(NB_OP_ADAMW, adamw, 0),
    NB_OP_ROW(NB_OP_UPDATE_LOSS_SCALE, update_loss_scale, 0),
};
#undef NB_OP_ROW

thread_local std::string open_error;

const Op* find_op(int32_t op) {
  for (const Op& row : OPS) {
    if (row.op == op) return &row;
  }
  return nullptr;
}

nb_status fail(nb_device* device, nb_status status, std::string message) {
  device->error = std::move(message);
  return status;
}

nb_status device_count(int32_t* count) {
  *count = 1;
  return NB_OK;
}

nb_status device_open(int32_t index, const nb_device_options*, nb_device** device) {
  *device = nullptr;
  if (index != 0) {
    open_error = "there is only one reference device, index 0; asked for " + std::to_string(index);
    return NB_ERROR_DEVICE;
  }
  *device = new (std::nothrow) nb_device;
  if (*device != nullptr) return NB_OK;
  open_error = "out of memory";
  return NB_ERROR_OUT_OF_MEMORY;
}

void device_close(nb_device* device) { delete device; }

const char* device_info(nb_device*) {
  return R"({"name":"reference","description":"naive loops, for comparison only","threads":1,"dtypes":["f64","f32","bf16","f16"]})";
}

nb_status allocate(nb_device* device, size_t bytes, void** data) {
  constexpr size_t ALIGNMENT = 64;
  const size_t rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  *data = rounded >= bytes ? std::aligned_alloc(ALIGNMENT, rounded) : nullptr;
  if (*data != nullptr) return NB_OK;
  return fail(device, NB_ERROR_OUT_OF_MEMORY, "cannot allocate " + std::to_string(bytes) + " bytes");
}

void release(nb_device*, void* data) { std::free(data); }

nb_status upload(nb_device*, void* device_data, const void* host_data, size_t bytes) {
  if (bytes > 0) std::memcpy(device_data, host_data, bytes);
  return NB_OK;
}

nb_status download(nb_device*, void* host_data, const void* device_data, size_t bytes) {
  if (bytes > 0) std::memcpy(host_data, device_data, bytes);
  return NB_OK;
}

int32_t supports_op(nb_device*, int32_t op, int32_t activation_dtype) {
  const bool is_float = activation_dtype == NB_F64 || activation_dtype == NB_F32 || activation_dtype == NB_BF16 || activation_dtype == NB_F16;
  const bool is_integer = activation_dtype == NB_I32 || activation_dtype == NB_U8;
  const bool takes_integers = op == NB_OP_FILL || op == NB_OP_CONVERT;
  return find_op(op) != nullptr && (is_float || (is_integer && takes_integers)) ? 1 : 0;
}

nb_status run(nb_device* device, const nb_call* call) {
  const Op* op = find_op(call->op);
  if (op == nullptr) return fail(device, NB_ERROR_UNSUPPORTED, "no op " + std::to_string(call->op));
  const int32_t dtype = call->tensors[op->activation].dtype;
  if (!supports_op(device, call->op, dtype)) {
    return fail(device, NB_ERROR_UNSUPPORTED, std::string(op->name) + " has no dtype " + std::to_string(dtype));
  }
  try {
    const Run run = dtype == NB_F64 ? op->f64 : dtype == NB_BF16 ? op->bf16 : dtype == NB_F16 ? op->f16 : op->f32;
    run(Call(*call));
    return NB_OK;
  } catch (const Failure& failure) {
    return fail(device, failure.status, std::string(op->name) + ": " + failure.message);
  } catch (const std::bad_alloc&) {
    return fail(device, NB_ERROR_OUT_OF_MEMORY, std::string(op->name) + ": out of memory");
  } catch (const std::exception& error) {
    return fail(device, NB_ERROR_INTERNAL, std::string(op->name) + ": " + error.what());
  }
}

nb_status synchronize(nb_device*) { return NB_OK; }

const char* last_error(nb_device* device) { return device != nullptr ? device->error.c_str() : open_error.c_str(); }

constexpr nb_backend BACKEND = {
    .abi_version = NB_ABI_VERSION,
    .size = sizeof(nb_backend),
    .name = "reference",
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
}  // namespace node_bert::reference

extern "C" const nb_backend* nb_reference_backend_entry(void) { return &node_bert::reference::BACKEND; }
