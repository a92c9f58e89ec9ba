#include <algorithm>
#include <cmath>

#include "emulator/tests/bits16.h"

namespace node_bert::cuda::emulator::test {
namespace {

long double decode(uint16_t bits, int fraction_bits, int bias) {
  const int exponent = bits >> fraction_bits & ((1 << (15 - fraction_bits)) - 1);
  const long double fraction = bits & ((1 << fraction_bits) - 1);
  const int most = (1 << (15 - fraction_bits)) - 1;
  long double value = exponent == most ? (fraction == 0 ? INFINITY : NAN)
                      : exponent == 0  ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                       : std::ldexp(1 + std::ldexp(fraction, -fraction_bits), exponent - bias);
  return bits & 0x8000 ? -value : value;
}
long double decode(uint16_t bits, bool brain) { return brain ? decode(bits, 7, 127) : decode(bits, 10, 15); }

// The largest code whose value is at most |exact|.
uint16_t floor_code(long double magnitude, bool brain) {
  int low = 0, high = brain ? 0x7f7f : 0x7bff;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (decode(static_cast<uint16_t>(middle), brain) <= magnitude) low = middle;
    else high = middle - 1;
  }
  return static_cast<uint16_t>(low);
}

}  // namespace

long double value_of(F16 x) { return decode(x.bits, false); }
long double value_of(B16 x) { return decode(x.bits, true); }

uint16_t nearest16(long double exact, bool brain) {
  if (std::isnan(exact)) return 0x7fff;
  const uint16_t sign = std::signbit(exact) ? 0x8000 : 0, infinity = brain ? 0x7f80 : 0x7c00;
  const long double magnitude = std::fabs(exact);
  if (std::isinf(magnitude)) return sign | infinity;
  const uint16_t below = floor_code(magnitude, brain);
  const uint16_t above = static_cast<uint16_t>(below + 1);
  const long double low = decode(below, brain);
  // Beyond the greatest finite number the next one would lie a step further.
  const long double step = above == infinity ? low - decode(static_cast<uint16_t>(below - 1), brain) : decode(above, brain) - low;
  const long double past = magnitude - low;
  const bool up = past > step / 2 || (past == step / 2 && (below & 1));
  return sign | (up ? above : below);
}

uint16_t toward_zero16(long double exact, bool brain) {
  if (std::isnan(exact)) return 0x7fff;
  const uint16_t sign = std::signbit(exact) ? 0x8000 : 0;
  if (std::isinf(exact)) return sign | (brain ? 0x7f80 : 0x7c00);
  return sign | floor_code(std::fabs(exact), brain);
}

}  // namespace node_bert::cuda::emulator::test
