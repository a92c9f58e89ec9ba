// The kernels as a table of functions, one table per instruction set. Arguments are plain data: the kernels allocate nothing,
// check nothing and cannot fail; ops/*.cc has done all that. Shapes are in the alphabet of backend.h.
#pragma once
#include <cstdint>

namespace node_bert::cpu {

struct bf16 {
  uint16_t bits;
};

enum class Type : int32_t { f32, bf16 };

// Rows of padded scratch matrices are multiples of this many floats, whatever the vector width: it is the widest one.
inline constexpr int64_t kPad = 16;
constexpr int64_t padded(int64_t size) { return (size + kPad - 1) / kPad * kPad; }

// Sums over rows (gradients of gamma, beta and biases) are taken over blocks of this many rows, then over the blocks in order, so
// the result does not depend on the number of threads.
inline constexpr int64_t kRowBlock = 32;
constexpr int64_t row_blocks(int64_t rows) { return (rows + kRowBlock - 1) / kRowBlock; }

// Random half-words are generated in groups of this many columns.
inline constexpr int64_t kBitsGroup = 64;
constexpr int64_t padded_bits(int64_t columns) { return (columns + kBitsGroup - 1) / kBitsGroup * kBitsGroup; }

// See philox.h. threshold == 0: no dropout.
struct Dropout {
  uint32_t threshold, seed_low, seed_high, step, op;
  float scale;
};

struct LayerNormForward {
  const void *x, *residual;  // (N,H) X; residual may be null
  const float *gamma, *beta;
  void *y, *z;  // (N,H) X; z may be null
  float *mean, *rstd;
  int64_t N, H;
  float eps;
  Dropout dropout;
  float* scratch;  // threads * layer_norm_scratch(H)
};

struct LayerNormBackward {
  const void* z;  // (N,H) X
  const float *gamma, *mean, *rstd;
  const void* dy;
  void *dx, *dresidual;   // either may be null
  float *dgamma, *dbeta;  // either may be null
  int64_t N, H;
  Dropout dropout;
  float* scratch;   // threads * layer_norm_scratch(H)
  float* partials;  // row_blocks(N) * 2 * padded(H)
};

// Floats a thread needs for one row: its values and its random half-words.
constexpr int64_t layer_norm_scratch(int64_t H) { return padded(H) + padded_bits(H) / 2; }

struct Embeddings {
  const int32_t *ids, *positions, *types;
  const float *word, *position, *type;
  const float *gamma, *beta;
  float *mean, *rstd;  // written by forward, read by backward
  int64_t N, H;
  float eps;
  Dropout dropout;
  float* scratch;  // threads * layer_norm_scratch(H)
  // forward
  void* y;  // (N,H) X
  // backward
  const void* dy;                                     // (N,H) X
  float *dword, *dposition, *dtype, *dgamma, *dbeta;  // each may be null
  float* dz;                                          // (N, padded(H)) scratch
  float* partials;                                    // row_blocks(N) * 2 * padded(H)
};

struct ActivationBackward {
  const void *saved, *dy;  // (N,M) X
  void* dpre;              // (N,M) X, may be dy
  float* dbias;            // (M), may be null
  int64_t N, M;
  int32_t activation;
  float* partials;  // row_blocks(N) * padded(M), when dbias is given
};

struct Attention {
  const void* qkv;            // (N,3H) X
  const int32_t* cu_seqlens;  // (B+1)
  const int32_t* order;       // (B) sequences, longest first
  int64_t B, N, H, A, D, S;   // S: the longest length
  float scale;
  Dropout dropout;
  float* scratch;        // threads * attention_*_scratch
  const void* dout;      // backward: (N,H) X
  void* out;             // forward: (N,H) X; backward: dqkv (N,3H) X
  float* lse;            // (A,N); forward: may be null
  float* probabilities;  // of attention_probabilities: (A, squares)
  int64_t squares;
};

// Query rows that are worked on at once: enough to amortise a pass over the keys, few enough that their scores stay in cache.
inline constexpr int64_t kQueryBlock = 48;

constexpr int64_t attention_forward_scratch(int64_t S, int64_t D) {
  return D * padded(S) + S * padded(D) + kQueryBlock * (padded(S) + 2 * padded(D)) + kQueryBlock + padded_bits(S) / 2;
}
constexpr int64_t attention_backward_scratch(int64_t S, int64_t D) {
  return 2 * D * padded(S) + 3 * S * padded(D) + kQueryBlock * (2 * padded(S) + 5 * padded(D)) + 2 * padded(S) +
         padded_bits(S) / 2;
}

struct CrossEntropy {
  const void* logits;  // (N,C) X
  const int32_t* labels;
  int64_t N, C, ignore_index;
  float *losses, *lse;  // forward: (N); lse may be null
  float factor;         // backward: dloss / rows that count
  void* dlogits;        // backward: (N,C) X, may be logits
};

struct AdamW {
  float *param, *grad, *m, *v;
  bf16* copy;  // may be null
  int64_t n;
  float grad_factor, keep, beta1, beta2, one_minus_beta1, one_minus_beta2, eps, step_size, inverse_root_correction2;
  bool zero_grad;
};

// c (M,N) = [c +] a (M,K) b (K,N) [+ bias (N)], elements at a[i * a_row + k * a_column] and b[k * b_row + j * b_column].
struct SmallGemm {
  int64_t M, N, K;
  const void *a, *b;  // X
  int64_t a_row, a_column, b_row, b_column;
  const float* bias;  // may be null
  void* c;            // (M,N) X, or f32 when c_is_f32
  bool accumulate, c_is_f32;
};

// What becomes of the sums of a product of quantized matrices: y = activation(row_scale * column_scale * (sum - offset) + bias).
struct Int8Finish {
  const int32_t* sums;         // (N,M)
  const float* row_scales;     // (N)
  const float* column_scales;  // (M)
  const int32_t* offsets;      // (M)
  const float* bias;           // (M), may be null
  void* y;                     // (N,M) X
  int64_t N, M;
  int32_t activation;
};

// A weight (M,K) in 8 bits as int8_vnni.cc has it: in panels of so many output channels, K padded to words.
inline constexpr int64_t kInt8Columns = 32;
constexpr int64_t int8_depth(int64_t K) { return (K + 3) / 4 * 4; }
constexpr int64_t int8_panels_bytes(int64_t M, int64_t K) {
  return (M + kInt8Columns - 1) / kInt8Columns * kInt8Columns * int8_depth(K);
}

struct Int8Weight {
  const int8_t* panels;
  const float* scales;     // (M)
  const int32_t* offsets;  // (M)
  const float* bias;       // (M), may be null
  int64_t M, K;
};

// Rows that are worked on at once: enough for each word of the weights to be used often, few enough that they stay in cache.
inline constexpr int64_t kInt8Rows = 96;
constexpr bool int8_few_rows(int64_t N, int threads) { return N < 3 * kInt8Rows * threads; }
constexpr int64_t int8_scratch_rows(int64_t N, int threads) { return int8_few_rows(N, threads) ? N : kInt8Rows * threads; }

// y = activation(x W^T + b)
struct Int8Linear {
  const void* x;  // (N,K) X
  Int8Weight weight;
  void* y;  // (N,M) X
  int64_t N;
  int32_t activation;
  // scratch, for int8_scratch_rows
  uint8_t* q;         // (rows, int8_depth(K))
  float* row_scales;  // (rows)
};

struct Kernels {
  void (*fill)(float* y, float value, int64_t count, int threads);
  void (*fill_bf16)(bf16* y, bf16 value, int64_t count, int threads);
  void (*f32_to_bf16)(const float* x, bf16* y, int64_t count, int threads);
  void (*bf16_to_f32)(const bf16* x, float* y, int64_t count, int threads);
  void (*add)(Type type, const void* a, const void* b, void* y, int64_t count, int threads);
  void (*dropout)(Type type, const void* x, void* y, int64_t rows, int64_t columns, const Dropout& dropout, float* scratch,
                  int threads);

