// Opcodes that today's kernels hardly use, against host C++: cache hints, sleeping, trap, stmatrix, movmatrix, elect, mma with f16 accumulators.
// stmatrix and elect exist from compute_90 on: with the PTX of an earlier one they are left out, and the suite runs with both.
#include <cuda_fp16.h>

#include <cstring>

#include "emulator/tests/opcodes.h"

using namespace node_bert::cuda::emulator::test;

namespace {

using u32 = uint32_t;

std::vector<u32> scrambled(size_t count) {
  std::vector<u32> values(count);
  u32 state = 2463534242u;
  for (u32& value : values) value = state = state * 1664525u + 1013904223u;
  return values;
}

// Runs a kernel of one warp and compares what it leaves.
template <class T, class Launch>
void gives(const std::string& name, const std::vector<T>& expected, Launch launch) {
  T* out = on_device(std::vector<T>(expected.size()));
  launch(out);
  const bool fine = cudaDeviceSynchronize() == cudaSuccess;
  ok(name, fine && from_device(out, expected.size()) == expected, node_bert::cuda::emulator::last_report());
  if (!fine) cudaDeviceReset();
}

__global__ void load_uniform(const u32* x, u32* y) {
  u32 value, pair[2];
  asm volatile("ldu.global.u32 %0, [%1];" : "=r"(value) : "l"(x + 3));
  asm volatile("ldu.global.v2.u32 {%0, %1}, [%2];" : "=r"(pair[0]), "=r"(pair[1]) : "l"(x + 4));
  y[threadIdx.x] = value ^ pair[0] ^ pair[1] * threadIdx.x;
}

// Neither changes anything; a prefetch may name any address.
__global__ void prefetch_and_sleep(const u32* x, u32* y) {
  asm volatile("prefetch.global.L1 [%0];" ::"l"(x + threadIdx.x));
  asm volatile("prefetch.global.L2 [%0];" ::"l"(x + 100000));
  asm volatile("nanosleep.u32 %0;" ::"r"(threadIdx.x * 10));
  y[threadIdx.x] = x[threadIdx.x] + 1;
}

__global__ void trap_in(int lane) {
  if (threadIdx.x == lane) asm volatile("trap;");
}

void simple() {
  const std::vector<u32> x = scrambled(32);
  std::vector<u32> uniform, next;
  for (u32 lane = 0; lane < 32; ++lane) uniform.push_back(x[3] ^ x[4] ^ x[5] * lane), next.push_back(x[lane] + 1);
  gives("ldu", uniform, [&](u32* y) { load_uniform<<<1, 32>>>(on_device(x), y); });
  gives("prefetch and nanosleep", next, [&](u32* y) { prefetch_and_sleep<<<1, 32>>>(on_device(x), y); });

  trap_in<<<1, 64>>>(41);
  const cudaError_t error = cudaDeviceSynchronize();
  const std::string report = node_bert::cuda::emulator::last_report();
  ok("trap stops the launch and names the thread", error == cudaErrorLaunchFailure && report.find("trap") != std::string::npos && report.find("41") != std::string::npos, report);
  cudaDeviceReset();
  trap_in<<<1, 32>>>(41);
  ok("a trap that no thread reaches", cudaDeviceSynchronize() == cudaSuccess);
}

// 16 bits of row r, column c of matrix m.
u32 element(int m, int r, int c) { return static_cast<u32>((m * 64 + r * 8 + c) * 251 + 7) & 0xffff; }
// What a lane holds of an 8x8 matrix: row lane / 4, columns 2 (lane % 4) and the next.
u32 fragment(int m, int lane, bool transposed = false) {
  const int r = lane / 4, c = lane % 4 * 2;
  return transposed ? element(m, c, r) | element(m, c + 1, r) << 16 : element(m, r, c) | element(m, r, c + 1) << 16;
}

__global__ void transpose_in_registers(const u32* x, u32* y) {
  u32 r;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(r) : "r"(x[threadIdx.x]));
  y[threadIdx.x] = r;
}

// Rows lie in shared memory in an order of their own, 9 chunks apart.
template <int kCount, bool kTranspose>
__global__ void store_matrices(const u32* x, uint16_t* y) {
#if __CUDA_ARCH__ >= 900
  __shared__ __align__(16) uint16_t s[32 * 72];
  const int lane = threadIdx.x;
  for (int i = lane; i < 32 * 72; i += 32) s[i] = 0;
  __syncwarp();
  const u32 at = static_cast<u32>(__cvta_generic_to_shared(s + lane * 72 % (32 * 72)));
  u32 r[4] = {};
  for (int i = 0; i < kCount; ++i) r[i] = x[i * 32 + lane];
  if (kCount == 4 && !kTranspose) asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(at), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3]) : "memory");
  if (kCount == 2 && kTranspose) asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(at), "r"(r[0]), "r"(r[1]) : "memory");
  if (kCount == 1 && !kTranspose) asm volatile("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%0], {%1};" ::"r"(at), "r"(r[0]) : "memory");
  __syncwarp();
  for (int row = 0; row < 8 * kCount; ++row)
    if (lane < 8) y[row * 8 + lane] = s[row * 72 + lane];
