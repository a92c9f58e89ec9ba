// bfloat16 as a storage type: 8 bits of exponent, 8 of significand (one implicit). Arithmetic happens in float; assigning rounds
// to nearest, ties to even.
#ifndef NODE_BERT_REFERENCE_BFLOAT16_H
#define NODE_BERT_REFERENCE_BFLOAT16_H

#include <cstdint>
#include <cstring>

namespace node_bert::reference {

struct bfloat16 {
  uint16_t bits;

  bfloat16() = default;

  bfloat16(float value) {  // NOLINT: implicit, so that a formula can store into it
    uint32_t word;
    std::memcpy(&word, &value, sizeof word);
    const bool is_nan = (word & 0x7FFFFFFFu) > 0x7F800000u;
    const uint32_t ties_to_even = 0x7FFFu + ((word >> 16) & 1u);
    bits = is_nan ? static_cast<uint16_t>((word >> 16) | 0x40u) : static_cast<uint16_t>((word + ties_to_even) >> 16);
  }

  operator float() const {  // NOLINT: implicit
    const uint32_t word = static_cast<uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &word, sizeof value);
    return value;
  }
};

}  // namespace node_bert::reference

#endif  // NODE_BERT_REFERENCE_BFLOAT16_H
