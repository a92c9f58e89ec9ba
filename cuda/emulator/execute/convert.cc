// cvt: every pair of types that nvcc emits, with rounding and saturation.
#include <algorithm>
#include <cstring>

#include "emulator/execute/handlers.h"
#include "emulator/execute/numbers.h"

namespace node_bert::cuda::emulator {
namespace {

enum class Round { none, nearest, zero, down, up, away };

double rounded(double value, Round round) {
  switch (round) {
    case Round::zero: return std::trunc(value);
    case Round::down: return std::floor(value);
    case Round::up: return std::ceil(value);
    default: return std::nearbyint(value);
  }
}

template <class R>
R narrow(double value, Round round);  // to a 16-bit float with one rounding
template <>
Half narrow<Half>(double value, Round round) {
  const float odd = to_odd(value);
  if (value != value) return {0x7fff};
  switch (round) {
    case Round::zero: return {static_cast<uint16_t>(_cvtss_sh(odd, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC))};
    case Round::down: return {static_cast<uint16_t>(_cvtss_sh(odd, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC))};
    case Round::up: return {static_cast<uint16_t>(_cvtss_sh(odd, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC))};
    default: return from_float<Half>(odd);
  }
}
template <>
Brain narrow<Brain>(double value, Round round) {
  const float odd = to_odd(value);
  if (round == Round::zero && odd == odd) return {static_cast<uint16_t>(std::bit_cast<uint32_t>(odd) >> 16)};
  return from_float<Brain>(odd);
}

// How one cvt reads, rounds and writes; stands in the instruction's operands from 4 on.
struct Conversion {
  Type to, from;
  uint8_t to_bytes, from_bytes;  // of the registers, which may be wider than the types
  Round round;
  bool saturate, flushing, relu;
};
static_assert(sizeof(Conversion) <= 16 * sizeof(uint32_t));
const Conversion& conversion(const Instruction& in) { return *reinterpret_cast<const Conversion*>(in.operands + 4); }

// An integer of up to 64 bits, signed or not, or a float: exactly.
struct Value {
  bool integer;
  __int128 whole;
  double real;
};

uint64_t raw(const uint8_t* at, uint32_t bytes) {
  uint64_t bits = 0;
  std::memcpy(&bits, at, bytes);
  return bits;
}

Value read(const Conversion& c, uint64_t bits) {
  if (c.from.integer()) {
    if (c.from.bits < 64) bits &= (uint64_t{1} << c.from.bits) - 1;
    if (c.from.kind != 's') return {true, bits, 0};
    const int shift = 64 - c.from.bits;
    return {true, static_cast<int64_t>(bits << shift) >> shift, 0};
  }
  double real;
  if (c.from.kind == 'h') real = to_float(Half{static_cast<uint16_t>(bits)});
  else if (c.from.kind == 'n') real = to_float(Brain{static_cast<uint16_t>(bits)});
  else if (c.from.bits == 32) real = c.flushing ? flush(std::bit_cast<float>(static_cast<uint32_t>(bits))) : std::bit_cast<float>(static_cast<uint32_t>(bits));
  else real = std::bit_cast<double>(bits);
  return {false, 0, real};
}

// A float to an integer saturates. NaN gives 0, or the sign bit alone for 64 bits, as the hardware does.
uint64_t to_integer(const Conversion& c, const Value& value) {
  const int bits = c.to.bits;
  const bool is_signed = c.to.kind == 's';
  const __int128 least = is_signed ? -(__int128{1} << (bits - 1)) : 0, most = is_signed ? (__int128{1} << (bits - 1)) - 1 : (__int128{1} << bits) - 1;
  __int128 whole = value.whole;
  if (!value.integer) {
    if (value.real != value.real) return bits == 64 ? uint64_t{1} << 63 : 0;
    const double at = rounded(value.real, c.round);
    whole = at <= -1e19 ? least : at >= 2e19 ? most : static_cast<__int128>(at);
  }
  if (!value.integer || c.saturate) whole = std::clamp(whole, least, most);
  uint64_t result = static_cast<uint64_t>(whole);
  if (bits < 64) result = is_signed ? static_cast<uint64_t>(static_cast<int64_t>(result << (64 - bits)) >> (64 - bits)) : result & ((uint64_t{1} << bits) - 1);
  return result;
}

// The neighbour of `near` on the side that the rounding asks for, given how the exact value compares with it.
template <class T>
T directed(T near, bool above, bool below, Round round) {
  const bool negative = near < 0 || (near == 0 && below);
  if (above && (round == Round::down || (round == Round::zero && !negative))) return std::nextafter(near, -std::numeric_limits<T>::infinity());
  if (below && (round == Round::up || (round == Round::zero && negative))) return std::nextafter(near, std::numeric_limits<T>::infinity());
  return near;
}

template <class T>
T to_real(const Conversion& c, const Value& value) {
  if (value.integer) {
    const T near = static_cast<T>(value.whole);
    return directed<T>(near, static_cast<__int128>(near) > value.whole, static_cast<__int128>(near) < value.whole, c.round);
  }
  const bool same_width = c.from.bits == c.to.bits;
  const double real = same_width && c.round != Round::none ? rounded(value.real, c.round) : value.real;  // .rni and its like: to a whole number
  const T near = static_cast<T>(real);
  return same_width || near != near ? near : directed<T>(near, near > real, near < real, c.round);
}

uint64_t write(const Conversion& c, const Value& value) {
  if (c.to.integer()) return to_integer(c, value);
  const auto limit = [&](auto real) {
    using T = decltype(real);
    if (c.saturate) real = real > 0 ? std::min(real, T{1}) : T{0};
    if (c.relu && (real < 0 || (real == 0 && std::signbit(real)))) real = 0;
    return real;
  };
  if (c.to.bits == 64) return std::bit_cast<uint64_t>(limit(to_real<double>(c, value)));
  if (c.to.bits == 32) {
    const float real = limit(to_real<float>(c, value));
    return std::bit_cast<uint32_t>(c.flushing ? flush(real) : real);
  }
  // To 16 bits: first to a double that is odd where it is not exact, then rounded once.
  double real = value.integer ? static_cast<double>(value.whole) : value.real;
  if (c.from.kind == c.to.kind && c.round != Round::none) real = rounded(real, c.round);
  real = limit(real);
  return c.to.kind == 'h' ? narrow<Half>(real, c.round).bits : narrow<Brain>(real, c.round).bits;
}

void cvt(Warp& warp, const Instruction& in) {
  const Conversion& c = conversion(in);
  const uint8_t* from = lanes<uint8_t>(warp, in.operands[1]);
  uint8_t* to = lanes<uint8_t>(warp, in.operands[0]);
  for_active(warp, [&](int lane) {
    const uint64_t bits = write(c, read(c, raw(from + lane * c.from_bytes, c.from_bytes)));
    std::memcpy(to + lane * c.to_bytes, &bits, c.to_bytes);
  });
}

// The conversions that kernels spend their time in.
struct Cast {
  template <class R, class A> struct To { static R of(A a) { return static_cast<R>(a); } };
};
template <class R> struct Narrow { static R of(float a) { return from_float<R>(a); } };
struct Widen { template <class A> static float of(A a) { return to_float(a); } };

Handler fast(const Conversion& c) {
  if (c.saturate || c.flushing || c.relu) return nullptr;
  if (c.from.bytes() != c.from_bytes || c.to.bytes() != c.to_bytes) return nullptr;
  const auto pair = [&](char to, int to_bits, char from, int from_bits) { return c.to.is(to, to_bits) && c.from.is(from, from_bits); };
  if (pair('f', 32, 'h', 16) && c.round == Round::none) return &unary<Widen, float, Half>;
  if (pair('f', 32, 'n', 16) && c.round == Round::none) return &unary<Widen, float, Brain>;
  if (pair('h', 16, 'f', 32) && c.round == Round::nearest) return &unary<Narrow<Half>, Half, float>;
  if (pair('n', 16, 'f', 32) && c.round == Round::nearest) return &unary<Narrow<Brain>, Brain, float>;
  if (pair('f', 32, 's', 32) && c.round == Round::nearest) return &unary<Cast::To<float, int32_t>, float, int32_t>;
  if (pair('f', 32, 'u', 32) && c.round == Round::nearest) return &unary<Cast::To<float, uint32_t>, float, uint32_t>;
  if (pair('s', 64, 's', 32)) return &unary<Cast::To<int64_t, int32_t>, int64_t, int32_t>;
  if (pair('u', 64, 'u', 32)) return &unary<Cast::To<uint64_t, uint32_t>, uint64_t, uint32_t>;
  if (pair('u', 32, 'u', 64)) return &unary<Cast::To<uint32_t, uint64_t>, uint32_t, uint64_t>;
  if (pair('u', 32, 'u', 16)) return &unary<Cast::To<uint32_t, uint16_t>, uint32_t, uint16_t>;
  if (pair('u', 16, 'u', 32)) return &unary<Cast::To<uint16_t, uint32_t>, uint16_t, uint32_t>;
  return nullptr;
}

// cvt.rn.f16x2.f32 d, a, b: a becomes the upper half.
template <class R>
void cvt_pair(Warp& warp, const Instruction& in) {
  const float* upper = lanes<float>(warp, in.operands[1]);
  const float* lower = lanes<float>(warp, in.operands[2]);
  const Conversion& c = conversion(in);
  if (c.round == Round::nearest && !c.relu) {
    for_lanes<uint32_t>(warp, in.operands[0],
                        [=](int lane) { return static_cast<uint32_t>(from_float<R>(upper[lane]).bits) << 16 | from_float<R>(lower[lane]).bits; });
    return;
  }
  for_lanes<uint32_t>(warp, in.operands[0], [&](int lane) {
    const auto one = [&](float value) { return static_cast<uint32_t>(c.relu && std::signbit(value) && value == value ? 0 : narrow<R>(value, c.round).bits); };
    return one(upper[lane]) << 16 | one(lower[lane]);
  });
}

// To tf32: 10 bits of fraction stay.
template <Round kRound>
void cvt_tf32(Warp& warp, const Instruction& in) {
  const uint32_t* a = lanes<uint32_t>(warp, in.operands[1]);
  for_lanes<uint32_t>(warp, in.operands[0], [=](int lane) {
    const uint32_t bits = a[lane];
    if ((bits & 0x7f800000) == 0x7f800000) return (bits & 0x7fffff) != 0 ? 0x7fffffffu : bits;
    if (kRound == Round::away) return (bits + 0x1000) & ~0x1fffu;
    if (kRound == Round::zero) return bits & ~0x1fffu;
    return (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
  });
}

Round take_round(Decoder& d) {
  if (d.take("rn") || d.take("rni")) return Round::nearest;
  if (d.take("rz") || d.take("rzi")) return Round::zero;
  if (d.take("rm") || d.take("rmi")) return Round::down;
  if (d.take("rp") || d.take("rpi")) return Round::up;
  if (d.take("rna")) return Round::away;
  return Round::none;
}

Handler decode_cvt(Decoder& d) {
  Conversion c{};
  c.round = take_round(d);
  c.flushing = d.take("ftz");
  c.relu = d.take("relu");
  c.saturate = d.take("sat");
  c.to = d.type();
  c.from = d.type();
  const auto keep = [&] { std::memcpy(static_cast<void*>(d.out.operands + 4), &c, sizeof(c)); };
  if (c.to.packed) {
    take_operands(d, 2, 4);
    if (!c.from.is('f', 32) || c.saturate || (c.round != Round::nearest && c.round != Round::zero)) d.refuse("a pair of this kind");
    keep();
    return c.to.kind == 'h' ? &cvt_pair<Half> : &cvt_pair<Brain>;
  }
  d.expect_operands(2);
  if (c.to.kind == 't') {
    take_operands(d, 1, 4);
    if (!c.from.is('f', 32) || c.saturate || c.flushing || c.relu) d.refuse("tf32 of this kind");
    if (c.round == Round::away) return &cvt_tf32<Round::away>;
    if (c.round == Round::nearest) return &cvt_tf32<Round::nearest>;
    if (c.round == Round::zero) return &cvt_tf32<Round::zero>;
    d.refuse("tf32 with this rounding");
  }
  const bool numbers = std::strchr("usfhn", c.to.kind) != nullptr && std::strchr("usfhn", c.from.kind) != nullptr && c.to.bits <= 64 && c.from.bits <= 64 && !c.from.packed;
  if (!numbers || c.round == Round::away) d.refuse("a conversion of these types");
  const bool exact = (c.to.integer() && c.from.integer()) || (!c.to.integer() && !c.from.integer() && (c.to.bits > c.from.bits || (c.to.kind == c.from.kind && c.to.bits == c.from.bits)));
  if (c.round == Round::none && !exact) d.refuse("a rounding is missing");
  c.to_bytes = static_cast<uint8_t>(d.operand(0).kind == PtxOperand::sink ? std::max<uint32_t>(c.to.bytes(), 2) : d.register_bytes(d.operand(0)));
  c.from_bytes = static_cast<uint8_t>(d.operand(1).kind == PtxOperand::reg ? d.register_bytes(d.operand(1)) : std::max<uint32_t>(c.from.bytes(), 2));
  const bool fits = c.to_bytes >= c.to.bytes() && c.from_bytes >= c.from.bytes();
  if (!fits || (!c.to.integer() && c.to_bytes != c.to.bytes()) || (!c.from.integer() && c.from_bytes != c.from.bytes())) d.refuse("registers of these widths");
  d.out.operands[0] = d.target(0, c.to_bytes);
  d.out.operands[1] = d.source(1, c.from_bytes);
  keep();
  const Handler quick = fast(c);
  return quick != nullptr ? quick : &cvt;
}

}  // namespace

void add_convert(OpcodeTable& table) { table["cvt"] = decode_cvt; }

}  // namespace node_bert::cuda::emulator
