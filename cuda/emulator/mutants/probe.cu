// Runs kernels of the backend on fixed inputs and prints every bit of what they give: what scripts/test-cuda-mutants.mjs compares between the kernels
// as they are and the same with one fault planted. Ends with 1 and the emulator's report when a check fails.
#include <cuda_bf16.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/launch.h"

namespace {

using namespace node_bert::cuda;

float noise(uint32_t i) {
  i = (i ^ 61u ^ i >> 16) * 9u;
  i = (i ^ i >> 4) * 0x27d4eb2du;
  return static_cast<float>(static_cast<int32_t>(i ^ i >> 15)) * 4.656613e-10f;
}

template <class T>
T* uploaded(const std::vector<T>& values) {
  T* at = nullptr;
  cudaMalloc(reinterpret_cast<void**>(&at), values.size() * sizeof(T));
  cudaMemcpy(at, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice);
  return at;
}
std::vector<float> floats(int64_t count, uint32_t salt) {
  std::vector<float> values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = noise(static_cast<uint32_t>(i) + salt * 0x9e3779b9u);
  return values;
}
std::vector<__nv_bfloat16> brains(int64_t count, uint32_t salt) {
  std::vector<__nv_bfloat16> values;
  for (const float value : floats(count, salt)) values.push_back(__float2bfloat16(value));
  return values;
}
template <class T>
T* fresh(int64_t count) {
  void* at = nullptr;
  cudaMalloc(&at, count * sizeof(T));
  return static_cast<T*>(at);
}
template <class T>
void print(const char* name, const T* device, int64_t count) {
  std::vector<T> values(count);
  cudaMemcpy(values.data(), device, count * sizeof(T), cudaMemcpyDeviceToHost);
  uint64_t hash = 14695981039346656037ull;
  const unsigned char* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (size_t i = 0; i < count * sizeof(T); ++i) hash = (hash ^ bytes[i]) * 1099511628211ull;
  std::printf("%s %016llx\n", name, static_cast<unsigned long long>(hash));
}

constexpr Dropout kDropout = {0.1f, 1, 2, 3, 4};

// Several sequences, one of more than three tiles, the last one ragged.
void attention(const Launch& launch) {
  const std::vector<int32_t> ends = {0, 1, 64, 128, 328, 365};
  AttentionShape shape{};
  shape.N = ends.back(), shape.A = 2, shape.D = 64, shape.B = 5, shape.max_seqlen = 200, shape.scale = 0.125f;
  const int64_t H = shape.A * shape.D, N = shape.N;
  const Dropout dropout = kDropout;
  auto* qkv = uploaded(brains(N * 3 * H, 1));
  auto* dout = uploaded(brains(N * H, 2));
  auto* cu_seqlens = uploaded(ends);
  auto* out = fresh<__nv_bfloat16>(N * H);
  auto* dqkv = fresh<__nv_bfloat16>(N * 3 * H);
  float* lse = fresh<float>(shape.A * N);
  void* workspace = fresh<char>(static_cast<int64_t>(attention_backward_workspace(shape)));
  attention_forward(launch, DType::bf16, shape, qkv, cu_seqlens, out, lse, dropout);
  attention_backward(launch, DType::bf16, shape, qkv, cu_seqlens, out, lse, dout, dqkv, dropout, workspace);
  print("out", out, N * H);
  print("lse", lse, shape.A * N);
  print("dqkv", dqkv, N * 3 * H);
}

void optimizer(const Launch& launch) {
  const int64_t n = 40003;
  float *param = uploaded(floats(n, 1)), *grad = uploaded(floats(n, 2)), *m = uploaded(floats(n, 3));
  std::vector<float> squares = floats(n, 4);
  for (float& value : squares) value *= value;
  float* v = uploaded(squares);
  float* norm = uploaded(std::vector<float>{0});
  auto* copy = fresh<__nv_bfloat16>(n);
  AdamWParams params{};
  params.lr = 1e-3f, params.beta1 = 0.9f, params.beta2 = 0.999f, params.eps = 1e-8f, params.weight_decay = 0.01f, params.step = 3, params.max_norm = 1, params.grad_scale = 1;
  params.zero_grad = true;
  sum_of_squares(launch, grad, n, norm, fresh<char>(static_cast<int64_t>(sum_of_squares_workspace(n))));
  adamw(launch, param, grad, m, v, DType::bf16, copy, n, norm, nullptr, params);
  print("norm", norm, 1);
  print("param", param, n);
  print("m", m, n);
  print("v", v, n);
  print("copy", copy, n);
  print("grad", grad, n);
}

std::vector<int32_t> integers(int64_t count, int32_t limit, uint32_t salt) {
  std::vector<int32_t> values;
  for (const float value : floats(count, salt)) values.push_back(static_cast<int32_t>((value + 1) * 0.5f * limit) % limit);
  return values;
}
// Where a backward pass adds what it finds.
float* started(int64_t count) { return uploaded(std::vector<float>(count, 0.25f)); }

// A row a warp and a row four warps; rows that end inside a thread's chunks, and a group of rows that is not full.
void layer_norm(const Launch& launch) {
  for (const int64_t H : {72, 1000}) {
    const int64_t N = 37;
    auto *x = uploaded(brains(N * H, 1)), *residual = uploaded(brains(N * H, 2)), *dy = uploaded(brains(N * H, 3));
    float *gamma = uploaded(floats(H, 4)), *beta = uploaded(floats(H, 5)), *mean = fresh<float>(N), *rstd = fresh<float>(N), *dgamma = started(H), *dbeta = started(H);
    auto *y = fresh<__nv_bfloat16>(N * H), *z = fresh<__nv_bfloat16>(N * H), *dx = fresh<__nv_bfloat16>(N * H), *dresidual = fresh<__nv_bfloat16>(N * H);
    add_layer_norm_forward(launch, DType::bf16, x, residual, gamma, beta, y, z, mean, rstd, N, H, 1e-12f, kDropout);
    add_layer_norm_backward(launch, DType::bf16, z, gamma, mean, rstd, dy, dx, dresidual, dgamma, dbeta, N, H, kDropout,
                            fresh<char>(static_cast<int64_t>(add_layer_norm_backward_workspace(N, H))));
    print("y", y, N * H), print("z", z, N * H), print("rstd", rstd, N);
    print("dx", dx, N * H), print("dresidual", dresidual, N * H), print("dgamma", dgamma, H), print("dbeta", dbeta, H);
  }
}

// Token types repeat for more than three pieces of sorted tokens; the last piece and the last group of rows are not full.
void embeddings(const Launch& launch) {
  const int64_t N = 301, H = 72, V = 50, P = 64, T = 2;
  const EmbeddingTables tables = {uploaded(integers(N, V, 1)), uploaded(integers(N, P, 2)), uploaded(integers(N, T, 3)),
                                  uploaded(floats(V * H, 4)), uploaded(floats(P * H, 5)), uploaded(floats(T * H, 6)), N, H, V, P, T};
  float *gamma = uploaded(floats(H, 7)), *beta = uploaded(floats(H, 8)), *mean = fresh<float>(N), *rstd = fresh<float>(N);
  float *dword = started(V * H), *dposition = started(P * H), *dtype = started(T * H), *dgamma = started(H), *dbeta = started(H);
  auto *y = fresh<__nv_bfloat16>(N * H), *dy = uploaded(brains(N * H, 9));
  embeddings_forward(launch, DType::bf16, tables, gamma, beta, y, mean, rstd, 1e-12f, kDropout);
  embeddings_backward(launch, DType::bf16, tables, gamma, mean, rstd, dy, dword, dposition, dtype, dgamma, dbeta, kDropout,
                      fresh<char>(static_cast<int64_t>(embeddings_backward_workspace(N, H))));
  print("y", y, N * H), print("mean", mean, N);
  print("dword", dword, V * H), print("dposition", dposition, P * H), print("dtype", dtype, T * H), print("dgamma", dgamma, H), print("dbeta", dbeta, H);
  int error = 0;
  cudaMemcpy(&error, launch.error, sizeof error, cudaMemcpyDeviceToHost);
  std::printf("index error %d\n", error);
}

// A row of a few classes a warp, a row of a vocabulary eight; some rows ignored.
void cross_entropy(const Launch& launch) {
  for (const int64_t C : {3, 3001}) {
    const int64_t N = 19;
    std::vector<int32_t> labels = integers(N, static_cast<int32_t>(C), 1);
    labels[4] = labels[11] = -100;
    std::vector<__nv_bfloat16> logits;
    for (const float value : floats(N * C, 2)) logits.push_back(__float2bfloat16(value * 20));
    auto* logits_d = uploaded(logits);
    auto* labels_d = uploaded(labels);
    float *losses = fresh<float>(N), *loss = fresh<float>(1), *lse = fresh<float>(N), *dloss = uploaded(std::vector<float>{1.5f});
    auto* dlogits = fresh<__nv_bfloat16>(N * C);
    cross_entropy_forward(launch, DType::bf16, logits_d, labels_d, losses, loss, lse, N, C, -100);
    cross_entropy_backward(launch, DType::bf16, logits_d, labels_d, dloss, dlogits, N, C, -100, fresh<char>(static_cast<int64_t>(cross_entropy_backward_workspace())));
    print("losses", losses, N), print("loss", loss, 1), print("lse", lse, N), print("dlogits", dlogits, N * C);
  }
}

// The three products of a linear layer, with ends inside every tile and more steps of k than there are stages; and rows that end inside 128 bits.
void products(const Launch& launch) {
  const int64_t N = 136, K = 232, M = 72;
  auto *x = uploaded(brains(N * K, 1)), *w = uploaded(brains(M * K, 2)), *dy = uploaded(brains(N * M, 3));
  auto *y = fresh<__nv_bfloat16>(N * M), *dx = fresh<__nv_bfloat16>(N * K);
  float* dw = started(M * K);
  gemm(launch, {N, M, K, false, true, false}, DType::bf16, x, w, DType::bf16, y);
  gemm(launch, {N, K, M, false, false, false}, DType::bf16, dy, w, DType::bf16, dx);
  gemm(launch, {M, K, N, true, false, true}, DType::bf16, dy, x, DType::f32, dw);
  auto* odd = fresh<__nv_bfloat16>(N * (M - 3));
  gemm(launch, {N, M - 3, K, false, true, false}, DType::bf16, x, w, DType::bf16, odd);
  print("y", y, N * M), print("dx", dx, N * K), print("dw", dw, M * K), print("odd", odd, N * (M - 3));
}

}  // namespace

int main(int count, char** arguments) {
  Launch launch{};
  cudaStreamCreate(&launch.stream);
  launch.arch = 80;
  launch.multiprocessors = 4;
  launch.error = uploaded(std::vector<int>{0});
  const std::string what = count > 1 ? arguments[1] : "";
  if (what == "attention") attention(launch);
  if (what == "optimizer") optimizer(launch);
  if (what == "layer norm") layer_norm(launch);
  if (what == "embeddings") embeddings(launch);
  if (what == "cross-entropy") cross_entropy(launch);
  if (what == "gemm") products(launch);
  return cudaDeviceSynchronize() == cudaSuccess && cudaGetLastError() == cudaSuccess ? 0 : 1;
}
