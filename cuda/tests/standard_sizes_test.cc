// Every kernel of a BERT-base training step once, at its width, in bf16. It checks no numbers: run with NODE_BERT_EMULATOR_COUNTERS it leaves the counts
// that scripts/cuda/golden.mjs compares.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/launch.h"

using namespace node_bert::cuda;

namespace {

constexpr int64_t N = 304, B = 3, H = 768, A = 12, F = 3072, V = 1000, P = 512, T = 2, C = 2, MASKED = 40, VOCABULARY = 30522, ARENA = 100003;
constexpr DType X = DType::bf16;
const Dropout DROPOUT{0.1, 1, 2, 3, 4};

void must(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}

// Device memory of zeros, never freed: the process ends soon.
template <class E = void>
E* zeros(size_t bytes) {
  void* data = nullptr;
  must(cudaMalloc(&data, bytes), "cudaMalloc");
  must(cudaMemset(data, 0, bytes), "cudaMemset");
  return static_cast<E*>(data);
}
void* activations(int64_t rows, int64_t columns) { return zeros(static_cast<size_t>(rows * columns) * 2); }
float* floats(int64_t count) { return zeros<float>(static_cast<size_t>(count) * 4); }

int32_t* indices(const std::vector<int32_t>& values) {
  auto* data = zeros<int32_t>(values.size() * 4);
  must(cudaMemcpy(data, values.data(), values.size() * 4, cudaMemcpyHostToDevice), "cudaMemcpy");
  return data;
}

std::vector<int32_t> spread(int64_t count, int64_t limit) {
  std::vector<int32_t> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<int32_t>(i * i % limit));
  return values;
}

}  // namespace

int main() {
  const Launch launch{nullptr, 80, 108, zeros<int>(4)};
  const auto run = [](cudaError_t error, const char* what) {
    must(error, what);
    must(cudaDeviceSynchronize(), what);
  };
  void *x = activations(N, H), *y = activations(N, H), *z = activations(N, H), *dy = activations(N, H), *dx = activations(N, H);
  float *gamma = floats(H), *mean = floats(N), *rstd = floats(N), *dgamma = floats(H), *dbeta = floats(H);

  const EmbeddingTables tables{indices(spread(N, V)), indices(spread(N, P)), indices(spread(N, T)), floats(V * H), floats(P * H), floats(T * H), N, H, V, P, T};
  run(embeddings_forward(launch, X, tables, gamma, gamma, y, mean, rstd, 1e-12f, DROPOUT), "embeddings_forward");
  run(embeddings_backward(launch, X, tables, gamma, mean, rstd, dy, floats(V * H), floats(P * H), floats(T * H), dgamma, dbeta, DROPOUT,
                          zeros(embeddings_backward_workspace(N, H))),
      "embeddings_backward");

  run(add_layer_norm_forward(launch, X, x, z, gamma, gamma, y, z, mean, rstd, N, H, 1e-12f, DROPOUT), "add_layer_norm_forward");
  run(add_layer_norm_backward(launch, X, z, gamma, mean, rstd, dy, dx, y, dgamma, dbeta, N, H, DROPOUT, zeros(add_layer_norm_backward_workspace(N, H))),
      "add_layer_norm_backward");

  void *wide = activations(N, F), *pre = activations(N, F);
  float* bias = floats(F);
  run(bias_activation_forward(launch, X, wide, X, bias, NB_ACTIVATION_GELU, wide, pre, N, F), "bias_activation_forward");
  run(bias_activation_forward(launch, DType::f32, floats(N * F), X, bias, NB_ACTIVATION_GELU, wide, pre, N, F), "bias_activation_forward");
  run(activation_backward(launch, X, pre, wide, NB_ACTIVATION_GELU, wide, bias, N, F, zeros(activation_backward_workspace(N, F))), "activation_backward");

  const AttentionShape shape{N, A, H / A, B, 200, 0.125f};
  const int32_t* cu_seqlens = indices({0, 200, 264, N});
  void* qkv = activations(N, 3 * H);
  float* lse = floats(A * N);
  run(attention_forward(launch, X, shape, qkv, cu_seqlens, y, lse, DROPOUT), "attention_forward");
  run(attention_backward(launch, X, shape, qkv, cu_seqlens, y, lse, dy, activations(N, 3 * H), DROPOUT, zeros(attention_backward_workspace(shape))),
      "attention_backward");

  void* w = activations(H, H);
  run(gemm(launch, {N, H, H, false, true, false}, X, x, w, X, y), "gemm");
  run(gemm(launch, {N, H, H, false, false, false}, X, x, w, X, y), "gemm");
  run(gemm(launch, {H, H, N, true, false, true}, X, x, y, DType::f32, floats(H * H)), "gemm");

  const int32_t* rows = indices(spread(MASKED, N));
  void* gathered = activations(MASKED, H);
  run(gather_rows_forward(launch, X, x, rows, gathered, N, MASKED, H), "gather_rows_forward");
  run(gather_rows_backward(launch, X, rows, gathered, dx, N, MASKED, H), "gather_rows_backward");
  void* pooled = activations(B, H);
  run(mean_pool_forward(launch, X, x, cu_seqlens, pooled, N, B, H), "mean_pool_forward");
  run(mean_pool_backward(launch, X, cu_seqlens, pooled, dx, N, B, H), "mean_pool_backward");
  run(dropout(launch, X, pooled, pooled, B, H, DROPOUT), "dropout");
  run(add(launch, X, x, y, y, N * H), "add");

  for (const auto& [n, c] : {std::pair{B, C}, {MASKED, VOCABULARY}}) {
    void* logits = activations(n, c);
    const int32_t* labels = indices(spread(n, c));
    float* loss = floats(1);
    run(cross_entropy_forward(launch, X, logits, labels, floats(n), loss, nullptr, n, c, -100), "cross_entropy_forward");
    run(cross_entropy_backward(launch, X, logits, labels, loss, logits, n, c, -100, zeros(cross_entropy_backward_workspace())), "cross_entropy_backward");
  }

  float *param = floats(ARENA), *grad = floats(ARENA), *norm = floats(1);
  run(sum_of_squares(launch, grad, ARENA, norm, zeros(sum_of_squares_workspace(ARENA))), "sum_of_squares");
  run(adamw(launch, param, grad, floats(ARENA), floats(ARENA), X, activations(1, ARENA), ARENA, norm, nullptr, {1e-3, 0.9, 0.999, 1e-8, 0.01, 1, 1, 1, true}),
      "adamw");
  run(convert(launch, NB_F32, param, NB_BF16, activations(1, ARENA), ARENA), "convert");
  run(fill(launch, NB_F32, grad, ARENA, 0), "fill");
  return 0;
}
