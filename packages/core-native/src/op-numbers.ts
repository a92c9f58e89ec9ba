/** Ops of the backend ABI and their numbers (native/include/node_bert/backend.h, nb_op, which documents tensors and params of each). */
export const OP_NUMBER = {
  fill: 1,
  convert: 2,
  add: 3,
  embeddings_forward: 10,
  embeddings_backward: 11,
  linear_forward: 12,
  linear_backward: 13,
  add_layer_norm_forward: 14,
  add_layer_norm_backward: 15,
  attention_forward: 16,
  attention_backward: 17,
  attention_probabilities: 18,
  linear_int8_forward: 19,
  gather_rows_forward: 20,
  gather_rows_backward: 21,
  mean_pool_forward: 22,
  mean_pool_backward: 23,
  dropout: 24,
  cross_entropy_forward: 30,
  cross_entropy_backward: 31,
  sum_of_squares: 40,
  adamw: 41,
  update_loss_scale: 42,
  step_begin: 50,
  step_end: 51,
} as const;

export type OpName = keyof typeof OP_NUMBER;

/** Marks in the stream of ops; they compute nothing. */
export const MARKS: readonly OpName[] = ["step_begin", "step_end"];
/** Ops that CUDA devices do not have. */
export const CPU_OPS: readonly OpName[] = ["linear_int8_forward"];
/** Ops that only devices with f16 have. */
export const F16_OPS: readonly OpName[] = ["update_loss_scale"];
