// The table of one instruction set's kernels.
#include "kernels/declare.h"

namespace node_bert::cpu::NB_KERNELS {

const Kernels kKernels = {
    .fill = fill,
    .fill_bf16 = fill_bf16,
    .f32_to_bf16 = f32_to_bf16,
    .bf16_to_f32 = bf16_to_f32,
    .add = add,
    .dropout = dropout,
    .layer_norm_forward = layer_norm_forward,
    .layer_norm_backward = layer_norm_backward,
    .embeddings_forward = embeddings_forward,
    .embeddings_backward = embeddings_backward,
    .activation_forward = activation_forward,
    .activation_backward = activation_backward,
    .column_sums = column_sums,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .attention_probabilities = attention_probabilities,
    .gather_rows = gather_rows,
    .scatter_rows = scatter_rows,
    .mean_pool_forward = mean_pool_forward,
    .mean_pool_backward = mean_pool_backward,
    .cross_entropy_forward = cross_entropy_forward,
    .cross_entropy_backward = cross_entropy_backward,
    .sum_of_squares = sum_of_squares,
    .adamw = adamw,
    .small_gemm = small_gemm,
    .quantize_rows = quantize_rows,
    .quantize_weight = quantize_weight,
    .int8_gemm = int8_gemm,
    .int8_finish = int8_finish,
#if defined(__AVX512VNNI__)
    .int8_pack = int8_pack,
    .int8_linear = int8_linear,
#endif
};

}  // namespace node_bert::cpu::NB_KERNELS
