// The mean over rows with label != ignore_index of -log softmax(logits)[label], and its gradient.
//
//   forward   logits (N, C), labels (N) -> losses, lse (N), loss (1);  losses[n] = lse[n] - logits[n][label]
//   backward  dlogits[n][c] = (exp(logits[n][c] - lse[n]) - [c = label]) * dloss / count,  0 in ignored rows
//
// Memory traffic: forward reads the logits once, with the online form of the softmax's sum (Milakov & Gimelshein 2018); backward reads them once from
// memory and once more from cache, and reads nothing of an ignored row. A warp has a row of up to 1024 classes, 8 warps have one of a vocabulary.
// The convention a reader would get wrong: the mean is over the rows that are not ignored, and it is 0, not NaN, when there are none.
#include <cmath>

#include "common.cuh"

namespace node_bert::cuda {
namespace {

constexpr int THREADS = 256;
constexpr int MAX_WARP_CLASSES = 1024;

// The sum of exp(value - base) of what a thread has seen, base the largest of it, or 0 while that is -inf, so that -inf adds 0 and NaN stays.
struct ExpSum {
  float largest = -INFINITY;
  float sum = 0;

  __device__ static float base(float largest) { return largest == -INFINITY ? 0.f : largest; }

  __device__ void rebase(float new_largest) {
    if (new_largest == largest) return;
    if (largest != -INFINITY) sum *= expf(largest - new_largest);
    largest = new_largest;
  }

  __device__ void add(const Chunk& chunk, int64_t left) {
    float new_largest = largest;
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) new_largest = i < left ? fmaxf(new_largest, chunk.at[i]) : new_largest;
    rebase(new_largest);
#pragma unroll
    for (int i = 0; i < CHUNK; ++i) sum += i < left ? expf(chunk.at[i] - base(largest)) : 0.f;
  }
};

// The log of the sum of exponentials of a row of C logits, for each of its WARPS warps.
template <int WARPS, class X>
__device__ float log_sum_exp(const X* row, int64_t C, bool vectorized, float* shared) {
  ExpSum mine;
  for (int64_t c = threadIdx.x % (WARPS * WARP) * CHUNK; c < C; c += WARPS * WARP * CHUNK) mine.add(load_chunk(row + c, C - c, vectorized), C - c);
  mine.rebase(group_max<WARPS>(mine.largest, shared));
  return ExpSum::base(mine.largest) + logf(group_sum<WARPS>(mine.sum, shared));
}

template <int WARPS>
__device__ __forceinline__ int64_t row_of_thread() {
  return int64_t{blockIdx.x} * (THREADS / (WARPS * WARP)) + threadIdx.x / (WARPS * WARP);
}

template <class X, int WARPS>
__global__ void __launch_bounds__(THREADS) cross_entropy_forward_kernel(const X* logits, const int32_t* labels, float* losses, float* lse, int64_t N,
                                                                        int64_t C, int64_t ignore_index, bool vectorized, int* error) {
  __shared__ float shared[WARPS];
  const int64_t n = row_of_thread<WARPS>();
  if (n >= N) return;
  const bool ignored = labels[n] == ignore_index;
  if (ignored && lse == nullptr) {
    if (threadIdx.x % (WARPS * WARP) == 0) losses[n] = 0.f;
    return;
  }
  const float row_lse = log_sum_exp<WARPS>(logits + n * C, C, vectorized, shared);
  if (threadIdx.x % (WARPS * WARP) != 0) return;
  if (lse != nullptr) lse[n] = row_lse;
  losses[n] = ignored ? 0.f : row_lse - to_float(logits[n * C + checked_index(labels[n], C, INDEX_LABEL, error)]);
}

// The number of rows that count, for the threads of one block.
__device__ int counted_rows(const int32_t* labels, int64_t N, int64_t ignore_index, int* shared) {
  int count = 0;
  for (int64_t n = threadIdx.x; n < N; n += THREADS) count += labels[n] != ignore_index;
  return group_sum<THREADS / WARP>(count, shared);
}

// One block: loss = sum of losses / count.
__global__ void __launch_bounds__(THREADS) mean_loss_kernel(const float* losses, const int32_t* labels, float* loss, int64_t N, int64_t ignore_index) {
  __shared__ float shared[THREADS / WARP];
  __shared__ int shared_counts[THREADS / WARP];
  float mine = 0;
  for (int64_t n = threadIdx.x; n < N; n += THREADS) mine += losses[n];
  const float sum = group_sum<THREADS / WARP>(mine, shared);
  const int count = counted_rows(labels, N, ignore_index, shared_counts);
  if (threadIdx.x == 0) *loss = count > 0 ? sum / static_cast<float>(count) : 0.f;
}

// One block: factor = dloss / count.
__global__ void __launch_bounds__(THREADS) loss_factor_kernel(const int32_t* labels, const float* dloss, float* factor, int64_t N, int64_t ignore_index) {
  __shared__ int shared[THREADS / WARP];
  const int count = counted_rows(labels, N, ignore_index, shared);
  if (threadIdx.x == 0) *factor = *dloss / static_cast<float>(count);
}

// A thread writes only chunks that it has read itself, so that dlogits may be logits.
template <class X, int WARPS>
__global__ void __launch_bounds__(THREADS) cross_entropy_backward_kernel(const X* logits, const int32_t* labels, const float* factor, X* dlogits,
                                                                         int64_t N, int64_t C, int64_t ignore_index, bool vectorized, int* error) {
  __shared__ float shared[WARPS];
  const int64_t n = row_of_thread<WARPS>();
  if (n >= N) return;
  const bool ignored = labels[n] == ignore_index;
  const float row_lse = ignored ? 0.f : log_sum_exp<WARPS>(logits + n * C, C, vectorized, shared);
  const int64_t label = ignored ? 0 : checked_index(labels[n], C, INDEX_LABEL, error);
  for (int64_t c = threadIdx.x % (WARPS * WARP) * CHUNK; c < C; c += WARPS * WARP * CHUNK) {
    Chunk chunk = {};
    if (!ignored) {
      chunk = load_chunk(logits + n * C + c, C - c, vectorized);
#pragma unroll
      for (int i = 0; i < CHUNK; ++i) chunk.at[i] = (expf(chunk.at[i] - row_lse) - (c + i == label ? 1.f : 0.f)) * *factor;
    }
    store_chunk(dlogits + n * C + c, chunk, C - c, vectorized);
  }
}

// visit.operator()<WARPS>() with the warps of a row.
template <class Visit>
cudaError_t dispatch_classes(int64_t C, Visit visit) {
  return C <= MAX_WARP_CLASSES ? visit.template operator()<1>() : visit.template operator()<THREADS / WARP>();
}

}  // namespace