  void (*layer_norm_forward)(Type type, const LayerNormForward& args, int threads);
  void (*layer_norm_backward)(Type type, const LayerNormBackward& args, int threads);
  void (*embeddings_forward)(Type type, const Embeddings& args, int threads);
  void (*embeddings_backward)(Type type, const Embeddings& args, int threads);

  void (*activation_forward)(Type type, int32_t activation, const void* pre, void* y, int64_t count, int threads);
  void (*activation_backward)(Type type, const ActivationBackward& args, int threads);
  // dbias (M) += the column sums of dy (N,M)
  void (*column_sums)(Type type, const void* dy, float* dbias, int64_t N, int64_t M, float* partials, int threads);

  void (*attention_forward)(Type type, const Attention& args, int threads);
  void (*attention_backward)(Type type, const Attention& args, int threads);
  void (*attention_probabilities)(Type type, const Attention& args, int threads);

  void (*gather_rows)(Type type, const void* x, const int32_t* index, void* y, int64_t M, int64_t H, int threads);
  // Row n of dx is the sum of the rows sources[starts[n]] .. sources[starts[n + 1] - 1] of dy; zero when there is none.
  void (*scatter_rows)(Type type, const int32_t* starts, const int32_t* sources, const void* dy, void* dx, int64_t N, int64_t H,
                       int threads);
  void (*mean_pool_forward)(Type type, const void* x, const int32_t* cu_seqlens, void* y, int64_t B, int64_t H, int threads);
  void (*mean_pool_backward)(Type type, const int32_t* cu_seqlens, const void* dy, void* dx, int64_t B, int64_t H, int threads);

