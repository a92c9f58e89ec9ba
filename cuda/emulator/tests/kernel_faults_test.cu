// Faults planted in kernels, of order, memory and divergence: each must be caught, and its correct twin must pass.
#include "emulator/tests/check.h"

using namespace node_bert::cuda::emulator::test;

namespace {

constexpr int kThreads = 128;

std::vector<double> doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }
std::vector<double> rotated(int by) {
  std::vector<double> values(kThreads);
  for (int i = 0; i < kThreads; ++i) values[i] = (i + by) % kThreads;
  return values;
}

// --- order within a block

template <bool kFault>
__global__ void exchange(const float* x, float* y) {
  __shared__ float s[kThreads];
  s[threadIdx.x] = x[threadIdx.x];
  if (!kFault) __syncthreads();
  y[threadIdx.x] = s[(threadIdx.x + 40) % kThreads];
}

template <bool kFault>
__global__ void reuse(const float* x, float* y) {
  __shared__ float s[kThreads];
  for (int step = 0; step < 2; ++step) {
    s[threadIdx.x] = x[threadIdx.x] + step;
    __syncthreads();
    y[threadIdx.x] = s[(threadIdx.x + 40) % kThreads] - step;
    if (!kFault) __syncthreads();  // the next step writes what this one reads
  }
}

template <bool kFault>
__global__ void exchange_in_warp(const float* x, float* y) {
  __shared__ float s[kThreads];
  s[threadIdx.x] = x[threadIdx.x];
  if (!kFault) __syncwarp();
  y[threadIdx.x] = s[threadIdx.x ^ 1];
}

template <bool kFault>
__global__ void double_write(const float* x, float* y) {
  __shared__ float total;
  if (threadIdx.x == 0 || (kFault && threadIdx.x == 64)) total = x[7];  // the same value, and still a race
  __syncthreads();
  y[threadIdx.x] = total;
}

template <bool kFault>
__global__ void byte_mask(float* y) {
  __shared__ unsigned char mask[kThreads];
  mask[kFault && threadIdx.x == 33 ? 32 : threadIdx.x] = 1;  // neighbours in one word are no race
  __syncthreads();
  y[threadIdx.x] = kFault && threadIdx.x == 33 ? 1 : mask[threadIdx.x];
}

template <bool kFault>
__global__ void global_exchange(float* scratch, float* y) {
  scratch[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (!kFault) __syncthreads();
  y[threadIdx.x] = scratch[(threadIdx.x + 40) % kThreads];
}

// --- order between blocks

template <bool kFault>
__global__ void sum_of_blocks(const float* x, float* total) {
  const float value = x[blockIdx.x];
  if (threadIdx.x != 0) return;
  if (kFault) *total += value;
  else atomicAdd(total, value);
}

template <bool kFault>
__global__ void neighbour_block(float* scratch, float* y) {
  if (threadIdx.x != 0) return;
  scratch[blockIdx.x] = static_cast<float>(blockIdx.x);
  const int other = kFault ? (blockIdx.x + 1) % gridDim.x : blockIdx.x;
  y[blockIdx.x] = kFault && blockIdx.x + 1 == gridDim.x ? 0 : scratch[other];
}

template <bool kFault>
__global__ void overlapping_rows(float* y, int columns) {
  const int width = kFault ? columns + 1 : columns;  // a row reaches into the next one
  for (int c = threadIdx.x; c < width; c += blockDim.x) {
    const int at = blockIdx.x * columns + c;
    if (at < static_cast<int>(gridDim.x) * columns) y[at] = 1;
  }
}

template <bool kFault>
__global__ void atomic_and_plain(float* total, float* y) {
  atomicAdd(total, 1.0f);
  if (!kFault) __syncthreads();
  y[threadIdx.x] = *total * 0 + 1;
}

template <bool kFault>
__global__ void read_only_path(float* scratch, float* y) {
  scratch[threadIdx.x] = 5;
  y[threadIdx.x] = kFault ? __ldg(scratch + threadIdx.x) : scratch[threadIdx.x];
}

// --- bounds, alignment, initialisation

template <bool kFault>
__global__ void past_the_end(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x + (kFault ? 1 : 0)]; }

template <bool kFault>
__global__ void tail(const float* x, float* y, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (kFault || i < count) y[i] = x[i];
}

template <bool kFault>
__global__ void vector_tail(const float* x, float* y, int count) {
  const int i = 4 * threadIdx.x;
  if (i + 4 <= count || (kFault && i < count)) {
    *reinterpret_cast<float4*>(y + i) = *reinterpret_cast<const float4*>(x + i);
  } else {
    for (int k = i; k < count; ++k) y[k] = x[k];
  }
}

template <bool kFault>
__global__ void past_shared(float* y) {
  __shared__ float first[kThreads], second[kThreads];
  first[threadIdx.x + (kFault ? 1 : 0)] = 1;
  second[threadIdx.x] = 2;
  __syncthreads();
  y[threadIdx.x] = first[threadIdx.x ^ 1] + second[threadIdx.x ^ 1];
}

