// The second stage of a sum over rows: out[c] += partials[0][c] + partials[1][c] + ..., in an order that depends on the number of groups only.
#pragma once

#include "common.cuh"

namespace node_bert::cuda {

constexpr int COLUMN_SUM_LANES = 8;

// Columns 0 .. split - 1 of partials (groups, columns) are added to first (split), the others to second (columns - split). Either may be null.
__global__ static void add_column_sums_kernel(const float* partials, int64_t groups, int64_t columns, float* first, int64_t split, float* second) {
  __shared__ float sums[COLUMN_SUM_LANES][WARP];
  const int lane = threadIdx.x % WARP, part = threadIdx.x / WARP;
  const int64_t column = int64_t{blockIdx.x} * WARP + lane;
  float* out = column < split ? first + column : second + (column - split);
  if (column < split ? first == nullptr : second == nullptr) out = nullptr;
  float sum = 0;
  if (column < columns && out != nullptr) {
#pragma unroll 4
    for (int64_t group = part; group < groups; group += COLUMN_SUM_LANES) sum += partials[group * columns + column];
  }
  sums[part][lane] = sum;
  __syncthreads();
  if (part != 0 || column >= columns || out == nullptr) return;
  for (int other = 1; other < COLUMN_SUM_LANES; ++other) sum += sums[other][lane];
  *out += sum;
}

inline cudaError_t add_column_sums(const Launch& launch, const float* partials, int64_t groups, int64_t columns, float* first, int64_t split,
                                   float* second) {
  if (first == nullptr && second == nullptr) return cudaSuccess;
  add_column_sums_kernel<<<ceil_div(columns, WARP), COLUMN_SUM_LANES * WARP, 0, launch.stream>>>(partials, groups, columns, first, split, second);
  return cudaGetLastError();
}

}  // namespace node_bert::cuda
