// The ops of the reference backend, one function a call, templated on the activation type X: double, float,
// bfloat16 or float16.
// What each computes is written in node_bert/backend.h; here it is written once more, as loops.
#ifndef NODE_BERT_REFERENCE_OPS_H
#define NODE_BERT_REFERENCE_OPS_H

#include "call.h"

namespace node_bert::reference {

void fill(const Call& call);
void convert(const Call& call);

#define NB_REFERENCE_OPS(OP)      \
  OP(add)                         \
  OP(embeddings_forward)          \
  OP(embeddings_backward)         \
  OP(linear_forward)              \
  OP(linear_backward)             \
  OP(linear_int8_forward)         \
  OP(add_layer_norm_forward)      \
  OP(add_layer_norm_backward)     \
  OP(attention_forward)           \
  OP(attention_backward)          \
  OP(attention_probabilities)     \
  OP(gather_rows_forward)         \
  OP(gather_rows_backward)        \
  OP(mean_pool_forward)           \
  OP(mean_pool_backward)          \
  OP(dropout)                     \
  OP(cross_entropy_forward)       \
  OP(cross_entropy_backward)      \
  OP(sum_of_squares)              \
  OP(adamw)                       \
  OP(update_loss_scale)

#define NB_DECLARE(name) \
  template <class X>     \
  void name(const Call& call);
NB_REFERENCE_OPS(NB_DECLARE)
#undef NB_DECLARE

// Closes the file that defines `name`.
#define NB_INSTANTIATE(name)                 \
  template void name<double>(const Call&);   \
  template void name<float>(const Call&);    \
  template void name<bfloat16>(const Call&); \
  template void name<float16>(const Call&)

}  // namespace node_bert::reference

#endif  // NODE_BERT_REFERENCE_OPS_H
