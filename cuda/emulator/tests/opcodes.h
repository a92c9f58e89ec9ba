// One form of an opcode against host C++: a kernel of one inline PTX statement, run on edge values, compared bit for bit.
#ifndef NODE_BERT_CUDA_EMULATOR_TESTS_OPCODES_H
#define NODE_BERT_CUDA_EMULATOR_TESTS_OPCODES_H

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "emulator/tests/bits16.h"
#include "emulator/tests/check.h"

namespace node_bert::cuda::emulator::test {

template <class T>
std::vector<T> edge_values() {
  std::vector<T> values;
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    using L = std::numeric_limits<T>;
    for (const T v : {T(0), T(1), T(1.5), T(2.5), T(0.1), T(3.14159), T(1e-3), T(255.5), T(65520), T(1e10), T(2147483648.0), L::max(), L::min(), L::denorm_min(), L::min() / 4, L::infinity(),
                      T(1) + L::epsilon(), T(0.49999997)}) {
      values.push_back(v);
      values.push_back(-v);
    }
    values.push_back(L::quiet_NaN());
  } else if constexpr (std::is_integral_v<T>) {
    using L = std::numeric_limits<T>;
    for (const int v : {0, 1, 2, 3, 5, 7, 8, 15, 16, 31, 32, 33, 63, 64, 100, 127, 128, 255, 1000}) values.push_back(static_cast<T>(v));
    for (const T v : {L::max(), L::min(), static_cast<T>(L::max() - 1), static_cast<T>(L::max() / 2), static_cast<T>(L::max() / 3), static_cast<T>(-1), static_cast<T>(-2), static_cast<T>(-100),
                      static_cast<T>(0x5a5a5a5a5a5a5a5aull), static_cast<T>(0x8000000080000000ull), static_cast<T>(0xff00ff00ff00ff00ull)}) {
      values.push_back(v);
    }
  } else {
    for (const uint16_t bits : {0x0000, 0x8000, 0x3c00, 0xbc00, 0x3c01, 0x3555, 0x0001, 0x8001, 0x0400, 0x7bff, 0xfbff, 0x7c00, 0xfc00, 0x7e00, 0x4248, 0x5640, 0x3f80, 0xbf80, 0x7f7f,
                                0x7f80, 0xff80, 0x7fc0, 0x4049, 0x0080, 0x3e80}) {
      values.push_back({bits});
    }
  }
  return values;
}

template <class Op>
__global__ void apply(const typename Op::A* a, const typename Op::B* b, const typename Op::C* c, typename Op::R* r, int count) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < count) r[i] = Op::run(a[i], b[i], c[i]);
}

template <class T>
bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>) return x != x;
  else if constexpr (std::is_same_v<T, F16>) return (x.bits & 0x7fff) > 0x7c00;
  else if constexpr (std::is_same_v<T, B16>) return (x.bits & 0x7fff) > 0x7f80;
  else return false;
}
template <class T>
std::string bits_of(T x) {
  uint64_t bits = 0;
  std::memcpy(&bits, &x, sizeof(x));
  char text[32];
  std::snprintf(text, sizeof(text), "0x%llx", static_cast<unsigned long long>(bits));
  return text;
}

// Op gives A, B, C, R, kOperands, text, run and expected; every combination of edge values is tried (of three operands, a part of each list).
template <class Op>
void opcode(double tolerance = 0) {
  using A = typename Op::A;
  using B = typename Op::B;
  using C = typename Op::C;
  using R = typename Op::R;
  const auto as = edge_values<A>();
  const auto bs = edge_values<B>();
  const auto cs = edge_values<C>();
  std::vector<A> a;
  std::vector<B> b;
  std::vector<C> c;
  for (size_t i = 0; i < as.size(); ++i) {
    for (size_t j = 0; j < (Op::kOperands > 1 ? bs.size() : 1); ++j) {
      for (size_t k = 0; k < (Op::kOperands > 2 ? cs.size() : 1); k += 3) {
        a.push_back(as[i]);
        b.push_back(bs[j]);
        c.push_back(cs[(k + i + j) % cs.size()]);
      }
    }
  }
  const int count = static_cast<int>(a.size());
  R* out = fresh_on_device<R>(count);
  apply<Op><<<(count + 127) / 128, 128>>>(on_device(a), on_device(b), on_device(c), out, count);
  const cudaError_t error = cudaDeviceSynchronize();
  if (error != cudaSuccess) {
    ok(Op::text, false, last_report());
    cudaDeviceReset();
    return;
  }
  const std::vector<R> results = from_device(out, count);
  for (int i = 0; i < count; ++i) {
    const R expected = Op::expected(a[i], b[i], c[i]);
    bool same = std::memcmp(&expected, &results[i], sizeof(R)) == 0 || (is_nan(expected) && is_nan(results[i]));
    if constexpr (std::is_floating_point_v<R>) same = same || std::fabs(results[i] - expected) <= tolerance * std::fabs(expected);
    if (!same) return ok(Op::text, false, bits_of(a[i]) + ", " + bits_of(b[i]) + ", " + bits_of(c[i]) + " gave " + bits_of(results[i]) + ", expected " + bits_of(expected));
  }
  ok(Op::text, true);
}

