// Decoding functions of opcodes shared by several kinds of numbers.
#ifndef NODE_BERT_CUDA_EMULATOR_EXECUTE_FLOATING_H
#define NODE_BERT_CUDA_EMULATOR_EXECUTE_FLOATING_H

#include "emulator/execute/decoder.h"

namespace node_bert::cuda::emulator {

Handler integer_add(Decoder& d);
Handler integer_sub(Decoder& d);
Handler integer_mul(Decoder& d);
Handler integer_mad(Decoder& d);
Handler integer_min(Decoder& d);
Handler integer_max(Decoder& d);
Handler integer_neg(Decoder& d);
Handler integer_abs(Decoder& d);
Handler integer_div(Decoder& d);

Handler half_add(Decoder& d);
Handler half_sub(Decoder& d);
Handler half_mul(Decoder& d);
Handler half_fma(Decoder& d);
Handler half_min(Decoder& d);
Handler half_max(Decoder& d);
Handler half_neg(Decoder& d);
Handler half_abs(Decoder& d);
Handler half_ex2(Decoder& d);
Handler half_tanh(Decoder& d);

}  // namespace node_bert::cuda::emulator
#endif
