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

// Several sequences, one of more than three tiles, the last one ragged.
void attention(const Launch& launch) {
  const std::vector<int32_t> ends = {0, 1, 64, 128, 328, 365};
  AttentionShape shape{};
  shape.N = ends.back(), shape.A = 2, shape.D = 64, shape.B = 5, shape.max_seqlen = 200, shape.scale = 0.125f;
  const int64_t H = shape.A * shape.D, N = shape.N;
  const Dropout dropout = {0.1f, 1, 2, 3, 4};
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
  return cudaDeviceSynchronize() == cudaSuccess && cudaGetLastError() == cudaSuccess ? 0 : 1;
}
