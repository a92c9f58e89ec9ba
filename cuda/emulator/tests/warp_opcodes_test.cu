// Opcodes that lanes execute together, atomics, vector accesses, matrices and asynchronous copies, against host C++.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cmath>
#include <cstring>

#include "emulator/tests/opcodes.h"

using namespace node_bert::cuda::emulator::test;

namespace {

using u32 = uint32_t; using s32 = int32_t; using u64 = uint64_t;

std::vector<u32> scrambled(size_t count) {
  std::vector<u32> values(count);
  u32 state = 12345;
  for (u32& value : values) value = state = state * 1664525u + 1013904223u;
  return values;
}

// One warp, each lane a value in and a value out.
template <class Kernel, class F>
void lanes(const std::string& name, Kernel kernel, F expected, u32 mask = 0xffffffffu) {
  const std::vector<u32> in = scrambled(32);
  u32* out = on_device(std::vector<u32>(32, 77));
  kernel<<<1, 32>>>(on_device(in), out);
  const cudaError_t error = cudaDeviceSynchronize();
  if (error != cudaSuccess) {
    ok(name, false, node_bert::cuda::emulator::last_report());
    cudaDeviceReset();
    return;
  }
  const std::vector<u32> got = from_device(out, 32);
  for (int lane = 0; lane < 32; ++lane) {
    const u32 want = mask >> lane & 1 ? static_cast<u32>(expected(in, lane)) : 77;
    if (got[lane] != want) return ok(name, false, "lane " + std::to_string(lane) + " gave " + bits_of(got[lane]) + ", expected " + bits_of(want));
  }
  ok(name, true);
}

#define LANES(name, ...) __global__ void name(const u32* x, u32* y) { [[maybe_unused]] const u32 lane = threadIdx.x, a = x[threadIdx.x]; u32 r; __VA_ARGS__; y[lane] = r; }
LANES(shfl_up, asm volatile("{ .reg .pred p; shfl.sync.up.b32 %0|p, %1, 3, 0, -1; @!p mov.b32 %0, 5; }" : "=r"(r) : "r"(a)))
LANES(shfl_down, asm volatile("{ .reg .pred p; shfl.sync.down.b32 %0|p, %1, 5, 0x1f, -1; @!p mov.b32 %0, 5; }" : "=r"(r) : "r"(a)))
LANES(shfl_bfly, asm volatile("shfl.sync.bfly.b32 %0, %1, 9, 0x1f, -1;" : "=r"(r) : "r"(a)))
LANES(shfl_idx, asm volatile("shfl.sync.idx.b32 %0, %1, %2, 0x1f, -1;" : "=r"(r) : "r"(a), "r"(lane * 7)))
LANES(shfl_segments, asm volatile("shfl.sync.idx.b32 %0, %1, 2, 0x181f, -1;" : "=r"(r) : "r"(a)))
LANES(shfl_up_segments, asm volatile("shfl.sync.up.b32 %0, %1, 2, 0x1800, -1;" : "=r"(r) : "r"(a)))
LANES(vote_ballot, asm volatile("{ .reg .pred p; setp.lt.u32 p, %1, 0x60000000; vote.sync.ballot.b32 %0, p, -1; }" : "=r"(r) : "r"(a)))
LANES(vote_all, asm volatile("{ .reg .pred p, q; setp.lt.u32 p, %1, 0xfffffff0; vote.sync.all.pred q, p, -1; selp.u32 %0, 1, 0, q; vote.sync.all.pred q, !p, -1; @q add.u32 %0, %0, 2; }" : "=r"(r) : "r"(a)))
LANES(vote_any, asm volatile("{ .reg .pred p, q; setp.lt.u32 p, %1, 0x10000000; vote.sync.any.pred q, p, -1; selp.u32 %0, 1, 0, q; vote.sync.uni.pred q, p, -1; @q add.u32 %0, %0, 2; }" : "=r"(r) : "r"(a)))
LANES(match_any, asm volatile("match.any.sync.b32 %0, %1, -1;" : "=r"(r) : "r"(a & 3)))
LANES(match_all, asm volatile("{ .reg .pred p; match.all.sync.b32 %0|p, %1, -1; @p add.u32 %0, %0, 1; }" : "=r"(r) : "r"(a & 3)))
LANES(redux_add, asm volatile("redux.sync.add.u32 %0, %1, -1;" : "=r"(r) : "r"(a)))
LANES(redux_min, asm volatile("redux.sync.min.s32 %0, %1, -1;" : "=r"(r) : "r"(a)))
LANES(redux_max, asm volatile("redux.sync.max.u32 %0, %1, -1;" : "=r"(r) : "r"(a)))
LANES(redux_and, asm volatile("redux.sync.and.b32 %0, %1, -1;" : "=r"(r) : "r"(a | 0x1000)))
LANES(redux_or, asm volatile("redux.sync.or.b32 %0, %1, -1;" : "=r"(r) : "r"(a & 0xffff)))
LANES(redux_xor, asm volatile("redux.sync.xor.b32 %0, %1, -1;" : "=r"(r) : "r"(a)))
LANES(active, r = 0; if (lane % 3 == 0) asm volatile("activemask.b32 %0;" : "=r"(r)))
LANES(barrier_count, r = __syncthreads_count(a & 1))
LANES(barrier_and, r = __syncthreads_and(a != 0) * 2 + __syncthreads_or(a == 0))
LANES(divergent_loop, r = 0; for (u32 i = 0; i < lane % 5; ++i) r += a >> i; r += __shfl_xor_sync(0xffffffffu, r, 1))
LANES(special, asm volatile("{ .reg .b32 t; mov.u32 %0, %%laneid; mov.u32 t, %%lanemask_lt; xor.b32 %0, %0, t; mov.u32 t, %%lanemask_ge; xor.b32 %0, %0, t; mov.u32 t, %%ntid.x; add.u32 %0, %0, t; }" : "=r"(r)))
LANES(switch_lanes, switch (lane % 6) { case 0: r = a + 1; break; case 1: r = a * 3; break; case 2: r = a ^ 9; break; case 3: r = a - 4; break; case 4: r = ~a; break; default: r = a >> 2; })

void collectives() {
  lanes("shfl.sync.up", shfl_up, [](auto& x, int l) { return l < 3 ? 5 : x[l - 3]; });
  lanes("shfl.sync.down", shfl_down, [](auto& x, int l) { return l + 5 > 31 ? 5 : x[l + 5]; });
  lanes("shfl.sync.bfly", shfl_bfly, [](auto& x, int l) { return x[l ^ 9]; });
  lanes("shfl.sync.idx", shfl_idx, [](auto& x, int l) { return x[l * 7 % 32]; });
  lanes("shfl.sync.idx in segments of 8", shfl_segments, [](auto& x, int l) { return x[l / 8 * 8 + 2]; });
  lanes("shfl.sync.up in segments of 8", shfl_up_segments, [](auto& x, int l) { return l % 8 < 2 ? x[l] : x[l - 2]; });
  u32 ballot = 0, sum = 0, conjunction = ~0u, disjunction = 0, parity = 0, most = 0, odd = 0;
  s32 least = 0x7fffffff;
  const std::vector<u32> x = scrambled(32);
  bool any = false;
  for (int l = 0; l < 32; ++l) {
    ballot |= static_cast<u32>(x[l] < 0x60000000) << l;
    sum += x[l], conjunction &= x[l] | 0x1000, disjunction |= x[l] & 0xffff, parity ^= x[l], most = std::max(most, x[l]), least = std::min(least, static_cast<s32>(x[l])), odd += x[l] & 1;
    any |= x[l] < 0x10000000;
  }
  lanes("vote.sync.ballot", vote_ballot, [=](auto&, int) { return ballot; });
  lanes("vote.sync.all", vote_all, [](auto&, int) { return 1; });
  lanes("vote.sync.any, .uni", vote_any, [=](auto&, int) { return any ? 1 : 2; });
  lanes("match.any.sync", match_any, [](auto& x, int l) { u32 m = 0; for (int o = 0; o < 32; ++o) m |= static_cast<u32>((x[o] & 3) == (x[l] & 3)) << o; return m; });
  lanes("match.all.sync", match_all, [](auto&, int) { return 0; });
  lanes("redux.sync.add", redux_add, [=](auto&, int) { return sum; });
  lanes("redux.sync.min.s32", redux_min, [=](auto&, int) { return static_cast<u32>(least); });
  lanes("redux.sync.max.u32", redux_max, [=](auto&, int) { return most; });
  lanes("redux.sync.and", redux_and, [=](auto&, int) { return conjunction; });
  lanes("redux.sync.or", redux_or, [=](auto&, int) { return disjunction; });
  lanes("redux.sync.xor", redux_xor, [=](auto&, int) { return parity; });
  lanes("activemask", active, [](auto&, int l) { return l % 3 == 0 ? 0x49249249u : 0u; });
  lanes("bar.red.popc", barrier_count, [=](auto&, int) { return odd; });
  lanes("bar.red.and, .or", barrier_and, [](auto&, int) { return 2; });
  lanes("a loop whose lanes end apart", divergent_loop, [](auto& x, int l) {
    const auto own = [&](int lane) { u32 r = 0; for (int i = 0; i < lane % 5; ++i) r += x[lane] >> i; return r; };
    return own(l) + own(l ^ 1);
  });
  lanes("special registers", special, [](auto&, int l) { return (static_cast<u32>(l) ^ ((1u << l) - 1) ^ ~((1u << l) - 1)) + 32; });
  lanes("a switch", switch_lanes, [](auto& x, int l) { const u32 a = x[l]; switch (l % 6) { case 0: return a + 1; case 1: return a * 3; case 2: return a ^ 9; case 3: return a - 4; case 4: return ~a; default: return a >> 2; } });
}

// --- atomics: 64 lanes on one place, so the order does not matter

template <class T, class F>
void atomics(const std::string& name, F kernel, T start, T expected) {
  T* at = on_device(std::vector<T>(4, start));
  kernel<<<2, 32>>>(at);
  const bool fine = cudaDeviceSynchronize() == cudaSuccess;
  const T got = fine ? from_device(at, 1)[0] : T{};
  ok(name, fine && std::memcmp(&got, &expected, sizeof(T)) == 0, fine ? bits_of(got) : node_bert::cuda::emulator::last_report());
  if (!fine) cudaDeviceReset();
}
#define ATOMIC(name, T, ...) __global__ void name(T* at) { [[maybe_unused]] const T value = static_cast<T>(threadIdx.x + 1); __VA_ARGS__; }
ATOMIC(add_u32, u32, asm volatile("red.global.add.u32 [%0], %1;" ::"l"(at), "r"(value) : "memory"))
ATOMIC(add_u64, u64, atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value)))
ATOMIC(add_f32, float, atomicAdd(at, value))
ATOMIC(add_f64, double, atomicAdd(at, value))
ATOMIC(min_s32, s32, atomicMin(at, -value))
ATOMIC(max_u32, u32, atomicMax(at, value))
ATOMIC(and_b32, u32, atomicAnd(at, ~(1u << (value - 1))))
ATOMIC(or_b32, u32, atomicOr(at, 1u << (value - 1)))
ATOMIC(xor_b32, u32, atomicXor(at, 1u << (value - 1)))
ATOMIC(inc_u32, u32, atomicInc(at, 9u))
ATOMIC(dec_u32, u32, atomicDec(at, 9u))
ATOMIC(exch_b32, u32, asm volatile("{ .reg .b32 t; atom.global.exch.b32 t, [%0], 42; }" ::"l"(at) : "memory"))
ATOMIC(cas_b32, u32, u32 seen = at ? 0u : value; u32 old; do { old = seen; seen = atomicCAS(at, old, old + value); } while (seen != old))
ATOMIC(release_add, u32, asm volatile("red.release.gpu.global.add.u32 [%0], %1;" ::"l"(at), "r"(value) : "memory"))
__global__ void add_shared(u32* at) {
  __shared__ u32 total;
  if (threadIdx.x == 0) total = 0;
  __syncthreads();
  atomicAdd(&total, threadIdx.x + 1);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(at, total);
}
__global__ void add_half2(u32* at) { asm volatile("{ .reg .b32 t; atom.global.add.noftz.f16x2 t, [%0], %1; }" ::"l"(at), "r"(0x3c004000u) : "memory"); }

