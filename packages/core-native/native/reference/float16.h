// IEEE half precision as a storage type: 5 bits of exponent, 11 of significand (one implicit), subnormals kept. Arithmetic happens in float;
// assigning rounds to nearest, ties to even, and overflows to infinity.
#ifndef NODE_BERT_REFERENCE_FLOAT16_H
#define NODE_BERT_REFERENCE_FLOAT16_H

#include <bit>
#include <cmath>
#include <cstdint>

namespace node_bert::reference {

struct float16 {
  uint16_t bits;

  float16() = default;

  float16(float value) {  // NOLINT: implicit, so that a formula can store into it
    const uint16_t sign = static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16 & 0x8000u);
    const float magnitude = std::fabs(value);
    uint32_t word;
    if (std::isnan(value)) word = 0x7E00u;
    else if (magnitude >= 65520.0f) word = 0x7C00u;  // half way to the number after the largest, and beyond
    // Below the smallest normal number everything is a multiple of 2^-24. nearbyint rounds ties to even.
    else if (magnitude < 0x1p-14f) word = static_cast<uint32_t>(std::nearbyint(magnitude * 0x1p24f));
    else {
      word = std::bit_cast<uint32_t>(magnitude) - (112u << 23);  // another exponent bias
      word = (word + 0xFFFu + (word >> 13 & 1u)) >> 13;
    }
    bits = static_cast<uint16_t>(sign | word);
  }

  operator float() const {  // NOLINT: implicit
    const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
    const uint32_t exponent = bits >> 10 & 0x1Fu, fraction = bits & 0x3FFu;
    uint32_t word;
    if (exponent == 31) word = 0x7F800000u | fraction << 13;
    else if (exponent == 0) word = std::bit_cast<uint32_t>(static_cast<float>(fraction) * 0x1p-24f);
    else word = (exponent + 112u) << 23 | fraction << 13;
    return std::bit_cast<float>(sign | word);
  }
};

}  // namespace node_bert::reference

#endif  // NODE_BERT_REFERENCE_FLOAT16_H
