#include "host/op_list.h"

#include <vector>

namespace node_bert::cuda {
namespace {

const std::vector<Op> OPS = {
    {NB_OP_FILL, "fill", -1, fill},
    {NB_OP_CONVERT, "convert", -1, convert},
    {NB_OP_ADD, "add", 0, add},
    {NB_OP_EMBEDDINGS_FORWARD, "embeddings_forward", 8, embeddings_forward},
    {NB_OP_EMBEDDINGS_BACKWARD, "embeddings_backward", 9, embeddings_backward},
    {NB_OP_LINEAR_FORWARD, "linear_forward", 0, linear_forward},
    {NB_OP_LINEAR_BACKWARD, "linear_backward", 0, linear_backward},
    {NB_OP_ADD_LAYER_NORM_FORWARD, "add_layer_norm_forward", 0, add_layer_norm_forward},
    {NB_OP_ADD_LAYER_NORM_BACKWARD, "add_layer_norm_backward", 0, add_layer_norm_backward},
    {NB_OP_ATTENTION_FORWARD, "attention_forward", 0, attention_forward},
    {NB_OP_ATTENTION_BACKWARD, "attention_backward", 0, attention_backward},
    {NB_OP_ATTENTION_PROBABILITIES, "attention_probabilities", 0, attention_probabilities},
    {NB_OP_GATHER_ROWS_FORWARD, "gather_rows_forward", 0, gather_rows_forward},
    {NB_OP_GATHER_ROWS_BACKWARD, "gather_rows_backward", 1, gather_rows_backward},
    {NB_OP_MEAN_POOL_FORWARD, "mean_pool_forward", 0, mean_pool_forward},
    {NB_OP_MEAN_POOL_BACKWARD, "mean_pool_backward", 1, mean_pool_backward},
    {NB_OP_DROPOUT, "dropout", 0, dropout},
    {NB_OP_CROSS_ENTROPY_FORWARD, "cross_entropy_forward", 0, cross_entropy_forward},
    {NB_OP_CROSS_ENTROPY_BACKWARD, "cross_entropy_backward", 0, cross_entropy_backward},
    {NB_OP_SUM_OF_SQUARES, "sum_of_squares", 0, sum_of_squares},
    {NB_OP_ADAMW, "adamw", 0, adamw},
    {NB_OP_UPDATE_LOSS_SCALE, "update_loss_scale", 0, update_loss_scale},
};

}  // namespace

const Op* find_op(int32_t number) {
  for (const Op& op : OPS)
    if (op.op == number) return &op;
  return nullptr;
}

const char* op_name(int32_t number) {
  const Op* op = find_op(number);
  return op == nullptr ? "a step" : op->name;
}

}  // namespace node_bert::cuda