void atomic_opcodes() {
  atomics<u32>("red.global.add.u32", add_u32, 5, 5 + 2 * 528);
  atomics<u64>("atom.add.u64", add_u64, 5, 5 + 2 * 528);
  atomics<float>("atom.add.f32", add_f32, 0.5f, 0.5f + 2 * 528);
  atomics<double>("atom.add.f64", add_f64, 0.5, 0.5 + 2 * 528);
  atomics<s32>("atom.min.s32", min_s32, 7, -32);
  atomics<u32>("atom.max.u32", max_u32, 7, 32);
  atomics<u32>("atom.and.b32", and_b32, 0xffffffffu, 0);
  atomics<u32>("atom.or.b32", or_b32, 0, 0xffffffffu);
  atomics<u32>("atom.xor.b32", xor_b32, 0x1234, 0x1234);
  atomics<u32>("atom.inc.u32", inc_u32, 0, 64 % 10);
  atomics<u32>("atom.dec.u32", dec_u32, 0, (10 - 64 % 10) % 10);
  atomics<u32>("atom.exch.b32", exch_b32, 0, 42);
  atomics<u32>("atom.cas.b32", cas_b32, 0, 2 * 528);
  atomics<u32>("red.release.gpu.add.u32", release_add, 0, 2 * 528);
  atomics<u32>("atom.shared.add.u32", add_shared, 0, 2 * 528);
  atomics<u32>("atom.add.noftz.f16x2", add_half2, 0, 0x54005800u);
}