__global__ void dynamic_shared(float* y) {
  extern __shared__ float dynamic[];
  dynamic[threadIdx.x] = 3;
  y[threadIdx.x] = dynamic[threadIdx.x];
}

template <bool kFault>
__global__ void misaligned(const float* x, float* y) { *reinterpret_cast<float2*>(y + 2 * threadIdx.x) = *reinterpret_cast<const float2*>(x + 2 * threadIdx.x + (kFault ? 1 : 0)); }

template <bool kFault>
__global__ void shared_not_filled(const float* x, float* y, int count) {
  __shared__ float s[kThreads];
  if (static_cast<int>(threadIdx.x) < count) s[threadIdx.x] = x[threadIdx.x];
  else if (!kFault) s[threadIdx.x] = 0;
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x ^ 64];
}

__global__ void copy_all(const float* x, float* y) { y[threadIdx.x] = x[threadIdx.x]; }

// --- lanes and threads together

template <bool kFault>
__global__ void shuffle_from_outside(float* y) {
  float value = static_cast<float>(threadIdx.x);
  if (threadIdx.x < 16) value = __shfl_sync(0xffffu, value, kFault ? 20 : 5);
  y[threadIdx.x] = value;
}

template <bool kFault>
__global__ void shuffle_of_half(float* y) {
  float value = static_cast<float>(threadIdx.x);
  if (threadIdx.x < 16) value = __shfl_xor_sync(kFault ? 0xffffffffu : 0xffffu, value, 1);
  y[threadIdx.x] = __shfl_xor_sync(0xffffffffu, value, 0);
}

template <bool kFault>
__global__ void barrier_of_one_warp(float* y) {
  __shared__ float s[kThreads];
  s[threadIdx.x] = 1;
  if (!kFault || threadIdx.x < 32) __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}