// The letter of inline assembly for a type, and how the value gets there.
#define NB_UNARY(name, RT, AT, rc, ac, asm_text, ...)                         \
  struct name {                                                                      \
    using A = AT; using B = uint32_t; using C = uint32_t; using R = RT;              \
    static constexpr int kOperands = 1;                                              \
    static constexpr const char* text = asm_text;                                    \
    static __device__ R run(A a, B, C) {                                             \
      R r;                                                                           \
      asm volatile(asm_text " %0, %1;" : rc(r) : ac(a));                             \
      return r;                                                                      \
    }                                                                                \
    static R expected(A a, B, C) { return __VA_ARGS__; }                              \
  }
#define NB_BINARY(name, RT, AT, BT, rc, ac, bc, asm_text, ...)                \
  struct name {                                                                      \
    using A = AT; using B = BT; using C = uint32_t; using R = RT;                    \
    static constexpr int kOperands = 2;                                              \
    static constexpr const char* text = asm_text;                                    \
    static __device__ R run(A a, B b, C) {                                           \
      R r;                                                                           \
      asm volatile(asm_text " %0, %1, %2;" : rc(r) : ac(a), bc(b));                  \
      return r;                                                                      \
    }                                                                                \
    static R expected(A a, B b, C) { return __VA_ARGS__; }                            \
  }
#define NB_TERNARY(name, RT, AT, BT, CT, rc, ac, bc, cc, asm_text, ...)       \
  struct name {                                                                      \
    using A = AT; using B = BT; using C = CT; using R = RT;                          \
    static constexpr int kOperands = 3;                                              \
    static constexpr const char* text = asm_text;                                    \
    static __device__ R run(A a, B b, C c) {                                         \
      R r;                                                                           \
      asm volatile(asm_text " %0, %1, %2, %3;" : rc(r) : ac(a), bc(b), cc(c));       \
      return r;                                                                      \
    }                                                                                \
    static R expected(A a, B b, C c) { return __VA_ARGS__; }                          \
  }
// A comparison: 1 or 0 by way of a predicate.
#define NB_COMPARE(name, AT, ac, asm_text, ...)                               \
  struct name {                                                                      \
    using A = AT; using B = AT; using C = uint32_t; using R = uint32_t;              \
    static constexpr int kOperands = 2;                                              \
    static constexpr const char* text = asm_text;                                    \
    static __device__ R run(A a, B b, C) {                                           \
      R r;                                                                           \
      asm volatile("{ .reg .pred p; " asm_text " p, %1, %2; selp.u32 %0, 1, 0, p; }" : "=r"(r) : ac(a), ac(b)); \
      return r;                                                                      \
    }                                                                                \
    static R expected(A a, B b, C) { return __VA_ARGS__; }                            \
  }
// 16-bit floats: operands by their bits.
#define NB_HALF(name, T, operands, asm_text, asm_operands, ...)               \
  struct name {                                                                      \
    using A = T; using B = T; using C = T; using R = T;                              \
    static constexpr int kOperands = operands;                                       \
    static constexpr const char* text = asm_text;                                    \
    static __device__ R run(A a, B b, C c) {                                         \
      uint16_t r;                                                                    \
      asm volatile("{ .reg .b16 unused; mov.b16 unused, %2; mov.b16 unused, %3; " asm_text asm_operands " }" : "=h"(r) : "h"(a.bits), "h"(b.bits), "h"(c.bits)); \
      return {r};                                                                    \
    }                                                                                \
    static R expected(A a, B b, C c) { return __VA_ARGS__; }                          \
  }

}  // namespace node_bert::cuda::emulator::test
#endif