// --- memory accesses of every width

template <class T>
__global__ void copy_elements(const T* x, T* y) { y[threadIdx.x] = x[threadIdx.x ^ 1]; }
template <class T>
void access(const std::string& name) {
  const size_t count = 32 * sizeof(T) / 4 + 1;
  const std::vector<u32> in = scrambled(count);
  u32* out = on_device(std::vector<u32>(count, 0));
  copy_elements<<<1, 32>>>(reinterpret_cast<const T*>(on_device(in)), reinterpret_cast<T*>(out));
  const bool fine = cudaDeviceSynchronize() == cudaSuccess;
  std::vector<u32> got = fine ? from_device(out, count) : std::vector<u32>(count), want(count);
  for (int i = 0; i < 32; ++i) std::memcpy(reinterpret_cast<char*>(want.data()) + i * sizeof(T), reinterpret_cast<const char*>(in.data()) + (i ^ 1) * sizeof(T), sizeof(T));
  ok(name, fine && got == want, node_bert::cuda::emulator::last_report());
  if (!fine) cudaDeviceReset();
}
LANES(signed_bytes, asm volatile("ld.global.s8 %0, [%1];" : "=r"(r) : "l"(x + lane)))
LANES(signed_halves, asm volatile("ld.global.s16 %0, [%1+2];" : "=r"(r) : "l"(x + lane)))
LANES(unsigned_halves, asm volatile("ld.global.nc.L1::no_allocate.u16 %0, [%1];" : "=r"(r) : "l"(x + lane)))
LANES(volatile_load, asm volatile("ld.volatile.global.u32 %0, [%1];" : "=r"(r) : "l"(x + lane)))
LANES(generic_shared, __shared__ u32 s[32]; volatile u32* p = a & 1 ? s : s; p[lane] = a; __syncwarp(); r = p[lane ^ 5])
LANES(local_array, u32 t[8]; for (int i = 0; i < 8; ++i) t[i] = a + i; r = t[a % 8])
__constant__ u32 table[4] = {10, 20, 30, 40};
LANES(constants, r = table[a % 4])

