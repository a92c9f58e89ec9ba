// Faults planted in kernels, of asynchronous copies, matrices and backward passes: each must be caught, and its correct twin must pass.
#include <cuda_fp16.h>

#include "emulator/tests/check.h"

using namespace node_bert::cuda::emulator::test;

namespace {

constexpr int kThreads = 128;

// --- asynchronous copies

__device__ void copy_async(float* target, const float* source) {
  const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(target));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(source) : "memory");
}
__device__ void commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending> __device__ void wait_group() { asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory"); }

enum class Copying { right, no_wait, too_few, no_barrier, no_commit, leaves };

template <Copying kHow>
__global__ void double_buffer(const float* x, float* y, int tiles) {
  __shared__ __align__(16) float s[2][4 * kThreads];
  const int at = 4 * threadIdx.x;
  copy_async(&s[0][at], x + at);
  commit();
  for (int tile = 0; tile < tiles; ++tile) {
    if (tile + 1 < tiles || kHow == Copying::leaves) {
      copy_async(&s[(tile + 1) % 2][at], x + (tile + 1) % tiles * 4 * kThreads + at);
      if (kHow != Copying::no_commit) commit();
      if (kHow != Copying::no_wait) wait_group<(kHow == Copying::too_few ? 2 : 1)>();
    } else {
      if (kHow != Copying::no_wait) wait_group<0>();
    }
    if (kHow != Copying::no_barrier) __syncthreads();
    const int from = 4 * ((threadIdx.x + 40) % kThreads);
    if (kHow != Copying::leaves || tile + 1 < tiles) {
      for (int k = 0; k < 4; ++k) y[tile * 4 * kThreads + at + k] = s[tile % 2][from + k];
    }
    __syncthreads();
  }
}

// --- matrices: y = A B for A (16, 16) and B (16, 8), row-major halves

enum class Product { right, swapped, rows_swapped, no_transpose };

template <Product kHow>
__global__ void product(const __half* a, const __half* b, float* y) {
  __shared__ __align__(16) __half sa[16 * 16], sb[16 * 8];
  for (int i = threadIdx.x; i < 256; i += 32) sa[i] = a[i];
  for (int i = threadIdx.x; i < 128; i += 32) sb[i] = b[i];
  __syncwarp();
  const int lane = threadIdx.x;
  unsigned ra[4], rb[2];
  const unsigned at_a = static_cast<unsigned>(__cvta_generic_to_shared(&sa[(lane % 16) * 16 + lane / 16 * 8]));
  const unsigned at_b = static_cast<unsigned>(__cvta_generic_to_shared(&sb[(lane % 16) * 8]));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(ra[0]), "=r"(ra[1]), "=r"(ra[2]), "=r"(ra[3]) : "r"(at_a) : "memory");
  if (kHow == Product::no_transpose) asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(rb[0]), "=r"(rb[1]) : "r"(at_b) : "memory");
  else asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(rb[0]), "=r"(rb[1]) : "r"(at_b) : "memory");
  if (kHow == Product::rows_swapped) {
    const unsigned t = ra[1];
    ra[1] = ra[2];
    ra[2] = t;
  }
  if (kHow == Product::swapped) {
    const unsigned t = rb[0];
    rb[0] = rb[1];
    rb[1] = t;
  }
  float c[4] = {0, 0, 0, 0};
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]), "r"(rb[1]));
  for (int i = 0; i < 4; ++i) y[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = c[i];
}

template <Product kHow>
Outcome run_product() {
  std::vector<__half> a, b;
  for (int i = 0; i < 256; ++i) a.push_back(__float2half(static_cast<float>(i * 7 % 11 - 5)));
  for (int i = 0; i < 128; ++i) b.push_back(__float2half(static_cast<float>(i * 5 % 13 - 6)));
  float* y = fresh_on_device<float>(128);
  product<kHow><<<1, 32>>>(on_device(a), on_device(b), y);
  return outcome_of(y, 128);
}
std::vector<double> expected_product() {
  std::vector<double> y(128);
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      for (int k = 0; k < 16; ++k) y[row * 8 + column] += ((row * 16 + k) * 7 % 11 - 5) * ((k * 8 + column) * 5 % 13 - 6);
    }
  }
  return y;
}

// --- backward kernels

// dgamma[h] += sum over rows of dy * xhat, rows split over blocks.
template <bool kFault>
__global__ void gamma_gradient(const float* dy, const float* xhat, float* dgamma, int rows, int columns) {
  const int column = threadIdx.x;
  float sum = 0;
  for (int row = blockIdx.x; row < rows; row += gridDim.x) sum += dy[row * columns + column] * xhat[row * columns + column];
  if (kFault) dgamma[column] = sum;  // each block overwrites the others' part
  else atomicAdd(dgamma + column, sum);
}

