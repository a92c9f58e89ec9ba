// The kernels of this compilation's instruction set, as the table holds them. See kernels.h for what they do.
#pragma once
#include "kernels.h"

namespace node_bert::cpu::NB_KERNELS {

void fill(float* y, float value, int64_t count, int threads);
void fill_bf16(bf16* y, bf16 value, int64_t count, int threads);
void f32_to_bf16(const float* x, bf16* y, int64_t count, int threads);
void bf16_to_f32(const bf16* x, float* y, int64_t count, int threads);
void add(Type type, const void* a, const void* b, void* y, int64_t count, int threads);
void dropout(Type type, const void* x, void* y, int64_t rows, int64_t columns, const Dropout& dropout, float* scratch,
             int threads);
void layer_norm_forward(Type type, const LayerNormForward& args, int threads);
void layer_norm_backward(Type type, const LayerNormBackward& args, int threads);
void embeddings_forward(Type type, const Embeddings& args, int threads);
void embeddings_backward(Type type, const Embeddings& args, int threads);
void activation_forward(Type type, int32_t activation, const void* pre, void* y, int64_t count, int threads);
void activation_backward(Type type, const ActivationBackward& args, int threads);
void column_sums(Type type, const void* dy, float* dbias, int64_t N, int64_t M, float* partials, int threads);
void attention_forward(Type type, const Attention& args, int threads);
void attention_backward(Type type, const Attention& args, int threads);
void attention_probabilities(Type type, const Attention& args, int threads);
void gather_rows(Type type, const void* x, const int32_t* index, void* y, int64_t M, int64_t H, int threads);
void scatter_rows(Type type, const int32_t* starts, const int32_t* sources, const void* dy, void* dx, int64_t N, int64_t H,
                  int threads);
void mean_pool_forward(Type type, const void* x, const int32_t* cu_seqlens, void* y, int64_t B, int64_t H, int threads);
void mean_pool_backward(Type type, const int32_t* cu_seqlens, const void* dy, void* dx, int64_t B, int64_t H, int threads);
void cross_entropy_forward(Type type, const CrossEntropy& args, int threads);
void cross_entropy_backward(Type type, const CrossEntropy& args, int threads);
double sum_of_squares(const float* x, int64_t count, double* partials, int threads);
void adamw(const AdamW& args, int threads);
void small_gemm(Type type, const SmallGemm& args, int threads);
void quantize_rows(Type type, const void* x, uint8_t* q, float* scales, int64_t N, int64_t K, int threads);
void quantize_weight(const float* w, int8_t* q, float* scales, int32_t* offsets, int64_t M, int64_t K, int threads);
void int8_gemm(const uint8_t* a, const int8_t* b, int32_t* c, int64_t N, int64_t M, int64_t K, int threads);
void int8_finish(Type type, const Int8Finish& args, int threads);
void int8_pack(const int8_t* q, int8_t* panels, int64_t M, int64_t K, int threads);
void int8_linear(Type type, const Int8Linear& args, int threads);

}  // namespace node_bert::cpu::NB_KERNELS
