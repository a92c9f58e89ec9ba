// Every kernel launcher of the CUDA backend, callable from plain C++.
//
// A launcher enqueues kernels on launch.stream and returns: it never allocates, synchronises or reads device memory on the host. One that needs
// scratch has a sibling `<name>_workspace(sizes)` that gives the bytes of its last argument. An empty tensor is no error.
// Sizes no kernel was built for return cudaErrorInvalidValue; the launcher's comment names them.
//
// What each op computes is the table in node_bert/backend.h. The convention a reader would get wrong is the same: gradients of parameters are
// accumulated (+=), gradients of activations are overwritten (=).
//
// Shape alphabet: B sequences, N packed tokens, H hidden, V vocabulary, P positions, T token types, C classes, M and K generic sizes.
#ifndef NODE_BERT_CUDA_LAUNCH_H
#define NODE_BERT_CUDA_LAUNCH_H

#include <cuda_runtime_api.h>
#include <stddef.h>
#include <stdint.h>

#include "node_bert/backend.h"

namespace node_bert::cuda {

struct Launch {
  cudaStream_t stream;
  int arch;             // compute capability of the device, 10 major + minor
  int multiprocessors;  // of the device
  int* error;           // device memory, 0 to begin with: the first IndexError met is stored there; may be null
};

// What Launch::error receives. Bad indices are read as 0, so that a kernel stays inside its tensors until the host looks.
enum IndexError : int {
  INDEX_OK = 0,
  INDEX_TOKEN_ID = 1,
  INDEX_POSITION = 2,
  INDEX_TOKEN_TYPE = 3,
  INDEX_LABEL = 4,
  INDEX_ROW = 5,
  INDEX_CU_SEQLENS = 6,
};

// The activation type X. Statistics, tables, biases and parameter gradients are always float.
enum class DType { f32, bf16, f16 };

// The five dropout params of the ABI; p = 0 turns it off. p stays double: the threshold is rounded from it as on the CPU, bit for bit.
struct Dropout {
  double p;
  uint32_t seed_low, seed_high, step, op;
};

// ---- data movement (elementwise.cu)

// y (count) of type f32, bf16, f16, i32 or u8
cudaError_t fill(const Launch& launch, nb_dtype type, void* y, int64_t count, double value);
// x, y (count), both in {f32, bf16, f16}, or of equal type
cudaError_t convert(const Launch& launch, nb_dtype from, const void* x, nb_dtype to, void* y, int64_t count);
// a, b, y (count); y may be a or b
cudaError_t add(const Launch& launch, DType type, const void* a, const void* b, void* y, int64_t count);
// x, y (M, K); y may be x
cudaError_t dropout(const Launch& launch, DType type, const void* x, void* y, int64_t M, int64_t K, const Dropout& dropout);

// ---- rows (rows.cu)

// x (N, H), index (M), y (M, H)
cudaError_t gather_rows_forward(const Launch& launch, DType type, const void* x, const int32_t* index, void* y, int64_t N, int64_t M, int64_t H);
// index (M), dy (M, H), dx (N, H)
cudaError_t gather_rows_backward(const Launch& launch, DType type, const int32_t* index, const void* dy, void* dx, int64_t N, int64_t M, int64_t H);
// x (N, H), cu_seqlens (B + 1), y (B, H)
cudaError_t mean_pool_forward(const Launch& launch, DType type, const void* x, const int32_t* cu_seqlens, void* y, int64_t N, int64_t B, int64_t H);
// cu_seqlens (B + 1), dy (B, H), dx (N, H)
cudaError_t mean_pool_backward(const Launch& launch, DType type, const int32_t* cu_seqlens, const void* dy, void* dx, int64_t N, int64_t B, int64_t H);

// ---- rows that end in a LayerNorm (add_layer_norm.cu, embeddings.cu); H up to MAX_NORM_COLUMNS

constexpr int64_t MAX_NORM_COLUMNS = 3072;

// x, residual?, y, z? (N, H); gamma, beta (H); mean, rstd (N). z and y may be x.
cudaError_t add_layer_norm_forward(const Launch& launch, DType type, const void* x, const void* residual, const float* gamma, const float* beta,
                                   void* y, void* z, float* mean, float* rstd, int64_t N, int64_t H, float eps, const Dropout& dropout);
// z, dy, dx?, dresidual? (N, H); gamma, dgamma?, dbeta? (H); mean, rstd (N). dx and dresidual may be dy.
cudaError_t add_layer_norm_backward(const Launch& launch, DType type, const void* z, const float* gamma, const float* mean, const float* rstd,
                                    const void* dy, void* dx, void* dresidual, float* dgamma, float* dbeta, int64_t N, int64_t H,
                                    const Dropout& dropout, void* workspace);
size_t add_layer_norm_backward_workspace(int64_t N, int64_t H);

struct EmbeddingTables {
  const int32_t *ids, *positions, *types;  // (N)
  const float *word, *position, *type;     // (V, H), (P, H), (T, H)
  int64_t N, H, V, P, T;
};

// y (N, H); gamma, beta (H); mean, rstd (N)
cudaError_t embeddings_forward(const Launch& launch, DType type, const EmbeddingTables& tables, const float* gamma, const float* beta, void* y,
                               float* mean, float* rstd, float eps, const Dropout& dropout);
// dy (N, H); gamma (H); mean, rstd (N); dword? (V, H), dposition? (P, H), dtype? (T, H), dgamma?, dbeta? (H)
cudaError_t embeddings_backward(const Launch& launch, DType type, const EmbeddingTables& tables, const float* gamma, const float* mean,
                                const float* rstd, const void* dy, float* dword, float* dposition, float* dtype, float* dgamma, float* dbeta,
                                const Dropout& dropout, void* workspace);
size_t embeddings_backward_workspace(int64_t N, int64_t H);

// ---- what a linear layer does beside its GEMMs (activation.cu)

// product (N, M) = x W^T, of type product_type: f32 or type; bias? (M); y, pre? (N, M). pre = product + bias, y = activation(product + bias), each
// rounded once. product may be y or pre where the types agree.
cudaError_t bias_activation_forward(const Launch& launch, DType product_type, const void* product, DType type, const float* bias,
                                    nb_activation activation, void* y, void* pre, int64_t N, int64_t M);
// saved?, dy, dpre? (N, M); dbias? (M). dpre = dy * activation'(saved), dbias += column sums of dpre as it was rounded. dpre may be dy.
cudaError_t activation_backward(const Launch& launch, DType type, const void* saved, const void* dy, nb_activation activation, void* dpre,
                                float* dbias, int64_t N, int64_t M, void* workspace);
size_t activation_backward_workspace(int64_t N, int64_t M);

// ---- scaled dot-product self-attention on packed sequences (attention_*.cu)

// D = H / A. On tensor cores where D is 32 or 64 and pointers are 16-byte aligned (on sm_75 in f16 only); by plain loops in f32 otherwise.
struct AttentionShape {
  int64_t N, A, D, B, max_seqlen;
  float scale;
};

// qkv (N, 3H), cu_seqlens (B + 1), out (N, H), lse? (A, N)
cudaError_t attention_forward(const Launch& launch, DType type, const AttentionShape& shape, const void* qkv, const int32_t* cu_seqlens, void* out,
                              float* lse, const Dropout& dropout);
// qkv, dqkv (N, 3H), cu_seqlens (B + 1), out, dout (N, H), lse (A, N). Deterministic.
cudaError_t attention_backward(const Launch& launch, DType type, const AttentionShape& shape, const void* qkv, const int32_t* cu_seqlens,
                               const void* out, const float* lse, const void* dout, void* dqkv, const Dropout& dropout, void* workspace);
size_t attention_backward_workspace(const AttentionShape& shape);
// qkv (N, 3H), cu_seqlens (B + 1), probabilities (A, squares): squares is the sum of the squared lengths. For inspection: not fast.
cudaError_t attention_probabilities(const Launch& launch, DType type, const AttentionShape& shape, const void* qkv, const int32_t* cu_seqlens,
                                    float* probabilities, int64_t squares);

// ---- matrix products, row-major, where there is no cuBLAS (gemm.cu)

struct GemmShape {
  int64_t m, n, k;
  bool transpose_a;  // a is stored (k, m), not (m, k)
  bool transpose_b;  // b is stored (n, k), not (k, n)
  bool accumulate;   // c += instead of c =
};

// c (m, n) = op(a) op(b), summed in f32; output is f32 or as the inputs. Not both transposed. Any size and alignment; fast where rows are multiples of
// 16 bytes and pointers aligned to them. On tensor cores; on sm_75 in f16 only, and by plain f32 products otherwise.
cudaError_t gemm(const Launch& launch, const GemmShape& shape, DType inputs, const void* a, const void* b, DType output, void* c);

// ---- cross-entropy (cross_entropy.cu)

// logits (N, C), labels (N), losses (N), loss (1), lse? (N)
cudaError_t cross_entropy_forward(const Launch& launch, DType type, const void* logits, const int32_t* labels, float* losses, float* loss,
                                  float* lse, int64_t N, int64_t C, int64_t ignore_index);
// logits, dlogits (N, C), labels (N), dloss (1); dlogits may be logits
cudaError_t cross_entropy_backward(const Launch& launch, DType type, const void* logits, const int32_t* labels, const float* dloss, void* dlogits,
                                   int64_t N, int64_t C, int64_t ignore_index, void* workspace);
size_t cross_entropy_backward_workspace();

// ---- optimizer (optimizer.cu)

// x (count), out (1) +=. The order of the sum depends on count alone, not on the device.
cudaError_t sum_of_squares(const Launch& launch, const float* x, int64_t count, float* out, void* workspace);
size_t sum_of_squares_workspace(int64_t count);

// Loss scaling for f16, kept in device memory: the loss is multiplied by scale before backward (dloss of the cross-entropy may be &scale), adamw
// divides by it and skips a step whose norm_squared is not finite, update_loss_scale then halves it, or doubles it after 2000 good steps.
struct LossScale {
  float scale;
  int32_t good_steps;  // since the scale last changed
};

struct AdamWParams {
  double lr, beta1, beta2, eps, weight_decay, step, max_norm, grad_scale;
  bool zero_grad;
};

// param, grad, m, v (n), copy? (n) of copy_type (bf16 or f16), norm_squared? (1), loss_scale? (1). norm_squared is of grad as stored, scaled; it is
// required with loss_scale.
cudaError_t adamw(const Launch& launch, float* param, float* grad, float* m, float* v, DType copy_type, void* copy, int64_t n,
                  const float* norm_squared, const LossScale* loss_scale, const AdamWParams& params);
// After every adamw call of the step.
cudaError_t update_loss_scale(const Launch& launch, LossScale* loss_scale, const float* norm_squared);

}  // namespace node_bert::cuda

#endif  // NODE_BERT_CUDA_LAUNCH_H
