// Conversions between the float types of files and tensors, on the host, for loading weights. Round to nearest even.
#pragma once
#include <bit>
#include <cstdint>

#include "node_bert/backend.h"

namespace nb {

inline float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

inline uint16_t float_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);  // NaN stays NaN
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

inline float f16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu, fraction = bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // zero and subnormals
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

inline bool can_convert(int32_t from, int32_t to) {
  const bool from_float = from == NB_F32 || from == NB_F64 || from == NB_BF16 || from == NB_F16;
  const bool to_float = to == NB_F32 || to == NB_F64 || to == NB_BF16;
  return from == to || (from_float && to_float);
}

inline double load_float(const void* source, int32_t dtype, int64_t i) {
  switch (dtype) {
    case NB_F32: return static_cast<const float*>(source)[i];
    case NB_F64: return static_cast<const double*>(source)[i];
    case NB_BF16: return bf16_to_float(static_cast<const uint16_t*>(source)[i]);
    default: return f16_to_float(static_cast<const uint16_t*>(source)[i]);
  }
}

inline void convert(const void* source, int32_t from, void* target, int32_t to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const double value = load_float(source, from, i);
    if (to == NB_F64) static_cast<double*>(target)[i] = value;
    else if (to == NB_F32) static_cast<float*>(target)[i] = static_cast<float>(value);
    else static_cast<uint16_t*>(target)[i] = float_to_bf16(static_cast<float>(value));
  }
}

}  // namespace nb
