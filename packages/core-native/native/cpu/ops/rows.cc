// Gather and mean over sequences.
#include <algorithm>
#include <limits>

#include "ops.h"

namespace node_bert::cpu {

void gather_rows_forward(nb_device& device, const Call& call) {
  const int64_t M = call.dim(1, 0), H = call.dim(0, 1);
  check_indices("index", call.integers(1), M, call.dim(0, 0));
  device.kernels.gather_rows(call.type(0), call.data(0), call.integers(1), call.data(2), M, H, device.threads);
}

// The index is inverted by a counting sort, so that each row of dx is written once, by one thread, with its sources in order.
void gather_rows_backward(nb_device& device, const Call& call) {
  const int64_t M = call.dim(0, 0), N = call.dim(2, 0), H = call.dim(2, 1);
  const int32_t* index = call.integers(0);
  check_indices("index", index, M, N);
  if (N * H == 0) return;
  int32_t* starts = static_cast<int32_t*>(device.scratch.bytes(static_cast<size_t>(N + 2 + M) * sizeof(int32_t)));
  int32_t* sources = starts + N + 2;
  // starts[n + 2] first counts the sources of row n; after the sums starts[n + 1] is where they go next, and in the end where
  // they end.
  std::fill(starts, starts + N + 2, 0);
  for (int64_t m = 0; m < M; ++m) ++starts[index[m] + 2];
  for (int64_t n = 0; n < N; ++n) starts[n + 2] += starts[n + 1];
  for (int64_t m = 0; m < M; ++m) sources[starts[index[m] + 1]++] = static_cast<int32_t>(m);
  device.kernels.scatter_rows(call.type(1), starts, sources, call.data(1), call.data(2), N, H, device.threads);
}

void mean_pool_forward(nb_device& device, const Call& call) {
  const int64_t B = call.dim(2, 0), H = call.dim(2, 1);
  check_cu_seqlens(call.integers(1), B, call.dim(0, 0), std::numeric_limits<int32_t>::max());
  device.kernels.mean_pool_forward(call.type(0), call.data(0), call.integers(1), call.data(2), B, H, device.threads);
}

void mean_pool_backward(nb_device& device, const Call& call) {
  const int64_t B = call.dim(1, 0), H = call.dim(1, 1);
  check_cu_seqlens(call.integers(0), B, call.dim(2, 0), std::numeric_limits<int32_t>::max());
  device.kernels.mean_pool_backward(call.type(1), call.integers(0), call.data(1), call.data(2), B, H, device.threads);
}

}  // namespace node_bert::cpu
