// Opcodes of floats, and conversions, against host C++. Exact ones bit for bit; approximate ones within a few units of the last place.
#include <cfenv>
#include <cmath>

#include "emulator/tests/opcodes.h"

using namespace node_bert::cuda::emulator::test;

namespace {

using u16 = uint16_t; using s32 = int32_t; using u32 = uint32_t; using s64 = int64_t; using u64 = uint64_t;

// Rounds what f computes by another mode.
template <class F>
auto rounding(int mode, F f) {
  const int before = std::fegetround();
  std::fesetround(mode);
  volatile auto result = f();
  std::fesetround(before);
  return static_cast<std::remove_volatile_t<decltype(result)>>(result);
}
float flushed(float x) { return std::fabs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x; }
template <class T> T least(T a, T b) { return std::isnan(a) ? b : std::isnan(b) ? a : a == b ? (std::signbit(a) ? a : b) : std::fmin(a, b); }
template <class T> T greatest(T a, T b) { return std::isnan(a) ? b : std::isnan(b) ? a : a == b ? (std::signbit(a) ? b : a) : std::fmax(a, b); }
volatile float hide;  // keeps the compiler from folding under another rounding
float hidden(float x) { hide = x; return hide; }

#define FLOAT_BINARY(name, text, ...) NB_BINARY(name, float, float, float, "=f", "f", "f", text, __VA_ARGS__)
FLOAT_BINARY(Add, "add.f32", a + b);
FLOAT_BINARY(AddRz, "add.rz.f32", rounding(FE_TOWARDZERO, [&] { return hidden(a) + hidden(b); }));
FLOAT_BINARY(AddFtz, "add.ftz.f32", flushed(flushed(a) + flushed(b)));
FLOAT_BINARY(Sub, "sub.rn.f32", a - b);
FLOAT_BINARY(Mul, "mul.rn.f32", a * b);
FLOAT_BINARY(MulRp, "mul.rp.f32", rounding(FE_UPWARD, [&] { return hidden(a) * hidden(b); }));
FLOAT_BINARY(MulSat, "mul.sat.f32", a * b > 0 ? std::fmin(a * b, 1.0f) : 0.0f);
FLOAT_BINARY(Div, "div.rn.f32", a / b);
FLOAT_BINARY(DivFull, "div.full.f32", a / b);
FLOAT_BINARY(Min, "min.f32", least(a, b));
FLOAT_BINARY(Max, "max.f32", greatest(a, b));
FLOAT_BINARY(MinNan, "min.NaN.f32", std::isnan(a) || std::isnan(b) ? NAN : least(a, b));
FLOAT_BINARY(CopySign, "copysign.f32", std::copysign(b, a));
NB_TERNARY(Fma, float, float, float, float, "=f", "f", "f", "f", "fma.rn.f32", std::fma(a, b, c));
NB_TERNARY(FmaRm, float, float, float, float, "=f", "f", "f", "f", "fma.rm.f32", rounding(FE_DOWNWARD, [&] { return std::fma(hidden(a), hidden(b), hidden(c)); }));
NB_TERNARY(FmaFtz, float, float, float, float, "=f", "f", "f", "f", "fma.rn.ftz.f32", flushed(std::fma(flushed(a), flushed(b), flushed(c))));
NB_UNARY(Neg, float, float, "=f", "f", "neg.f32", -a);
NB_UNARY(Abs, float, float, "=f", "f", "abs.f32", std::fabs(a));
NB_UNARY(Rcp, float, float, "=f", "f", "rcp.rn.f32", 1 / a);
NB_UNARY(Sqrt, float, float, "=f", "f", "sqrt.rn.f32", std::sqrt(a));
NB_UNARY(RcpApprox, float, float, "=f", "f", "rcp.approx.ftz.f32", flushed(1 / flushed(a)));
NB_UNARY(RsqrtApprox, float, float, "=f", "f", "rsqrt.approx.f32", static_cast<float>(1 / std::sqrt(static_cast<long double>(a))));
NB_UNARY(SqrtApprox, float, float, "=f", "f", "sqrt.approx.f32", std::sqrt(a));
NB_UNARY(Ex2, float, float, "=f", "f", "ex2.approx.ftz.f32", flushed(static_cast<float>(std::pow(2.0L, flushed(a)))));
NB_UNARY(Lg2, float, float, "=f", "f", "lg2.approx.f32", static_cast<float>(std::log2(static_cast<long double>(a))));
NB_UNARY(Tanh, float, float, "=f", "f", "tanh.approx.f32", static_cast<float>(std::tanh(static_cast<long double>(a))));
NB_UNARY(Sin, float, float, "=f", "f", "sin.approx.f32", static_cast<float>(std::sin(static_cast<double>(a))));
NB_UNARY(Cos, float, float, "=f", "f", "cos.approx.f32", static_cast<float>(std::cos(static_cast<double>(a))));
NB_BINARY(AddF64, double, double, double, "=d", "d", "d", "add.f64", a + b);
NB_BINARY(MulF64, double, double, double, "=d", "d", "d", "mul.f64", a * b);
NB_BINARY(DivF64, double, double, double, "=d", "d", "d", "div.rn.f64", a / b);
NB_BINARY(MinF64, double, double, double, "=d", "d", "d", "min.f64", least(a, b));
NB_TERNARY(FmaF64, double, double, double, double, "=d", "d", "d", "d", "fma.rn.f64", std::fma(a, b, c));
NB_UNARY(SqrtF64, double, double, "=d", "d", "sqrt.rn.f64", std::sqrt(a));
NB_UNARY(RcpF64, double, double, "=d", "d", "rcp.rn.f64", 1 / a);
NB_UNARY(NegF64, double, double, "=d", "d", "neg.f64", -a);

#define FLOAT_COMPARE(name, text, ...) NB_COMPARE(name, float, "f", text, __VA_ARGS__)
FLOAT_COMPARE(Eq, "setp.eq.f32", a == b);
FLOAT_COMPARE(Ne, "setp.ne.f32", a < b || a > b);
FLOAT_COMPARE(Lt, "setp.lt.f32", a < b);
FLOAT_COMPARE(Ge, "setp.ge.f32", a >= b);
FLOAT_COMPARE(Equ, "setp.equ.f32", a == b || std::isnan(a) || std::isnan(b));
FLOAT_COMPARE(Neu, "setp.neu.f32", a != b);
FLOAT_COMPARE(Ltu, "setp.ltu.f32", !(a >= b));
FLOAT_COMPARE(Leu, "setp.leu.f32", !(a > b));
FLOAT_COMPARE(Gtu, "setp.gtu.f32", !(a <= b));
FLOAT_COMPARE(Geu, "setp.geu.f32", !(a < b));
FLOAT_COMPARE(Num, "setp.num.f32", !std::isnan(a) && !std::isnan(b));
FLOAT_COMPARE(Nan, "setp.nan.f32", std::isnan(a) || std::isnan(b));
FLOAT_COMPARE(LtFtz, "setp.lt.ftz.f32", flushed(a) < flushed(b));
NB_COMPARE(LeF64, double, "d", "setp.le.f64", a <= b);
NB_BINARY(SetF32, float, float, float, "=f", "f", "f", "set.gt.f32.f32", a > b ? 1.0f : 0.0f);

// Saturating to an integer; where PTX leaves NaN open, the emulator's choice is what hardware gives.
template <class R> R whole(double x, double rounded_x) {
  if (std::isnan(x)) return sizeof(R) == 8 ? static_cast<R>(u64{1} << 63) : R{0};
  const double top = std::ldexp(1.0, 8 * sizeof(R) - std::is_signed_v<R>);
  if (rounded_x >= top) return std::numeric_limits<R>::max();
  if (rounded_x <= static_cast<double>(std::numeric_limits<R>::min())) return std::numeric_limits<R>::min();
  return static_cast<R>(rounded_x);
}
NB_UNARY(CvtRni, s32, float, "=r", "f", "cvt.rni.s32.f32", whole<s32>(a, std::nearbyint(static_cast<double>(a))));
NB_UNARY(CvtRzi, s32, float, "=r", "f", "cvt.rzi.s32.f32", whole<s32>(a, std::trunc(static_cast<double>(a))));
NB_UNARY(CvtRmi, s32, float, "=r", "f", "cvt.rmi.s32.f32", whole<s32>(a, std::floor(static_cast<double>(a))));
NB_UNARY(CvtRpiU, u32, float, "=r", "f", "cvt.rpi.u32.f32", whole<u32>(a, std::ceil(static_cast<double>(a))));
NB_UNARY(CvtRziS64, s64, float, "=l", "f", "cvt.rzi.s64.f32", whole<s64>(a, std::trunc(static_cast<double>(a))));
NB_UNARY(CvtRziF64, s64, double, "=l", "d", "cvt.rzi.s64.f64", whole<s64>(a, std::trunc(a)));
NB_UNARY(CvtRniU64, u64, double, "=l", "d", "cvt.rni.u64.f64", whole<u64>(a, std::nearbyint(a)));
NB_UNARY(CvtF32S32, float, s32, "=f", "r", "cvt.rn.f32.s32", static_cast<float>(a));
NB_UNARY(CvtF32U32, float, u32, "=f", "r", "cvt.rn.f32.u32", static_cast<float>(a));
NB_UNARY(CvtRzF32U32, float, u32, "=f", "r", "cvt.rz.f32.u32", rounding(FE_TOWARDZERO, [&] { volatile u32 x = a; return static_cast<float>(static_cast<s64>(x)); }));
NB_UNARY(CvtF32S64, float, s64, "=f", "l", "cvt.rn.f32.s64", static_cast<float>(a));
NB_UNARY(CvtF32U64, float, u64, "=f", "l", "cvt.rn.f32.u64", static_cast<float>(a));
NB_UNARY(CvtF64S64, double, s64, "=d", "l", "cvt.rn.f64.s64", static_cast<double>(a));
NB_UNARY(CvtF64F32, double, float, "=d", "f", "cvt.f64.f32", a);
NB_UNARY(CvtF32F64, float, double, "=f", "d", "cvt.rn.f32.f64", static_cast<float>(a));
NB_UNARY(CvtRpF32F64, float, double, "=f", "d", "cvt.rp.f32.f64", rounding(FE_UPWARD, [&] { volatile double x = a; return static_cast<float>(x); }));
NB_UNARY(CvtSat, float, float, "=f", "f", "cvt.sat.f32.f32", a > 0 ? std::fmin(a, 1.0f) : 0.0f);
NB_UNARY(CvtRziF32, float, float, "=f", "f", "cvt.rzi.f32.f32", std::trunc(a));
NB_UNARY(CvtRniF32, float, float, "=f", "f", "cvt.rni.f32.f32", std::nearbyint(a));
NB_UNARY(CvtRnaTf32, u32, float, "=r", "f", "cvt.rna.tf32.f32", [&] {
  u32 bits;
  std::memcpy(&bits, &a, 4);
  if (std::isnan(a)) return 0x7fffffffu;
  if (std::isinf(a)) return bits;
  const double step = std::ldexp(1.0, std::max(std::ilogb(a == 0 ? 1e-45f : std::fabs(a)), -126) - 10);
  const float magnitude = static_cast<float>(std::floor(std::fabs(static_cast<double>(a)) / step + 0.5) * step);
  const float rounded = std::copysign(magnitude, a);
  std::memcpy(&bits, &rounded, 4);
  return bits;
}());

// 16-bit floats. Exact sums and products of two of them, and products plus a third in most cases, fit a long double.
#define PAIR(name, operands, op, asm_operands, ...)                                                                                              \
  NB_HALF(name##F16, F16, operands, op ".f16", asm_operands, F16{nearest16([&](auto x, auto y, auto z) -> long double { return __VA_ARGS__; }(value_of(a), value_of(b), value_of(c)), false)}); \
  NB_HALF(name##B16, B16, operands, op ".bf16", asm_operands, B16{nearest16([&](auto x, auto y, auto z) -> long double { return __VA_ARGS__; }(value_of(a), value_of(b), value_of(c)), true)})
PAIR(FmaH, 3, "fma.rn", " %0, %1, %2, %3;", x * y + z);
PAIR(NegH, 1, "neg", " %0, %1;", -x);
PAIR(AbsH, 1, "abs", " %0, %1;", std::fabs(x));
PAIR(MinH, 2, "min", " %0, %1, %2;", least(x, y));
PAIR(MaxNanH, 2, "max.NaN", " %0, %1, %2;", std::isnan(x) || std::isnan(y) ? NAN : greatest(x, y));
NB_HALF(AddF16, F16, 2, "add.rn.f16", " %0, %1, %2;", (F16{nearest16(value_of(a) + value_of(b), false)}));
NB_HALF(SubF16, F16, 2, "sub.f16", " %0, %1, %2;", (F16{nearest16(value_of(a) - value_of(b), false)}));
NB_HALF(MulF16, F16, 2, "mul.f16", " %0, %1, %2;", (F16{nearest16(value_of(a) * value_of(b), false)}));

u16 brain_of(float a) { return nearest16(a, true); }
struct ToF16 { using A = float; using B = float; using C = u32; using R = F16; static constexpr int kOperands = 1; static constexpr const char* text = "cvt.rn.f16.f32";
  static __device__ R run(A a, B, C) { u16 r; asm volatile("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(a)); return {r}; }
  static R expected(A a, B, C) { return {nearest16(a, false)}; } };
struct ToB16 { using A = float; using B = float; using C = u32; using R = B16; static constexpr int kOperands = 1; static constexpr const char* text = "cvt.rn.bf16.f32";
  static __device__ R run(A a, B, C) { u16 r; asm volatile("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(a)); return {r}; }
  static R expected(A a, B, C) { return {brain_of(a)}; } };
struct ToF16Rz { using A = float; using B = float; using C = u32; using R = F16; static constexpr int kOperands = 1; static constexpr const char* text = "cvt.rz.f16.f32";
  static __device__ R run(A a, B, C) { u16 r; asm volatile("cvt.rz.f16.f32 %0, %1;" : "=h"(r) : "f"(a)); return {r}; }
  static R expected(A a, B, C) { return {toward_zero16(a, false)}; } };
struct FromF16 { using A = F16; using B = u32; using C = u32; using R = float; static constexpr int kOperands = 1; static constexpr const char* text = "cvt.f32.f16";
  static __device__ R run(A a, B, C) { float r; asm volatile("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(a.bits)); return r; }
  static R expected(A a, B, C) { return static_cast<float>(value_of(a)); } };
struct PairF16 { using A = float; using B = float; using C = u32; using R = u32; static constexpr int kOperands = 2; static constexpr const char* text = "cvt.rn.f16x2.f32";
  static __device__ R run(A a, B b, C) { if (a != a || b != b) return 0; u32 r; asm volatile("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(a), "f"(b)); return r; }
  static R expected(A a, B b, C) { return a != a || b != b ? 0 : static_cast<u32>(nearest16(a, false)) << 16 | nearest16(b, false); } };
struct PairB16 { using A = float; using B = float; using C = u32; using R = u32; static constexpr int kOperands = 2; static constexpr const char* text = "cvt.rn.bf16x2.f32";
  static __device__ R run(A a, B b, C) { if (a != a || b != b) return 0; u32 r; asm volatile("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(a), "f"(b)); return r; }
  static R expected(A a, B b, C) { return a != a || b != b ? 0 : static_cast<u32>(nearest16(a, true)) << 16 | nearest16(b, true); } };
struct PackedFma { using A = u32; using B = u32; using C = u32; using R = u32; static constexpr int kOperands = 3; static constexpr const char* text = "fma.rn.f16x2";
  static __device__ R run(A a, B b, C c) { a &= 0x3fff3fff, b &= 0x3fff3fff, c &= 0x3fff3fff; u32 r; asm volatile("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(c)); return r; }
  static R expected(A a, B b, C c) {
    a &= 0x3fff3fff, b &= 0x3fff3fff, c &= 0x3fff3fff;
    const auto one = [](u32 x, u32 y, u32 z) { return nearest16(value_of(F16{u16(x)}) * value_of(F16{u16(y)}) + value_of(F16{u16(z)}), false); };
    return static_cast<u32>(one(a >> 16, b >> 16, c >> 16)) << 16 | one(a & 0xffff, b & 0xffff, c & 0xffff);
  } };

}  // namespace

int main() {
  opcode<Add>(); opcode<AddRz>(); opcode<AddFtz>(); opcode<Sub>(); opcode<Mul>(); opcode<MulRp>(); opcode<MulSat>(); opcode<Div>(); opcode<DivFull>(1e-6);
  opcode<Min>(); opcode<Max>(); opcode<MinNan>(); opcode<CopySign>(); opcode<Fma>(); opcode<FmaRm>(); opcode<FmaFtz>(); opcode<Neg>(); opcode<Abs>(); opcode<Rcp>(); opcode<Sqrt>();
  opcode<RcpApprox>(1e-6); opcode<RsqrtApprox>(1e-6); opcode<SqrtApprox>(1e-6); opcode<Ex2>(1e-6); opcode<Lg2>(1e-6); opcode<Tanh>(1e-6); opcode<Sin>(1e-6); opcode<Cos>(1e-6);
  opcode<AddF64>(); opcode<MulF64>(); opcode<DivF64>(); opcode<MinF64>(); opcode<FmaF64>(); opcode<SqrtF64>(); opcode<RcpF64>(); opcode<NegF64>();
  opcode<Eq>(); opcode<Ne>(); opcode<Lt>(); opcode<Ge>(); opcode<Equ>(); opcode<Neu>(); opcode<Ltu>(); opcode<Leu>(); opcode<Gtu>(); opcode<Geu>(); opcode<Num>(); opcode<Nan>();
  opcode<LtFtz>(); opcode<LeF64>(); opcode<SetF32>();
  opcode<CvtRni>(); opcode<CvtRzi>(); opcode<CvtRmi>(); opcode<CvtRpiU>(); opcode<CvtRziS64>(); opcode<CvtRziF64>(); opcode<CvtRniU64>(); opcode<CvtF32S32>(); opcode<CvtF32U32>();
  opcode<CvtRzF32U32>(); opcode<CvtF32S64>(); opcode<CvtF32U64>(); opcode<CvtF64S64>(); opcode<CvtF64F32>(); opcode<CvtF32F64>(); opcode<CvtRpF32F64>(); opcode<CvtSat>();
  opcode<CvtRziF32>(); opcode<CvtRniF32>(); opcode<CvtRnaTf32>();
  opcode<FmaHF16>(); opcode<FmaHB16>(); opcode<NegHF16>(); opcode<NegHB16>(); opcode<AbsHF16>(); opcode<AbsHB16>(); opcode<MinHF16>(); opcode<MinHB16>(); opcode<MaxNanHF16>();
  opcode<MaxNanHB16>(); opcode<AddF16>(); opcode<SubF16>(); opcode<MulF16>(); opcode<ToF16>(); opcode<ToB16>(); opcode<ToF16Rz>(); opcode<FromF16>(); opcode<PairF16>(); opcode<PairB16>();
  opcode<PackedFma>();
  return finish();
}
