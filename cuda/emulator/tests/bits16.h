// 16-bit floats for the tests' expectations: values and rounding by search in the list of all, nothing in common with what the emulator does.
#ifndef NODE_BERT_CUDA_EMULATOR_TESTS_BITS16_H
#define NODE_BERT_CUDA_EMULATOR_TESTS_BITS16_H

#include <cstdint>

namespace node_bert::cuda::emulator::test {

// A 16-bit float by its bits; kBrain: bf16.
template <bool kBrain>
struct Bits16 {
  uint16_t bits;
};
using F16 = Bits16<false>;
using B16 = Bits16<true>;

long double value_of(F16 x);
long double value_of(B16 x);
uint16_t nearest16(long double exact, bool brain);         // ties to even
uint16_t toward_zero16(long double exact, bool brain);

}  // namespace node_bert::cuda::emulator::test
#endif
