// y = activation(x W^T + b) with both operands in 8 bits: x by token, on the fly; W by output channel, once (packed_weights.h). The
// sums are exact in 32 bits. A block of rows at a time, so that its sums stay in cache until they are finished.
#include <algorithm>

#include "ops.h"

namespace node_bert::cpu {
namespace {

constexpr int64_t kRows = 256;
// 128 * 127 * 2 of these still fit a sum.
constexpr int64_t kLongest = 65536;

}  // namespace

void linear_int8_forward(nb_device& device, const Call& call) {
  const int64_t N = call.dim(0, 0), K = call.dim(0, 1), M = call.dim(1, 0);
  if (N == 0 || M == 0) return;
  if (K > kLongest) throw Failure{NB_ERROR_UNSUPPORTED, "K is " + std::to_string(K) + ", expected at most " + std::to_string(kLongest)};
  const Type type = call.type(0);
  const int64_t item = type == Type::bf16 ? 2 : 4;
  const PackedWeight& weight = device.gemm.quantized(call.floats(1), M, K);
  if (device.gemm.panels_int8()) {
    const int64_t rows = int8_scratch_rows(N, device.threads);
    float* scales = device.scratch.floats(padded(rows) + padded(rows * int8_depth(K)) / 4);
    return device.kernels.int8_linear(
        type,
        {call.data(0),
         {static_cast<const int8_t*>(weight.data), weight.scales.data(), weight.offsets.data(), call.floats(2), M, K},
         call.data(3),
         N,
         static_cast<int32_t>(call.param(0)),
         reinterpret_cast<uint8_t*>(scales + padded(rows)),
         scales},
        device.threads);
  }
  const int64_t rows = std::min(N, kRows);
  float* scales = device.scratch.floats(padded(rows) + padded(rows * M) + padded(rows * K));
  int32_t* sums = reinterpret_cast<int32_t*>(scales + padded(rows));
  uint8_t* q = reinterpret_cast<uint8_t*>(sums + padded(rows * M));
  for (int64_t begin = 0; begin < N; begin += kRows) {
    const int64_t count = std::min(kRows, N - begin);
    device.kernels.quantize_rows(type, static_cast<const char*>(call.data(0)) + begin * K * item, q, scales, count, K, device.threads);
    device.gemm.run_int8(count, q, weight, sums);
    device.kernels.int8_finish(type,
                               {sums, scales, weight.scales.data(), weight.offsets.data(), call.floats(2),
                                static_cast<char*>(call.data(3)) + begin * M * item, count, M, static_cast<int32_t>(call.param(0))},
                               device.threads);
  }
}

}  // namespace node_bert::cpu
