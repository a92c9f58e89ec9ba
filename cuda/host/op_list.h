// The ops that the backend has: names, the tensor that has the activation type, the function that turns a call into launches.
#ifndef NODE_BERT_CUDA_OP_LIST_H
#define NODE_BERT_CUDA_OP_LIST_H

#include "host/call.h"

struct nb_device;

namespace node_bert::cuda {

struct Op {
  nb_op op;
  const char* name;
  int activation;  // the tensor that has the activation type, or -1 when any type will do
  void (*run)(nb_device&, const Launch&, const Call&);
};

// nullptr when there is no such op.
const Op* find_op(int32_t op);
const char* op_name(int32_t op);

void fill(nb_device&, const Launch&, const Call&);
void convert(nb_device&, const Launch&, const Call&);
void add(nb_device&, const Launch&, const Call&);
void embeddings_forward(nb_device&, const Launch&, const Call&);
void embeddings_backward(nb_device&, const Launch&, const Call&);
void linear_forward(nb_device&, const Launch&, const Call&);
void linear_backward(nb_device&, const Launch&, const Call&);
void add_layer_norm_forward(nb_device&, const Launch&, const Call&);
void add_layer_norm_backward(nb_device&, const Launch&, const Call&);
void attention_forward(nb_device&, const Launch&, const Call&);
void attention_backward(nb_device&, const Launch&, const Call&);
void attention_probabilities(nb_device&, const Launch&, const Call&);
void gather_rows_forward(nb_device&, const Launch&, const Call&);
void gather_rows_backward(nb_device&, const Launch&, const Call&);
void mean_pool_forward(nb_device&, const Launch&, const Call&);
void mean_pool_backward(nb_device&, const Launch&, const Call&);
void dropout(nb_device&, const Launch&, const Call&);
void cross_entropy_forward(nb_device&, const Launch&, const Call&);
void cross_entropy_backward(nb_device&, const Launch&, const Call&);
void sum_of_squares(nb_device&, const Launch&, const Call&);
void adamw(nb_device&, const Launch&, const Call&);
void update_loss_scale(nb_device&, const Launch&, const Call&);

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_OP_LIST_H