void accesses() {
  access<uint8_t>("ld and st of 8 bits");
  access<uint16_t>("ld and st of 16 bits");
  access<u32>("ld and st of 32 bits");
  access<u64>("ld and st of 64 bits");
  access<uint2>("ld and st .v2.u32");
  access<uint4>("ld and st .v4.u32");
  access<double2>("ld and st .v2.f64");
  access<uchar4>("ld and st .v4.u8");
  access<ushort2>("ld and st .v2.u16");
  lanes("ld.global.s8", signed_bytes, [](auto& x, int l) { return static_cast<s32>(static_cast<int8_t>(x[l])); });
  lanes("ld.global.s16", signed_halves, [](auto& x, int l) { return static_cast<s32>(static_cast<int16_t>(x[l] >> 16)); });
  lanes("ld.global.nc.u16", unsigned_halves, [](auto& x, int l) { return x[l] & 0xffff; });
  lanes("ld.volatile", volatile_load, [](auto& x, int l) { return x[l]; });
  lanes("generic addresses of shared memory", generic_shared, [](auto& x, int l) { return x[l ^ 5]; });
  lanes("local memory", local_array, [](auto& x, int l) { return x[l] + x[l] % 8; });
  lanes("constant memory", constants, [](auto& x, int l) { return x[l] % 4 * 10 + 10; });
}

