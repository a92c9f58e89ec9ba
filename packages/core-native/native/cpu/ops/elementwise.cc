// fill, convert, add, dropout.
#include <cmath>
#include <cstring>

#include "ops.h"

namespace node_bert::cpu {
namespace {

size_t item_size(int32_t dtype) {
  switch (dtype) {
    case NB_U8: return 1;
    case NB_BF16:
    case NB_F16: return 2;
    case NB_F64: return 8;
    default: return 4;
  }
}

uint16_t bf16_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (value != value) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

float float_of_bits(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &wide, sizeof(value));
  return value;
}

// Conversions from and to f64 are rare (inputs of tests, reports): one plain loop.
double read_element(const nb_tensor& tensor, int64_t i) {
  switch (tensor.dtype) {
    case NB_F32: return static_cast<const float*>(tensor.data)[i];
    case NB_F64: return static_cast<const double*>(tensor.data)[i];
    case NB_BF16: return float_of_bits(static_cast<const uint16_t*>(tensor.data)[i]);
    default: throw Failure{NB_ERROR_UNSUPPORTED, "convert needs two float types or two equal types"};
  }
}

void write_element(const nb_tensor& tensor, int64_t i, double value) {
  switch (tensor.dtype) {
    case NB_F32: static_cast<float*>(tensor.data)[i] = static_cast<float>(value); return;
    case NB_F64: static_cast<double*>(tensor.data)[i] = value; return;
    case NB_BF16: static_cast<uint16_t*>(tensor.data)[i] = bf16_bits(static_cast<float>(value)); return;
    default: throw Failure{NB_ERROR_UNSUPPORTED, "convert needs two float types or two equal types"};
  }
}

template <class T>
void fill_plain(void* data, double value, int64_t count) {
  for (int64_t i = 0; i < count; ++i) static_cast<T*>(data)[i] = static_cast<T>(value);
}

}  // namespace

void fill(nb_device& device, const Call& call) {
  const nb_tensor& y = call.tensor(0);
  const int64_t count = call.count(0);
  const double value = call.param(0);
  const size_t bytes = static_cast<size_t>(count) * item_size(y.dtype);
  if (value == 0 && !std::signbit(value) && bytes >= kReleasedBytes) return zero_by_release(y.data, bytes);
  switch (y.dtype) {
    case NB_F32: return device.kernels.fill(static_cast<float*>(y.data), static_cast<float>(value), count, device.threads);
    case NB_BF16:
      return device.kernels.fill_bf16(static_cast<bf16*>(y.data), {bf16_bits(static_cast<float>(value))}, count, device.threads);
    case NB_F64: return fill_plain<double>(y.data, value, count);
    case NB_I32: return fill_plain<int32_t>(y.data, value, count);
    case NB_U8: return fill_plain<uint8_t>(y.data, value, count);
    default: throw Failure{NB_ERROR_UNSUPPORTED, "cannot fill dtype " + std::to_string(y.dtype)};
  }
}

void convert(nb_device& device, const Call& call) {
  const nb_tensor &x = call.tensor(0), &y = call.tensor(1);
  const int64_t count = call.count(1);
  if (count == 0) return;
  if (x.dtype == y.dtype) {
    std::memmove(y.data, x.data, static_cast<size_t>(count) * item_size(x.dtype));
  } else if (x.dtype == NB_F32 && y.dtype == NB_BF16) {
    device.kernels.f32_to_bf16(static_cast<const float*>(x.data), static_cast<bf16*>(y.data), count, device.threads);
  } else if (x.dtype == NB_BF16 && y.dtype == NB_F32) {
    device.kernels.bf16_to_f32(static_cast<const bf16*>(x.data), static_cast<float*>(y.data), count, device.threads);
  } else {
    for (int64_t i = 0; i < count; ++i) write_element(y, i, read_element(x, i));
  }
}

void add(nb_device& device, const Call& call) {
  device.kernels.add(call.type(0), call.data(0), call.data(1), call.data(2), call.count(2), device.threads);
}

void dropout(nb_device& device, const Call& call) {
  const int64_t rows = call.dim(0, 0), columns = call.dim(0, 1);
  if (rows * columns == 0) return;
  const Dropout mask = call.dropout(0);
  if (mask.threshold == 0) {
    std::memmove(call.data(1), call.data(0), static_cast<size_t>(rows * columns) * item_size(call.tensor(0).dtype));
    return;
  }
  float* scratch = device.scratch.floats(device.threads * padded_bits(columns) / 2);
  device.kernels.dropout(call.type(0), call.data(0), call.data(1), rows, columns, mask, scratch, device.threads);
}

}  // namespace node_bert::cpu