#endif
}
template <int kCount, bool kTranspose>
void stmatrix(const std::string& name) {
  std::vector<u32> in;
  std::vector<uint16_t> want;
  for (int m = 0; m < kCount; ++m) {
    for (int lane = 0; lane < 32; ++lane) in.push_back(fragment(m, lane));
    for (int i = 0; i < 64; ++i) want.push_back(static_cast<uint16_t>(kTranspose ? element(m, i % 8, i / 8) : element(m, i / 8, i % 8)));
  }
  gives(name, want, [&](uint16_t* y) { store_matrices<kCount, kTranspose><<<1, 32>>>(on_device(in), y); });
}

// One lane of those that are there, the same for all of them.
__global__ void elect_lanes(u32* y) {
#if __CUDA_ARCH__ >= 900
  const u32 mask = threadIdx.x % 4 == 3 ? 0x88888888u : 0x77777777u;
  if (threadIdx.x % 4 == 3) {
    asm volatile("{ .reg .pred p; elect.sync %0|p, %1; @p add.u32 %0, %0, 100; }" : "=r"(y[threadIdx.x]) : "r"(mask));
  } else {
    asm volatile("{ .reg .pred p; elect.sync %0|p, %1; @p add.u32 %0, %0, 100; }" : "=r"(y[threadIdx.x]) : "r"(mask));
  }
#endif
}

float number(int i) { return static_cast<float>(i * 7 % 17 - 8); }
u32 halves(float first, float second) {
  const __half two[2] = {__float2half(first), __float2half(second)};
  u32 bits;
  std::memcpy(&bits, two, 4);
  return bits;
}

template <int K>
__global__ void mma_f16(const u32* a, const u32* b, const u32* c, u32* d) {
  const int l = threadIdx.x;
  u32 r[2] = {c[l * 2], c[l * 2 + 1]};
  if (K == 16)
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3, %4, %5}, {%6, %7}, {%0, %1};"
                 : "+r"(r[0]), "+r"(r[1]) : "r"(a[l * 4]), "r"(a[l * 4 + 1]), "r"(a[l * 4 + 2]), "r"(a[l * 4 + 3]), "r"(b[l * 2]), "r"(b[l * 2 + 1]));
  else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3}, {%4}, {%0, %1};"
                 : "+r"(r[0]), "+r"(r[1]) : "r"(a[l * 2]), "r"(a[l * 2 + 1]), "r"(b[l]));
  d[l * 2] = r[0], d[l * 2 + 1] = r[1];
}
// Whole numbers below 2048: every sum is exact in f16.
template <int K>
void mma_with_half_sums(const std::string& name) {
  const auto sum_before = [](int row, int column) { return static_cast<float>(row - column); };
  std::vector<u32> a, b, c, d;
  for (int lane = 0; lane < 32; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < K / 4; ++i) {
      const int row = g + i % 2 * 8, k = i / 2 * 8 + 2 * t;
      a.push_back(halves(number(row * K + k), number(row * K + k + 1)));
    }
    for (int i = 0; i < K / 8; ++i) {
      const int k = i * 8 + 2 * t;
      b.push_back(halves(number(k * 8 + g + 3), number((k + 1) * 8 + g + 3)));
    }
    for (int i = 0; i < 2; ++i) {
      float after[2];
      const int row = g + i * 8;
      for (int e = 0; e < 2; ++e) {
        after[e] = sum_before(row, 2 * t + e);
        for (int k = 0; k < K; ++k) after[e] += number(row * K + k) * number(k * 8 + 2 * t + e + 3);
      }
      c.push_back(halves(sum_before(row, 2 * t), sum_before(row, 2 * t + 1)));
      d.push_back(halves(after[0], after[1]));
    }
  }
  gives(name, d, [&](u32* out) { mma_f16<K><<<1, 32>>>(on_device(a), on_device(b), on_device(c), out); });
}

}  // namespace

int main() {
  simple();
  std::vector<u32> in, transposed, elected;
  for (int lane = 0; lane < 32; ++lane) {
    in.push_back(fragment(0, lane));
    transposed.push_back(fragment(0, lane, true));
    const u32 first = lane % 4 == 3 ? 3 : 0;
    elected.push_back(first + (static_cast<u32>(lane) == first ? 100 : 0));
  }
  gives("movmatrix", transposed, [&](u32* y) { transpose_in_registers<<<1, 32>>>(on_device(in), y); });
  mma_with_half_sums<16>("mma.m16n8k16 f16 with f16 accumulators");
  mma_with_half_sums<8>("mma.m16n8k8 f16 with f16 accumulators");
  int major = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  if (major >= 9) {
    stmatrix<1, false>("stmatrix.x1");
    stmatrix<2, true>("stmatrix.x2.trans");
    stmatrix<4, false>("stmatrix.x4");
    gives("elect.sync", elected, [](u32* y) { elect_lanes<<<1, 32>>>(y); });
  }
  return finish();
}
