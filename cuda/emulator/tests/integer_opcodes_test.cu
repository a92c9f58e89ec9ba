// Integer and bit opcodes against host C++.
#include <cmath>

#include "emulator/tests/opcodes.h"

using namespace node_bert::cuda::emulator::test;

namespace {

using s16 = int16_t; using u16 = uint16_t; using s32 = int32_t; using u32 = uint32_t; using s64 = int64_t; using u64 = uint64_t;

NB_BINARY(AddS32, s32, s32, s32, "=r", "r", "r", "add.s32", static_cast<s32>(static_cast<u32>(a) + static_cast<u32>(b)));
NB_BINARY(AddU64, u64, u64, u64, "=l", "l", "l", "add.u64", a + b);
NB_BINARY(AddS16, s16, s16, s16, "=h", "h", "h", "add.s16", static_cast<s16>(a + b));
NB_BINARY(SubS32, s32, s32, s32, "=r", "r", "r", "sub.s32", static_cast<s32>(static_cast<u32>(a) - static_cast<u32>(b)));
NB_BINARY(SubS64, u64, u64, u64, "=l", "l", "l", "sub.s64", a - b);
NB_BINARY(MulLoS32, u32, u32, u32, "=r", "r", "r", "mul.lo.s32", a * b);
NB_BINARY(MulLoS16, u16, u16, u16, "=h", "h", "h", "mul.lo.s16", static_cast<u16>(u32{a} * b));
NB_BINARY(MulLoS64, u64, u64, u64, "=l", "l", "l", "mul.lo.s64", a * b);
NB_BINARY(MulHiS32, s32, s32, s32, "=r", "r", "r", "mul.hi.s32", static_cast<s32>(s64{a} * b >> 32));
NB_BINARY(MulHiU32, u32, u32, u32, "=r", "r", "r", "mul.hi.u32", static_cast<u32>(u64{a} * b >> 32));
NB_BINARY(MulHiU64, u64, u64, u64, "=l", "l", "l", "mul.hi.u64", static_cast<u64>(static_cast<unsigned __int128>(a) * b >> 64));
NB_BINARY(MulHiS64, s64, s64, s64, "=l", "l", "l", "mul.hi.s64", static_cast<s64>(static_cast<__int128>(a) * b >> 64));
NB_BINARY(MulHiU16, u16, u16, u16, "=h", "h", "h", "mul.hi.u16", static_cast<u16>(u32{a} * b >> 16));
NB_BINARY(MulWideS32, s64, s32, s32, "=l", "r", "r", "mul.wide.s32", s64{a} * b);
NB_BINARY(MulWideU32, u64, u32, u32, "=l", "r", "r", "mul.wide.u32", u64{a} * b);
NB_BINARY(MulWideU16, u32, u16, u16, "=r", "h", "h", "mul.wide.u16", u32{a} * b);
NB_BINARY(MulWideS16, s32, s16, s16, "=r", "h", "h", "mul.wide.s16", s32{a} * b);
NB_TERNARY(MadLoS32, u32, u32, u32, u32, "=r", "r", "r", "r", "mad.lo.s32", a * b + c);
NB_TERNARY(MadLoS64, u64, u64, u64, u64, "=l", "l", "l", "l", "mad.lo.s64", a * b + c);
NB_TERNARY(MadHiU32, u32, u32, u32, u32, "=r", "r", "r", "r", "mad.hi.u32", static_cast<u32>(u64{a} * b >> 32) + c);
NB_TERNARY(MadWideS32, u64, s32, s32, u64, "=l", "r", "r", "l", "mad.wide.s32", static_cast<u64>(s64{a} * b) + c);
NB_TERNARY(MadWideU32, u64, u32, u32, u64, "=l", "r", "r", "l", "mad.wide.u32", u64{a} * b + c);
NB_TERNARY(MadWideU16, u32, u16, u16, u32, "=r", "h", "h", "r", "mad.wide.u16", u32{a} * b + c);
NB_TERNARY(SadU32, u32, u32, u32, u32, "=r", "r", "r", "r", "sad.u32", (a < b ? b - a : a - b) + c);
NB_BINARY(MinS32, s32, s32, s32, "=r", "r", "r", "min.s32", a < b ? a : b);
NB_BINARY(MaxU32, u32, u32, u32, "=r", "r", "r", "max.u32", a > b ? a : b);
NB_BINARY(MaxS32, s32, s32, s32, "=r", "r", "r", "max.s32", a > b ? a : b);
NB_BINARY(MinS64, s64, s64, s64, "=l", "l", "l", "min.s64", a < b ? a : b);
NB_BINARY(MaxS64, s64, s64, s64, "=l", "l", "l", "max.s64", a > b ? a : b);
NB_BINARY(MinU16, u16, u16, u16, "=h", "h", "h", "min.u16", a < b ? a : b);
NB_UNARY(NegS32, s32, s32, "=r", "r", "neg.s32", static_cast<s32>(0u - static_cast<u32>(a)));
NB_UNARY(NegS64, u64, u64, "=l", "l", "neg.s64", u64{0} - a);
NB_UNARY(AbsS32, s32, s32, "=r", "r", "abs.s32", a < 0 ? static_cast<s32>(0u - static_cast<u32>(a)) : a);
NB_UNARY(AbsS64, s64, s64, "=l", "l", "abs.s64", a < 0 ? static_cast<s64>(u64{0} - static_cast<u64>(a)) : a);
// By zero nothing is promised: those pairs are given to the operation as 1.
#define NB_DIVISION(name, T, c, asm_text, sign, expression)                                             \
  struct name {                                                                                         \
    using A = T; using B = T; using C = u32; using R = T;                                               \
    static constexpr int kOperands = 2;                                                                 \
    static constexpr const char* text = asm_text;                                                       \
    static __device__ R run(A a, B b, C) {                                                              \
      if (b == 0) b = 1;                                                                                \
      R r;                                                                                              \
      asm volatile(asm_text " %0, %1, %2;" : "=" c(r) : c(a), c(b));                                    \
      return r;                                                                                         \
    }                                                                                                   \
    static R expected(A a, B b, C) {                                                                    \
      if (b == 0) b = 1;                                                                                \
      if (sign && b == static_cast<T>(-1) && a == std::numeric_limits<T>::min()) return asm_text[0] == 'd' ? a : 0; \
      return expression;                                                                                \
    }                                                                                                   \
  }
NB_DIVISION(DivS32, s32, "r", "div.s32", true, a / b);
NB_DIVISION(DivU32, u32, "r", "div.u32", false, a / b);
NB_DIVISION(DivU64, u64, "l", "div.u64", false, a / b);
NB_DIVISION(DivS64, s64, "l", "div.s64", true, a / b);
NB_DIVISION(RemS32, s32, "r", "rem.s32", true, a % b);
NB_DIVISION(RemU32, u32, "r", "rem.u32", false, a % b);
NB_DIVISION(RemU64, u64, "l", "rem.u64", false, a % b);

NB_BINARY(AndB32, u32, u32, u32, "=r", "r", "r", "and.b32", a & b);
NB_BINARY(OrB64, u64, u64, u64, "=l", "l", "l", "or.b64", a | b);
NB_BINARY(XorB16, u16, u16, u16, "=h", "h", "h", "xor.b16", static_cast<u16>(a ^ b));
NB_UNARY(NotB32, u32, u32, "=r", "r", "not.b32", ~a);
NB_UNARY(NotB64, u64, u64, "=l", "l", "not.b64", ~a);
NB_UNARY(CnotB32, u32, u32, "=r", "r", "cnot.b32", a == 0 ? 1u : 0u);
NB_BINARY(ShlB32, u32, u32, u32, "=r", "r", "r", "shl.b32", b > 31 ? 0 : a << b);
NB_BINARY(ShlB64, u64, u64, u32, "=l", "l", "r", "shl.b64", b > 63 ? 0 : a << b);
NB_BINARY(ShlB16, u16, u16, u32, "=h", "h", "r", "shl.b16", static_cast<u16>(b > 15 ? 0 : a << b));
NB_BINARY(ShrU32, u32, u32, u32, "=r", "r", "r", "shr.u32", b > 31 ? 0 : a >> b);
NB_BINARY(ShrS32, s32, s32, u32, "=r", "r", "r", "shr.s32", a >> (b > 31 ? 31 : b));
NB_BINARY(ShrU64, u64, u64, u32, "=l", "l", "r", "shr.u64", b > 63 ? 0 : a >> b);
NB_BINARY(ShrS64, s64, s64, u32, "=l", "l", "r", "shr.s64", a >> (b > 63 ? 63 : b));
NB_TERNARY(ShfLWrap, u32, u32, u32, u32, "=r", "r", "r", "r", "shf.l.wrap.b32", (c & 31) == 0 ? b : b << (c & 31) | a >> (32 - (c & 31)));
NB_TERNARY(ShfRWrap, u32, u32, u32, u32, "=r", "r", "r", "r", "shf.r.wrap.b32", (c & 31) == 0 ? a : a >> (c & 31) | b << (32 - (c & 31)));
NB_TERNARY(ShfLClamp, u32, u32, u32, u32, "=r", "r", "r", "r", "shf.l.clamp.b32", c == 0 ? b : c > 31 ? a : b << c | a >> (32 - c));
NB_TERNARY(ShfRClamp, u32, u32, u32, u32, "=r", "r", "r", "r", "shf.r.clamp.b32", c == 0 ? a : c > 31 ? b : a >> c | b << (32 - c));
u32 count_ones(u64 x) { u32 n = 0; for (; x != 0; x &= x - 1) ++n; return n; }
int top(u64 x) { int at = -1; for (int i = 0; i < 64; ++i) if (x >> i & 1) at = i; return at; }
NB_UNARY(PopcB32, u32, u32, "=r", "r", "popc.b32", count_ones(a));
NB_UNARY(PopcB64, u32, u64, "=r", "l", "popc.b64", count_ones(a));
NB_UNARY(ClzB32, u32, u32, "=r", "r", "clz.b32", 31 - top(a));
NB_UNARY(ClzB64, u32, u64, "=r", "l", "clz.b64", 63 - top(a));
NB_UNARY(BfindU32, u32, u32, "=r", "r", "bfind.u32", static_cast<u32>(top(a)));
NB_UNARY(BfindS32, u32, s32, "=r", "r", "bfind.s32", static_cast<u32>(top(static_cast<u32>(a < 0 ? ~a : a))));
NB_UNARY(BfindShift, u32, u32, "=r", "r", "bfind.shiftamt.u32", a == 0 ? 0xffffffffu : 31 - top(a));
NB_UNARY(BfindU64, u32, u64, "=r", "l", "bfind.u64", static_cast<u32>(top(a)));
template <class T> T mirrored(T x) { T y = 0; for (size_t i = 0; i < 8 * sizeof(T); ++i) y |= (x >> i & 1) << (8 * sizeof(T) - 1 - i); return y; }
NB_UNARY(BrevB32, u32, u32, "=r", "r", "brev.b32", mirrored(a));
NB_UNARY(BrevB64, u64, u64, "=l", "l", "brev.b64", mirrored(a));
// Bit by bit, as the PTX manual writes it.
template <class T, bool kSigned> T extracted(T a, u32 b, u32 c) {
  const int msb = 8 * sizeof(T) - 1, position = b & 0xff, length = c & 0xff;
  const int last = position + length - 1 < msb ? position + length - 1 : msb;
  const T sign = !kSigned || length == 0 ? 0 : a >> last & 1;
  T d = 0;
  for (int i = 0; i <= msb; ++i) d |= (i < length && position + i <= msb ? a >> (position + i) & 1 : sign) << i;
  return d;
}
NB_TERNARY(BfeU32, u32, u32, u32, u32, "=r", "r", "r", "r", "bfe.u32", (extracted<u32, false>(a, b, c)));
NB_TERNARY(BfeS32, u32, u32, u32, u32, "=r", "r", "r", "r", "bfe.s32", (extracted<u32, true>(a, b, c)));
NB_TERNARY(BfeU64, u64, u64, u32, u32, "=l", "l", "r", "r", "bfe.u64", (extracted<u64, false>(a, b, c)));
NB_TERNARY(Prmt, u32, u32, u32, u32, "=r", "r", "r", "r", "prmt.b32", [&] {
  u32 d = 0;
  for (int i = 0; i < 4; ++i) {
    const u32 choice = c >> 4 * i & 15, source = choice & 4 ? b : a;
    u32 byte = source >> 8 * (choice & 3) & 255;
    if (choice & 8) byte = byte >> 7 ? 255 : 0;
    d |= byte << 8 * i;
  }
  return d;
}());
struct Bfi {
  using A = u32; using B = u32; using C = u32; using R = u32;
  static constexpr int kOperands = 3;
  static constexpr const char* text = "bfi.b32";
  static __device__ R run(A a, B b, C c) {
    R r;
    asm volatile("bfi.b32 %0, %1, %2, %3, 5;" : "=r"(r) : "r"(a), "r"(b), "r"(c));
    return r;
  }
  static R expected(A a, B b, C c) {
    for (u32 i = 0; i < 5; ++i) {
      const u32 at = (c & 0xff) + i;
      if (at < 32) b = (b & ~(1u << at)) | (a >> i & 1) << at;
    }
    return b;
  }
};
template <int kTable>
struct Lop3 {
  using A = u32; using B = u32; using C = u32; using R = u32;
  static constexpr int kOperands = 3;
  static constexpr const char* text = "lop3.b32";
  static __device__ R run(A a, B b, C c) {
    R r;
    asm volatile("lop3.b32 %0, %1, %2, %3, %4;" : "=r"(r) : "r"(a), "r"(b), "r"(c), "n"(kTable));
    return r;
  }
  static R expected(A a, B b, C c) {
    u32 d = 0;
    for (int i = 0; i < 32; ++i) d |= static_cast<u32>(kTable >> ((a >> i & 1) * 4 + (b >> i & 1) * 2 + (c >> i & 1)) & 1) << i;
    return d;
  }
};
struct Carry {  // 64-bit sums from 32-bit halves
  using A = u64; using B = u64; using C = u32; using R = u64;
  static constexpr int kOperands = 2;
  static constexpr const char* text = "add.cc.u32, addc.u32, sub.cc.u32, subc.u32";
  static __device__ R run(A a, B b, C) {
    u32 low, high, low2, high2;
    const u32 al = static_cast<u32>(a), ah = static_cast<u32>(a >> 32), bl = static_cast<u32>(b), bh = static_cast<u32>(b >> 32);
    asm volatile("add.cc.u32 %0, %4, %6; addc.u32 %1, %5, %7; sub.cc.u32 %2, %4, %6; subc.u32 %3, %5, %7;"
                 : "=&r"(low), "=&r"(high), "=&r"(low2), "=&r"(high2) : "r"(al), "r"(ah), "r"(bl), "r"(bh));
    return (static_cast<u64>(high) << 32 | low) ^ (static_cast<u64>(high2) << 32 | low2);
  }
  static R expected(A a, B b, C) { return (a + b) ^ (a - b); }
};
NB_COMPARE(LtS32, s32, "r", "setp.lt.s32", a < b);
NB_COMPARE(LeU32, u32, "r", "setp.le.u32", a <= b);
NB_COMPARE(LoU32, u32, "r", "setp.lo.u32", a < b);
NB_COMPARE(HsU32, u32, "r", "setp.hs.u32", a >= b);
NB_COMPARE(EqS64, s64, "l", "setp.eq.s64", a == b);
NB_COMPARE(GtS64, s64, "l", "setp.gt.s64", a > b);
NB_COMPARE(GeU64, u64, "l", "setp.ge.u64", a >= b);
NB_COMPARE(NeS16, s16, "h", "setp.ne.s16", a != b);
NB_COMPARE(EqB32, u32, "r", "setp.eq.b32", a == b);
struct SetpPair {
  using A = s32; using B = s32; using C = s32; using R = u32;
  static constexpr int kOperands = 3;
  static constexpr const char* text = "setp.lt.and.s32 p|q, setp.ge.or, setp.ne.xor, mov.pred, and.pred, not.pred";
  static __device__ R run(A a, B b, C c) {
    u32 r;
    asm volatile("{ .reg .pred p, q, s, t, u; setp.gt.s32 s, %3, 5; setp.lt.and.s32 p|q, %1, %2, s; setp.ge.or.s32 t, %1, %2, !s; setp.ne.xor.s32 u, %1, %2, s;"
                 " .reg .b32 v; selp.u32 %0, 1, 0, p; selp.u32 v, 2, 0, q; or.b32 %0, %0, v; selp.u32 v, 4, 0, t; or.b32 %0, %0, v; selp.u32 v, 8, 0, u; or.b32 %0, %0, v;"
                 " and.pred p, t, u; not.pred q, p; or.pred p, q, s; xor.pred p, p, t; mov.pred q, p; selp.u32 v, 16, 0, q; or.b32 %0, %0, v; }"
                 : "=&r"(r) : "r"(a), "r"(b), "r"(c));
    return r;
  }
  static R expected(A a, B b, C c) {
    const bool s = c > 5, t = a >= b || !s, u = (a != b) != s;
    const bool p = (!(t && u) || s) != t;
    return (a < b && s ? 1 : 0) | (!(a < b) && s ? 2 : 0) | (t ? 4 : 0) | (u ? 8 : 0) | (p ? 16 : 0);
  }
};
NB_TERNARY(Slct, u32, u32, u32, s32, "=r", "r", "r", "r", "slct.u32.s32", c >= 0 ? a : b);
NB_BINARY(SetU32, u32, s32, s32, "=r", "r", "r", "set.lt.u32.s32", a < b ? 0xffffffffu : 0);
NB_UNARY(CvtU32U64, u32, u64, "=r", "l", "cvt.u32.u64", static_cast<u32>(a));
NB_UNARY(CvtS64S32, s64, s32, "=l", "r", "cvt.s64.s32", a);
NB_UNARY(CvtU64U32, u64, u32, "=l", "r", "cvt.u64.u32", a);
NB_UNARY(CvtU16U32, u16, u32, "=h", "r", "cvt.u16.u32", static_cast<u16>(a));
NB_UNARY(CvtS32S16, s32, s16, "=r", "h", "cvt.s32.s16", a);
NB_UNARY(CvtS32S8, s32, s32, "=r", "r", "cvt.s32.s8", static_cast<int8_t>(a));
NB_UNARY(CvtU32U8, u32, u32, "=r", "r", "cvt.u32.u8", static_cast<uint8_t>(a));
NB_UNARY(CvtSatS16, s32, s32, "=r", "r", "cvt.sat.s16.s32", a > 32767 ? 32767 : a < -32768 ? -32768 : a);
NB_UNARY(CvtSatU8, u32, s32, "=r", "r", "cvt.sat.u8.s32", a > 255 ? 255u : a < 0 ? 0u : static_cast<u32>(a));
NB_UNARY(CvtSatU32, u32, s64, "=r", "l", "cvt.sat.u32.s64", a > 0xffffffffll ? 0xffffffffu : a < 0 ? 0u : static_cast<u32>(a));

struct Packing {
  using A = u64; using B = u32; using C = u32; using R = u64;
  static constexpr int kOperands = 1;
  static constexpr const char* text = "mov.b64 {}, mov.b32 {}: pack and unpack";
  static __device__ R run(A a, B, C) {
    u64 r;
    asm volatile("{ .reg .b32 l, h; .reg .b16 x, y; mov.b64 {l, h}, %1; mov.b32 {x, y}, l; mov.b32 l, {y, x}; mov.b64 %0, {h, l}; }" : "=l"(r) : "l"(a));
    return r;
  }
  static R expected(A a, B, C) { return a >> 32 | (a & 0xffff) << 48 | (a >> 16 & 0xffff) << 32; }
};

}  // namespace