// --- matrices. Small whole numbers, so that every sum is exact; fragments are filled from the tables of the PTX manual.

float number(int i) { return static_cast<float>(i * 7 % 17 - 8); }
template <class T> T make(float x);
template <> __half make<__half>(float x) { return __float2half(x); }
template <> __nv_bfloat16 make<__nv_bfloat16>(float x) { return __float2bfloat16(x); }
template <> float make<float>(float x) { return x; }

// a: registers of each lane (4 of 32 bits at most), b (2), c (4) in; d out.
#define MMA(name, text, d_list, a_list, b_list, ...) \
  __global__ void name(const u32* a, const u32* b, const float* c, float* d) { \
    const int l = threadIdx.x; \
    float r[4] = {c[l * 4], c[l * 4 + 1], c[l * 4 + 2], c[l * 4 + 3]}; \
    asm volatile(text " {%0, %1, %2, %3}, " a_list ", " b_list ", {%0, %1, %2, %3};" : "+f"(r[0]), "+f"(r[1]), "+f"(r[2]), "+f"(r[3]) : __VA_ARGS__); \
    for (int i = 0; i < 4; ++i) d[l * 4 + i] = r[i]; \
  }
#define A4 "r"(a[l * 4]), "r"(a[l * 4 + 1]), "r"(a[l * 4 + 2]), "r"(a[l * 4 + 3])
#define A2 "r"(a[l * 2]), "r"(a[l * 2 + 1])
#define B2 "r"(b[l * 2]), "r"(b[l * 2 + 1])
#define B1 "r"(b[l])
MMA(mma_f16_k16, "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", , "{%4, %5, %6, %7}", "{%8, %9}", A4, B2)
MMA(mma_bf16_k16, "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32", , "{%4, %5, %6, %7}", "{%8, %9}", A4, B2)
MMA(mma_f16_k8, "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32", , "{%4, %5}", "{%6}", A2, B1)
MMA(mma_bf16_k8, "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32", , "{%4, %5}", "{%6}", A2, B1)
MMA(mma_tf32_k8, "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", , "{%4, %5, %6, %7}", "{%8, %9}", A4, B2)
MMA(mma_tf32_k4, "mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32", , "{%4, %5}", "{%6}", A2, B1)

