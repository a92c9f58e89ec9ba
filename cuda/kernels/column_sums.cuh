// The second stage of a sum over rows: out[c] += partials[0][c] + partials[1][c] + ..., in an order that depends on the number of groups only.
#pragma once

#include "common.cuh"

namespace node_bert::cuda {

// Columns 0 .. split - 1 of partials (groups, columns) are added to first (split), the others to second (columns - split). Either may be null.
// A block has 32 columns. Warp w adds up groups w, w + 32, ... of all of them, a lane each, then, by way of shared memory, the 32 sums of column w.
__global__ static void __launch_bounds__(WARP* WARP)
    add_column_sums_kernel(const float* partials, int64_t groups, int64_t columns, float* first, int64_t split, float* second) {
  __shared__ float sums[WARP][WARP + 1];
  const int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  const int64_t begin = int64_t{blockIdx.x} * WARP, column = begin + lane;
  float sum = 0;
  if (column < columns) {
#pragma unroll 8
    for (int64_t group = warp; group < groups; group += WARP) sum += partials[group * columns + column];
  }
  sums[warp][lane] = sum;
  __syncthreads();
  sum = warp_sum(sums[lane][warp]);
  const int64_t own = begin + warp;
  if (lane != 0 || own >= columns) return;
  if (own < split) {
    if (first != nullptr) first[own] += sum;
  } else if (second != nullptr) {
    second[own - split] += sum;
  }
}

inline cudaError_t add_column_sums(const Launch& launch, const float* partials, int64_t groups, int64_t columns, float* first, int64_t split,
                                   float* second) {
  if (first == nullptr && second == nullptr) return cudaSuccess;
  add_column_sums_kernel<<<ceil_div(columns, WARP), WARP * WARP, 0, launch.stream>>>(partials, groups, columns, first, split, second);
  return cudaGetLastError();
}

}  // namespace node_bert::cuda
