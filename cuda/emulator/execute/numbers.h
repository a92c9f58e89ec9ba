// Floats of 16 bits, rounding modes and what PTX says of NaN.
#ifndef NODE_BERT_CUDA_EMULATOR_EXECUTE_NUMBERS_H
#define NODE_BERT_CUDA_EMULATOR_EXECUTE_NUMBERS_H

#include <immintrin.h>
#include <xmmintrin.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace node_bert::cuda::emulator {

struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};

inline float to_float(float value) { return value; }
inline double to_float(double value) { return value; }
inline float to_float(Half value) { return _cvtsh_ss(value.bits); }
inline float to_float(Brain value) { return std::bit_cast<float>(static_cast<uint32_t>(value.bits) << 16); }

// Rounds to nearest even; a NaN becomes the canonical one of PTX.
template <class T> T from_float(float value);
template <> inline float from_float<float>(float value) { return value; }
template <> inline Half from_float<Half>(float value) {
  const uint16_t bits = _cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  return {value != value ? uint16_t{0x7fff} : bits};
}
template <> inline Brain from_float<Brain>(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return {value != value ? uint16_t{0x7fff} : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

// From double with one rounding: first to odd in float, which keeps what the second rounding needs to know.
inline float to_odd(double value) {
  float near = static_cast<float>(value);
  if (value != value || std::isinf(near) || static_cast<double>(near) == value) {
    if (std::isinf(near) && !std::isinf(value)) return near;
    return near;
  }
  uint32_t bits = std::bit_cast<uint32_t>(near);
  if (std::fabs(static_cast<double>(near)) > std::fabs(value)) --bits;  // toward zero
  return std::bit_cast<float>(bits | 1);
}

// a * b + c in double with the error of the sum folded into the last bit, so that rounding it once more is exact.
inline double fused_to_odd(double a, double b, double c) {
  const double product = a * b;  // exact for floats of 16 bits
  const double sum = product + c;
  if (!std::isfinite(sum)) return sum;
  const double back = sum - product;
  const double error = (product - (sum - back)) + (c - back);
  if (error == 0) return sum;
  uint64_t bits = std::bit_cast<uint64_t>(sum);
  if (bits & 1) return sum;
  const bool away = (error > 0) == (sum > 0);
  return std::bit_cast<double>(away ? bits + 1 : bits - 1);
}

inline float flush(float value) { return std::fabs(value) < std::numeric_limits<float>::min() ? std::copysign(0.0f, value) : value; }

// Rounds the code of its lifetime by another mode. Files that use it are compiled with -frounding-math.
class Rounding {
 public:
  explicit Rounding(unsigned mode) : before_(_MM_GET_ROUNDING_MODE()) { _MM_SET_ROUNDING_MODE(mode); }
  ~Rounding() { _MM_SET_ROUNDING_MODE(before_); }

 private:
  unsigned before_;
};

}  // namespace node_bert::cuda::emulator
#endif