template <bool kFault>
__global__ void barrier_in_branch(float* y) {
  __shared__ float s[kThreads];
  s[threadIdx.x] = 1;
  if (kFault) {
    if (threadIdx.x % 2 == 0) __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = s[threadIdx.x];
}

template <bool kFault>
__global__ void early_return(float* y, int count) {
  __shared__ float s[kThreads];
  if (kFault && static_cast<int>(threadIdx.x) >= count) return;
  s[threadIdx.x] = 1;
  __syncthreads();
  if (static_cast<int>(threadIdx.x) < count) y[threadIdx.x] = s[threadIdx.x];
}

template <class Kernel>
std::function<Outcome(bool)> with_scratch(Kernel good, Kernel bad, dim3 grid = 1, int results = kThreads) {
  return [=](bool fault) {
    float* scratch = fresh_on_device<float>(1024);
    float* y = fresh_on_device<float>(1024);
    (fault ? bad : good)<<<grid, kThreads>>>(scratch, y);
    return outcome_of(y, results);
  };
}
template <class Kernel>
std::function<Outcome(bool)> with_input(Kernel good, Kernel bad, int inputs = kThreads, int block = kThreads, int results = kThreads) {
  return [=](bool fault) {
    float* y = fresh_on_device<float>(results);
    (fault ? bad : good)<<<1, block>>>(on_device(ramp(inputs)), y);
    return outcome_of(y, results);
  };
}
template <class Kernel>
std::function<Outcome(bool)> writing(Kernel good, Kernel bad, int block = kThreads) {
  return [=](bool fault) {
    float* y = fresh_on_device<float>(block);
    (fault ? bad : good)<<<1, block>>>(y);
    return outcome_of(y, block);
  };
}

std::vector<double> all(double value, size_t count = kThreads) { return std::vector<double>(count, value); }

void order() {
  planted("a barrier between writing and reading shared memory removed", "race: reads shared|never written", rotated(40), with_input(exchange<false>, exchange<true>));
  planted("a barrier before shared memory is reused removed", "race:", rotated(40), with_input(reuse<false>, reuse<true>));
  std::vector<double> swapped(kThreads);
  for (int i = 0; i < kThreads; ++i) swapped[i] = i ^ 1;
  planted("a __syncwarp removed", "race: reads shared|never written", swapped, with_input(exchange_in_warp<false>, exchange_in_warp<true>));
  planted("two threads write the same value", "race: writes shared", all(7), with_input(double_write<false>, double_write<true>));
  planted("two threads write the same byte", "race: writes shared", all(1), writing(byte_mask<false>, byte_mask<true>));
  planted("a barrier between writing and reading global memory removed", "race: reads global|never written", rotated(40), with_scratch(global_exchange<false>, global_exchange<true>));
  planted("blocks add without atomics", "race:", {6}, [](bool fault) {
    float* total = on_device(std::vector<float>{0});
    (fault ? sum_of_blocks<true> : sum_of_blocks<false>)<<<4, 32>>>(on_device(ramp(4)), total);
    return outcome_of(total, 1);
  });
  planted("a block reads what another one wrote", "race:|never written", {0, 1, 2, 3}, with_scratch(neighbour_block<false>, neighbour_block<true>, 4, 4));
  planted("rows of neighbouring blocks overlap", "race: writes global", all(1, 64), [](bool fault) {
    float* y = fresh_on_device<float>(64);
    (fault ? overlapping_rows<true> : overlapping_rows<false>)<<<4, 32>>>(y, 16);
    return outcome_of(y, 64);
  });
  planted("a plain read beside atomics", "race:", all(1), [](bool fault) {
    float* y = fresh_on_device<float>(kThreads);
    (fault ? atomic_and_plain<true> : atomic_and_plain<false>)<<<1, kThreads>>>(on_device(std::vector<float>{0}), y);
    return outcome_of(y, kThreads);
  });
  planted("the read-only path reads what the kernel wrote", "ld.global.nc", all(5), with_scratch(read_only_path<false>, read_only_path<true>));
}

void memory() {
  planted("an index one past the end", "allocation of 512 bytes", doubles(ramp(kThreads)), with_input(past_the_end<false>, past_the_end<true>));
  planted("a tail that is not predicated", "allocation of 400 bytes", doubles(ramp(100)), [](bool fault) {
    float* y = fresh_on_device<float>(100);
    (fault ? tail<true> : tail<false>)<<<2, 64>>>(on_device(ramp(100)), y, 100);
    return outcome_of(y, 100);
  });
  planted("a 128-bit access past the last element", "allocation of 404 bytes", doubles(ramp(101)), [](bool fault) {
    float* y = fresh_on_device<float>(101);
    (fault ? vector_tail<true> : vector_tail<false>)<<<1, 32>>>(on_device(ramp(101)), y, 101);
    return outcome_of(y, 101);
  });
  planted("an index past a shared variable", "between two variables", all(3), writing(past_shared<false>, past_shared<true>));
  planted("too little dynamic shared memory", "a shared access", all(3), [](bool fault) {
    float* y = fresh_on_device<float>(kThreads);
    dynamic_shared<<<1, kThreads, kThreads * 4 - (fault ? 4 : 0)>>>(y);
    return outcome_of(y, kThreads);
  });
  planted("a vector access that is not aligned", "not a multiple of 8", doubles(ramp(64)), with_input(misaligned<false>, misaligned<true>, 66, 32, 64));
  std::vector<double> filled(kThreads);
  for (int i = 0; i < 64; ++i) filled[i] = (i ^ 64) < 100 ? i ^ 64 : 0, filled[i + 64] = i;
  planted("shared memory read before it is written", "never written", filled, [](bool fault) {
    float* y = fresh_on_device<float>(kThreads);
    (fault ? shared_not_filled<true> : shared_not_filled<false>)<<<1, kThreads>>>(on_device(ramp(100)), y, 100);
    return outcome_of(y, kThreads);
  });
  planted("global memory read before it is written", "never written", doubles(ramp(kThreads)), [](bool fault) {
    float* y = fresh_on_device<float>(kThreads);
    copy_all<<<1, kThreads>>>(fault ? fresh_on_device<float>(kThreads) : on_device(ramp(kThreads)), y);
    return outcome_of(y, kThreads);
  });
  planted("a copy of memory that was never written", "never written", doubles(ramp(kThreads)), [](bool fault) {
    float *middle = fresh_on_device<float>(kThreads), *y = fresh_on_device<float>(kThreads);
    float* x = on_device(ramp(kThreads));
    cudaMemcpy(middle, x, kThreads * 4 - (fault ? 4 : 0), cudaMemcpyDeviceToDevice);  // the mark travels with the copy
    copy_all<<<1, kThreads>>>(middle, y);
    return outcome_of(y, kThreads);
  });
}

void together() {
  std::vector<double> sixteen = doubles(ramp(32));
  for (int i = 0; i < 16; ++i) sixteen[i] = 5;
  planted("a shuffle from a lane that is inactive", "which does not take part", sixteen, writing(shuffle_from_outside<false>, shuffle_from_outside<true>, 32));
  std::vector<double> pairs = doubles(ramp(32));
  for (int i = 0; i < 16; ++i) pairs[i] = i ^ 1;
  planted("a shuffle whose member mask names lanes elsewhere", "lanes never come", pairs, writing(shuffle_of_half<false>, shuffle_of_half<true>, 32));
  planted("a barrier that only one warp reaches", "reached by part of the block", all(1), writing(barrier_of_one_warp<false>, barrier_of_one_warp<true>));
  planted("a barrier that half of each warp reaches", "reached by part of", all(1), writing(barrier_in_branch<false>, barrier_in_branch<true>));
  planted("threads that return before a barrier", "have left", all(1, 96), [](bool fault) {
    float* y = fresh_on_device<float>(96);
    (fault ? early_return<true> : early_return<false>)<<<1, kThreads>>>(y, 96);
    return outcome_of(y, 96);
  });
}

}  // namespace

int main() {
  order();
  memory();
  together();
  return finish();
}