  void (*cross_entropy_forward)(Type type, const CrossEntropy& args, int threads);
  void (*cross_entropy_backward)(Type type, const CrossEntropy& args, int threads);

  // partials: sum_of_squares_blocks(count) doubles
  double (*sum_of_squares)(const float* x, int64_t count, double* partials, int threads);
  void (*adamw)(const AdamW& args, int threads);

  void (*small_gemm)(Type type, const SmallGemm& args, int threads);

  // Rows of x (N,K) as q = round(x / scale) + 128, with the largest magnitude of a row at 127 and half a step rounded to even.
  void (*quantize_rows)(Type type, const void* x, uint8_t* q, float* scales, int64_t N, int64_t K, int threads);
  // Rows of w (M,K) as q = round(w / scale); offsets[m] = 128 * the sum of row m of q.
  void (*quantize_weight)(const float* w, int8_t* q, float* scales, int32_t* offsets, int64_t M, int64_t K, int threads);
  // c (N,M) = a (N,K) b (M,K)^T, exactly: for processors whose library would saturate.
  void (*int8_gemm)(const uint8_t* a, const int8_t* b, int32_t* c, int64_t N, int64_t M, int64_t K, int threads);
  void (*int8_finish)(Type type, const Int8Finish& args, int threads);
  // All of it at once, for processors with VNNI; null at other instruction sets. int8_pack: from plain rows.
  void (*int8_pack)(const int8_t* q, int8_t* panels, int64_t M, int64_t K, int threads);
  void (*int8_linear)(Type type, const Int8Linear& args, int threads);
};

inline constexpr int64_t kSquaresBlock = 16384;
constexpr int64_t sum_of_squares_blocks(int64_t count) { return (count + kSquaresBlock - 1) / kSquaresBlock; }

namespace baseline {
extern const Kernels kKernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
namespace avx512_bf16 {
extern const Kernels kKernels;
}
#endif

}  // namespace node_bert::cpu