template <class T, class Kernel>
void mma(const std::string& name, Kernel kernel, int K) {
  constexpr int per = 4 / sizeof(T), group = 4 * per;
  const int a_registers = 16 * K / 32 / per, b_registers = 8 * K / 32 / per;
  std::vector<u32> a(32 * a_registers), b(32 * b_registers);
  std::vector<float> c(128), d(128);
  const auto put = [](std::vector<u32>& to, int at, int element, float value) {
    const T narrow = make<T>(value);
    std::memcpy(reinterpret_cast<char*>(&to[at]) + element * sizeof(T), &narrow, sizeof(T));
  };
  for (int lane = 0; lane < 32; ++lane) {
    for (int e = 0; e < per; ++e) {
      for (int r = 0; r < a_registers; ++r) put(a, lane * a_registers + r, e, number((lane / 4 + r % 2 * 8) * K + r / 2 * group + lane % 4 * per + e));
      for (int r = 0; r < b_registers; ++r) put(b, lane * b_registers + r, e, number((r * group + lane % 4 * per + e) * 8 + lane / 4 + 3));
    }
    for (int i = 0; i < 4; ++i) {
      const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      float sum = c[lane * 4 + i] = static_cast<float>(row - column);
      for (int k = 0; k < K; ++k) sum += number(row * K + k) * number(k * 8 + column + 3);
      d[lane * 4 + i] = sum;
    }
  }
  float* out = fresh_on_device<float>(128);
  kernel<<<1, 32>>>(on_device(a), on_device(b), on_device(c), out);
  const bool fine = cudaDeviceSynchronize() == cudaSuccess;
  ok(name, fine && from_device(out, 128) == d, node_bert::cuda::emulator::last_report());
  if (!fine) cudaDeviceReset();
}

template <int kCount, bool kTranspose>
__global__ void load_matrices(const uint16_t* x, u32* y) {
  __shared__ __align__(16) uint16_t s[256];
  for (int i = threadIdx.x; i < 256; i += 32) s[i] = x[i];
  __syncwarp();
  const u32 at = static_cast<u32>(__cvta_generic_to_shared(s + threadIdx.x * 8 % 256));
  u32 r[4] = {0, 0, 0, 0};
  if (kCount == 4 && kTranspose) asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
  if (kCount == 4 && !kTranspose) asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
  if (kCount == 2 && kTranspose) asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(at) : "memory");
  if (kCount == 1) asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(at) : "memory");
  for (int i = 0; i < kCount; ++i) y[i * 32 + threadIdx.x] = r[i];
}
template <int kCount, bool kTranspose>
void ldmatrix(const std::string& name) {
  std::vector<uint16_t> in(256);
  for (int i = 0; i < 256; ++i) in[i] = static_cast<uint16_t>(i * 257 + 3);
  u32* out = fresh_on_device<u32>(32 * kCount);
  load_matrices<kCount, kTranspose><<<1, 32>>>(on_device(in), out);
  const bool fine = cudaDeviceSynchronize() == cudaSuccess;
  std::vector<u32> want(32 * kCount);
  for (int i = 0; i < kCount; ++i) {
    for (int lane = 0; lane < 32; ++lane) {
      const auto element = [&](int row, int column) { return static_cast<u32>(in[i * 64 + (kTranspose ? column * 8 + row : row * 8 + column)]); };
      want[i * 32 + lane] = element(lane / 4, lane % 4 * 2) | element(lane / 4, lane % 4 * 2 + 1) << 16;
    }
  }
  ok(name, fine && from_device(out, 32 * kCount) == want, node_bert::cuda::emulator::last_report());
  if (!fine) cudaDeviceReset();
}

