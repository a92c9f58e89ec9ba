// A row of H columns held in the registers of a team of threads, and LayerNorm of it (Ba, Kiros & Hinton 2016):
//   y = (z - mean) * rstd * gamma + beta,  rstd = 1 / sqrt(mean((z - mean)^2) + eps)
//   dz = rstd * (g - mean(g) - normalized * mean(g * normalized)),  g = dy * gamma,  normalized = (z - mean) * rstd
//
// The variance takes a second pass, over registers: it costs no memory traffic, and E[z^2] - E[z]^2 would cancel.
// The convention a reader would get wrong: thread t holds the chunks t, t + TEAM, ... of the row, 0 past its end; so a sum of deviations from the mean
// must leave those out, while a sum of anything multiplied by dy or gamma need not.
#pragma once

#include "common.cuh"

namespace node_bert::cuda {

// WARPS warps share a row, CHUNKS chunks a thread. Backward kernels take up to 255 registers, so that 8 warps run on a multiprocessor: each has 6
// 128-bit loads a lane under way, which is enough to fill the memory's pipe. A limit that let in 12 warps made them spill.
template <int WARPS, int CHUNKS>
struct NormRow {
  static constexpr int TEAM = WARPS * WARP;          // threads of a row
  static constexpr int TEAMS = WARPS == 1 ? 4 : 1;   // rows of a block at a time
  static constexpr int THREADS = TEAMS * TEAM;
  static constexpr int64_t MAX_COLUMNS = TEAM * CHUNKS * CHUNK;

  int H;
  float* shared;  // WARPS floats

  __device__ static int64_t team() { return int64_t{blockIdx.x} * TEAMS + threadIdx.x / TEAM; }
  __device__ static int chunk(int k) { return threadIdx.x % TEAM + k * TEAM; }
  __device__ static int column(int k) { return chunk(k) * CHUNK; }
  __device__ int left(int k) const { return H - column(k); }

  // Over the row of the sum in each thread.
  __device__ float mean_of(float sum) const { return group_sum<WARPS>(sum, shared) / static_cast<float>(H); }

  struct Moments {
    float mean, rstd;
  };

  __device__ Moments moments(const Chunk (&z)[CHUNKS], float eps) const {
    float sum = 0;
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) {
#pragma unroll
      for (int i = 0; i < CHUNK; ++i) sum += z[k].at[i];
    }
    const float mean = mean_of(sum);
    float squares = 0;
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) {
#pragma unroll
      for (int i = 0; i < CHUNK; ++i) {
        const float deviation = z[k].at[i] - mean;
        if (i < left(k)) squares += deviation * deviation;
      }
    }
    return {mean, 1.f / sqrtf(mean_of(squares) + eps)};
  }

  // z becomes the LayerNorm of z, chunk k of it.
  __device__ void normalize(Chunk& z, int k, const Moments& row, const float* gamma, const float* beta, bool vectorized) const {
    const Chunk scale = load_chunk(gamma + column(k), left(k), vectorized);
    const Chunk shift = load_chunk(beta + column(k), left(k), vectorized);
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) z.at[i] = (z.at[i] - row.mean) * row.rstd * scale.at[i] + shift.at[i];
  }

  // The row's part of the gradient. In: z and dy. Out: dy holds dz; dgamma and dbeta have grown by the row's.
  __device__ void backward(Chunk (&z)[CHUNKS], Chunk (&dy)[CHUNKS], const Moments& row, const float* gamma, Chunk (&dgamma)[CHUNKS],
                           Chunk (&dbeta)[CHUNKS], bool vectorized) const {
    float sum = 0, dot = 0;
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) {
      const Chunk scale = load_chunk(gamma + column(k), left(k), vectorized);
#pragma unroll
      for (int i = 0; i < CHUNK; ++i) {
        const float normalized = (z[k].at[i] - row.mean) * row.rstd;
        const float g = dy[k].at[i] * scale.at[i];
        dgamma[k].at[i] += dy[k].at[i] * normalized;
        dbeta[k].at[i] += dy[k].at[i];
        sum += g;
        dot += g * normalized;
        z[k].at[i] = normalized;
        dy[k].at[i] = g;
      }
    }
    const float mean_g = mean_of(sum), mean_dot = mean_of(dot);
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) {
#pragma unroll
      for (int i = 0; i < CHUNK; ++i) dy[k].at[i] = row.rstd * (dy[k].at[i] - mean_g - z[k].at[i] * mean_dot);
    }
  }

  // partials (2, H): what the block's teams summed of dgamma and of dbeta, added up in their order. All threads of the block must come here.
  // H a multiple of 8 keeps the second row aligned.
  __device__ void store_partials(float* partials, Chunk (&dgamma)[CHUNKS], Chunk (&dbeta)[CHUNKS], bool vectorized) const {
    if constexpr (TEAMS > 1) {
      __shared__ float sums[2][CHUNK][CHUNKS * TEAM];
      const int team = threadIdx.x / TEAM;
      for (int turn = 0; turn < TEAMS; ++turn) {
        if (team == turn) {
#pragma unroll
          for (int k = 0; k < CHUNKS; ++k) {
#pragma unroll
            for (int i = 0; i < CHUNK; ++i) {
              if (turn > 0) {
                dgamma[k].at[i] += sums[0][i][chunk(k)];
                dbeta[k].at[i] += sums[1][i][chunk(k)];
              }
              sums[0][i][chunk(k)] = dgamma[k].at[i];
              sums[1][i][chunk(k)] = dbeta[k].at[i];
            }
          }
        }
        __syncthreads();
      }
      if (team != TEAMS - 1) return;
    }
#pragma unroll
    for (int k = 0; k < CHUNKS; ++k) {
      store_chunk(partials + column(k), dgamma[k], left(k), vectorized);
      store_chunk(partials + H + column(k), dbeta[k], left(k), vectorized);
    }
  }
};

// visit(NormRow<...>{}) with the smallest team that holds H columns: a warp up to 768, four warps up to MAX_NORM_COLUMNS.
template <class Visit>
cudaError_t dispatch_norm_row(int64_t H, Visit visit) {
  if (H <= NormRow<1, 3>::MAX_COLUMNS) return visit(NormRow<1, 3>{});
  if (H <= NormRow<4, 3>::MAX_COLUMNS) return visit(NormRow<4, 3>{});
  return cudaErrorInvalidValue;
}
static_assert(NormRow<4, 3>::MAX_COLUMNS == MAX_NORM_COLUMNS);

// Backward kernels give each block a group of neighbouring rows, which its teams take in turn, and each group a row of partial sums for dgamma and
// dbeta. The number of rows depends on N alone, so that the sums have the same order on every device; 256 blocks of 4 warps fill an H100 once.
inline int64_t norm_group_rows(int64_t N) { return N <= 1024 ? 4 : 4 * ceil_div(N, 1024); }
inline int64_t norm_groups(int64_t N) { return ceil_div(N, norm_group_rows(N)); }

}  // namespace node_bert::cuda