cudaError_t cross_entropy_forward(const Launch& launch, DType type, const void* logits, const int32_t* labels, float* losses, float* loss,
                                  float* lse, int64_t N, int64_t C, int64_t ignore_index) {
  const cudaError_t rows = N == 0 ? cudaSuccess : dispatch_classes(C, [&]<int WARPS>() {
    return dispatch(type, [&](auto tag) {
      using X = decltype(tag);
      const unsigned blocks = ceil_div(N * WARPS * WARP, THREADS);
      cross_entropy_forward_kernel<X, WARPS><<<blocks, THREADS, 0, launch.stream>>>(static_cast<const X*>(logits), labels, losses, lse, N, C,
                                                                                   ignore_index, can_vectorize(C, logits), launch.error);
      return cudaGetLastError();
    });
  });
  if (rows != cudaSuccess) return rows;
  mean_loss_kernel<<<1, THREADS, 0, launch.stream>>>(losses, labels, loss, N, ignore_index);
  return cudaGetLastError();
}

cudaError_t cross_entropy_backward(const Launch& launch, DType type, const void* logits, const int32_t* labels, const float* dloss, void* dlogits,
                                   int64_t N, int64_t C, int64_t ignore_index, void* workspace) {
  if (N == 0 || C == 0) return cudaSuccess;
  float* factor = static_cast<float*>(workspace);
  loss_factor_kernel<<<1, THREADS, 0, launch.stream>>>(labels, dloss, factor, N, ignore_index);
  return dispatch_classes(C, [&]<int WARPS>() {
    return dispatch(type, [&](auto tag) {
      using X = decltype(tag);
      const unsigned blocks = ceil_div(N * WARPS * WARP, THREADS);
      cross_entropy_backward_kernel<X, WARPS><<<blocks, THREADS, 0, launch.stream>>>(static_cast<const X*>(logits), labels, factor,
                                                                                    static_cast<X*>(dlogits), N, C, ignore_index,
                                                                                    can_vectorize(C, logits, dlogits), launch.error);
      return cudaGetLastError();
    });
  });
}

size_t cross_entropy_backward_workspace() { return sizeof(float); }

}  // namespace node_bert::cuda