// dx = softmax's backward: dx = y * (dy - sum(dy * y)); one warp a row.
enum class Softmax { right, no_sum_over_warp, wrong_lane };
template <Softmax kHow>
__global__ void softmax_backward(const float* y, const float* dy, float* dx) {
  const int i = blockIdx.x * 32 + threadIdx.x;
  float dot = y[i] * dy[i];
  for (int offset = kHow == Softmax::no_sum_over_warp ? 8 : 16; offset > 0; offset /= 2) {
    dot += kHow == Softmax::wrong_lane ? __shfl_down_sync(0xffffffffu, dot, offset) : __shfl_xor_sync(0xffffffffu, dot, offset);
  }
  dx[i] = y[i] * (dy[i] - dot);
}

// Gradients of rows that several tokens share are added in token order by one block a row.
template <bool kFault>
__global__ void embedding_backward(const int* ids, const float* dy, float* dtable, int tokens, int columns) {
  const int id = blockIdx.x;
  for (int n = 0; n < tokens; ++n) {
    if (kFault ? n % static_cast<int>(gridDim.x) == id : ids[n] == id) {
      const int row = ids[n];
      for (int c = threadIdx.x; c < columns; c += blockDim.x) dtable[row * columns + c] += dy[n * columns + c];
    }
  }
}

template <Copying kHow>
void copying(const std::string& name, const std::string& caught_by) {
  constexpr int tiles = 3, size = 4 * kThreads;
  std::vector<double> expected(tiles * size);
  for (int i = 0; i < tiles * size; ++i) expected[i] = i / size * size + (i % size + 160) % size;
  planted(name, caught_by, expected, [](bool fault) {
    float* y = fresh_on_device<float>(tiles * size);
    (fault ? double_buffer<kHow> : double_buffer<Copying::right>)<<<1, kThreads>>>(on_device(ramp(tiles * size)), y, tiles);
    return outcome_of(y, tiles * size);
  });
}

void backward() {
  const std::vector<float> dy(8 * 32, 1.0f), xhat = ramp(8 * 32);
  std::vector<double> dgamma(32);
  for (int i = 0; i < 8 * 32; ++i) dgamma[i % 32] += xhat[i];
  planted("LayerNorm's backward: blocks overwrite the sum for gamma", "race: writes global", dgamma, [=](bool fault) {
    float* out = on_device(std::vector<float>(32, 0.0f));
    (fault ? gamma_gradient<true> : gamma_gradient<false>)<<<4, 32>>>(on_device(dy), on_device(xhat), out, 8, 32);
    return outcome_of(out, 32);
  });
  std::vector<float> y(64), g(64);
  std::vector<double> dx(64);
  for (int i = 0; i < 64; ++i) y[i] = 0.03125f, g[i] = static_cast<float>(i % 7);
  for (int row = 0; row < 2; ++row) {
    double dot = 0;
    for (int i = 0; i < 32; ++i) dot += y[row * 32 + i] * g[row * 32 + i];
    for (int i = 0; i < 32; ++i) dx[row * 32 + i] = y[row * 32 + i] * (g[row * 32 + i] - dot);
  }
  const auto softmax = [=](auto kernel) {
    float* out = fresh_on_device<float>(64);
    kernel<<<2, 32>>>(on_device(y), on_device(g), out);
    return outcome_of(out, 64);
  };
  planted("softmax's backward: a step of the warp's sum missing", "numbers", dx, [=](bool fault) { return softmax(fault ? softmax_backward<Softmax::no_sum_over_warp> : softmax_backward<Softmax::right>); });
  planted("softmax's backward: only lane 0 has the whole sum", "numbers", dx, [=](bool fault) { return softmax(fault ? softmax_backward<Softmax::wrong_lane> : softmax_backward<Softmax::right>); });
  const std::vector<int> ids = {0, 1, 1, 2, 0, 1};
  std::vector<double> table(3 * 8);
  for (int n = 0; n < 6; ++n) {
    for (int c = 0; c < 8; ++c) table[ids[n] * 8 + c] += n * 8 + c;
  }
  planted("embeddings' backward: blocks own tokens instead of rows", "race:", table, [=](bool fault) {
    float* out = on_device(std::vector<float>(24, 0.0f));
    (fault ? embedding_backward<true> : embedding_backward<false>)<<<3, 32>>>(on_device(ids), on_device(ramp(48)), out, 6, 8);
    return outcome_of(out, 24);
  });
}

}  // namespace

int main() {
  copying<Copying::no_wait>("cp.async: no wait_group", "not waited for");
  copying<Copying::too_few>("cp.async: wait_group leaves one group too many", "not waited for");
  copying<Copying::no_barrier>("cp.async: no barrier after the wait", "race:|never written");
  copying<Copying::no_commit>("cp.async: a group not committed", "not waited for");
  copying<Copying::leaves>("cp.async: the kernel ends with a copy in flight", "in flight");
  planted("mma: the two registers of B swapped", "numbers", expected_product(), [](bool fault) { return fault ? run_product<Product::swapped>() : run_product<Product::right>(); });
  planted("mma: two registers of A swapped", "numbers", expected_product(), [](bool fault) { return fault ? run_product<Product::rows_swapped>() : run_product<Product::right>(); });
  planted("ldmatrix: .trans missing", "numbers", expected_product(), [](bool fault) { return fault ? run_product<Product::no_transpose>() : run_product<Product::right>(); });
  backward();
  return finish();
}