int main() {
  opcode<AddS32>(); opcode<AddU64>(); opcode<AddS16>(); opcode<SubS32>(); opcode<SubS64>(); opcode<MulLoS32>(); opcode<MulLoS16>(); opcode<MulLoS64>();
  opcode<MulHiS32>(); opcode<MulHiU32>(); opcode<MulHiU64>(); opcode<MulHiS64>(); opcode<MulHiU16>(); opcode<MulWideS32>(); opcode<MulWideU32>();
  opcode<MulWideU16>(); opcode<MulWideS16>(); opcode<MadLoS32>(); opcode<MadLoS64>(); opcode<MadHiU32>(); opcode<MadWideS32>(); opcode<MadWideU32>();
  opcode<MadWideU16>(); opcode<SadU32>(); opcode<MinS32>(); opcode<MaxU32>(); opcode<MaxS32>(); opcode<MinS64>(); opcode<MaxS64>(); opcode<MinU16>();
  opcode<NegS32>(); opcode<NegS64>(); opcode<AbsS32>(); opcode<AbsS64>(); opcode<DivS32>(); opcode<DivU32>(); opcode<DivU64>(); opcode<DivS64>();
  opcode<RemS32>(); opcode<RemU32>(); opcode<RemU64>(); opcode<AndB32>(); opcode<OrB64>(); opcode<XorB16>(); opcode<NotB32>(); opcode<NotB64>();
  opcode<CnotB32>(); opcode<ShlB32>(); opcode<ShlB64>(); opcode<ShlB16>(); opcode<ShrU32>(); opcode<ShrS32>(); opcode<ShrU64>(); opcode<ShrS64>();
  opcode<ShfLWrap>(); opcode<ShfRWrap>(); opcode<ShfLClamp>(); opcode<ShfRClamp>(); opcode<PopcB32>(); opcode<PopcB64>(); opcode<ClzB32>(); opcode<ClzB64>();
  opcode<BfindU32>(); opcode<BfindS32>(); opcode<BfindShift>(); opcode<BfindU64>(); opcode<BrevB32>(); opcode<BrevB64>(); opcode<BfeU32>(); opcode<BfeS32>();
  opcode<BfeU64>(); opcode<Prmt>(); opcode<Bfi>(); opcode<Lop3<0x96>>(); opcode<Lop3<0xe8>>(); opcode<Lop3<0x40>>(); opcode<Carry>();
  opcode<LtS32>(); opcode<LeU32>(); opcode<LoU32>(); opcode<HsU32>(); opcode<EqS64>(); opcode<GtS64>(); opcode<GeU64>(); opcode<NeS16>(); opcode<EqB32>();
  opcode<SetpPair>(); opcode<Slct>(); opcode<SetU32>(); opcode<CvtU32U64>(); opcode<CvtS64S32>(); opcode<CvtU64U32>(); opcode<CvtU16U32>(); opcode<CvtS32S16>();
  opcode<CvtS32S8>(); opcode<CvtU32U8>(); opcode<CvtSatS16>(); opcode<CvtSatU8>(); opcode<CvtSatU32>(); opcode<Packing>();
  return finish();
}