__global__ void copy_with_zeros(const float* x, float* y) {
  __shared__ __align__(16) float s[128];
  const u32 to = static_cast<u32>(__cvta_generic_to_shared(s + threadIdx.x * 4));
  const int bytes = static_cast<int>(threadIdx.x % 5) * 4;
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(x + threadIdx.x * 4), "r"(bytes) : "memory");
  asm volatile("cp.async.wait_all;" ::: "memory");
  for (int i = 0; i < 4; ++i) y[threadIdx.x * 4 + i] = s[threadIdx.x * 4 + i];
}
void async_copies() {
  float* out = fresh_on_device<float>(128);
  copy_with_zeros<<<1, 32>>>(on_device(ramp(128)), out);
  std::vector<float> want = ramp(128);
  for (int i = 0; i < 128; ++i) want[i] = i % 4 < i / 4 % 5 ? want[i] : 0;
  const bool fine = cudaDeviceSynchronize() == cudaSuccess;
  ok("cp.async with fewer source bytes", fine && from_device(out, 128) == want, node_bert::cuda::emulator::last_report());
}

// --- what must be refused

__global__ void unknown_special(u32* y) { u64 t; asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(t)); y[0] = static_cast<u32>(t); }
__global__ void unknown_opcode(u32* y) { u32 t; asm volatile("dp4a.u32.u32 %0, %1, 2, 3;" : "=r"(t) : "r"(threadIdx.x)); y[0] = t; }

void refused() {
  u32* y = fresh_on_device<u32>(1);
  unknown_special<<<1, 1>>>(y);
  ok("an unknown special register refuses the kernel", cudaGetLastError() == cudaErrorInvalidPtx && node_bert::cuda::emulator::last_report().find("PTX line") != std::string::npos);
  unknown_opcode<<<1, 1>>>(y);
  ok("an unknown opcode refuses the kernel", cudaGetLastError() == cudaErrorInvalidPtx && node_bert::cuda::emulator::last_report().find("dp4a") != std::string::npos);
}

// Rows of 32 floats read by columns: every lane in one bank, or, with a row one longer, each in its own.
template <int kRow>
__global__ void column_reads(float* y) {
  __shared__ float s[32 * 33];
  for (int i = 0; i < 32; ++i) s[i * kRow + threadIdx.x] = static_cast<float>(i);
  __syncwarp();
  y[threadIdx.x] = s[threadIdx.x * kRow];
}
void counters() {
  const auto wavefronts = [](auto kernel, const char* name) {
    node_bert::cuda::emulator::clear_counters();
    kernel<<<1, 32>>>(fresh_on_device<float>(32));
    cudaDeviceSynchronize();
    for (const auto& [kernel_name, values] : node_bert::cuda::emulator::kernel_counters()) {
      if (kernel_name.find(name) != std::string::npos) return values;
    }
    return node_bert::cuda::emulator::NamedCounters{};
  };
  auto straight = wavefronts(column_reads<32>, "column_readsILi32"), padded = wavefronts(column_reads<33>, "column_readsILi33");
  ok("bank conflicts are counted", straight["shared_wavefronts"] == 64 && straight["bank_conflicts"] == 31 && padded["shared_wavefronts"] == 33 && padded["bank_conflicts"] == 0);
  ok("sectors are counted", straight["global_sectors"] == 4 && straight["global_bytes_written"] == 128);
}

}  // namespace

int main() {
  collectives();
  atomic_opcodes();
  accesses();
  mma<__half>("mma.m16n8k16 f16", mma_f16_k16, 16);
  mma<__nv_bfloat16>("mma.m16n8k16 bf16", mma_bf16_k16, 16);
  mma<__half>("mma.m16n8k8 f16", mma_f16_k8, 8);
  mma<__nv_bfloat16>("mma.m16n8k8 bf16", mma_bf16_k8, 8);
  mma<float>("mma.m16n8k8 tf32", mma_tf32_k8, 8);
  mma<float>("mma.m16n8k4 tf32", mma_tf32_k4, 4);
  ldmatrix<4, false>("ldmatrix.x4");
  ldmatrix<4, true>("ldmatrix.x4.trans");
  ldmatrix<2, true>("ldmatrix.x2.trans");
  ldmatrix<1, false>("ldmatrix.x1");
  async_copies();
  refused();
  counters();
  return finish();
}
