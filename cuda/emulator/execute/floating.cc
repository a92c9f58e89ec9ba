// Arithmetic of f32 and f64, and the opcodes that exist for every kind of number.
//
// Approximate functions are computed as exactly as the host's libm does; their error on a GPU is not imitated.
#include "emulator/execute/floating.h"

#include <algorithm>

#include "emulator/execute/handlers.h"
#include "emulator/execute/numbers.h"

namespace node_bert::cuda::emulator {
namespace {

struct Add { template <class T> static T of(T a, T b) { return a + b; } };
struct Subtract { template <class T> static T of(T a, T b) { return a - b; } };
struct Multiply { template <class T> static T of(T a, T b) { return a * b; } };
struct Divide { template <class T> static T of(T a, T b) { return a / b; } };
struct FusedMultiplyAdd { template <class T> static T of(T a, T b, T c) { return std::fma(a, b, c); } };
struct Reciprocal { template <class T> static T of(T a) { return T{1} / a; } };
struct SquareRoot { template <class T> static T of(T a) { return std::sqrt(a); } };
struct ReciprocalSquareRoot { template <class T> static T of(T a) { return static_cast<T>(1.0 / std::sqrt(static_cast<double>(a))); } };
struct Sine { static float of(float a) { return std::sin(a); } };
struct Cosine { static float of(float a) { return std::cos(a); } };
struct Exponential2 { static float of(float a) { return std::exp2(a); } };
struct Logarithm2 { static float of(float a) { return std::log2(a); } };
struct HyperbolicTangent { static float of(float a) { return std::tanh(a); } };
struct Negate { template <class T> static T of(T a) { return -a; } };
struct Absolute { template <class T> static T of(T a) { return std::fabs(a); } };
struct CopySign { template <class T> static T of(T a, T b) { return std::copysign(b, a); } };
// The number wins over NaN, and -0 is below +0.
struct Minimum { template <class T> static T of(T a, T b) { return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? a : b) : a < b ? a : b; } };
struct Maximum { template <class T> static T of(T a, T b) { return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? b : a) : a > b ? a : b; } };
struct MinimumNan { template <class T> static T of(T a, T b) { return a != a || b != b ? std::numeric_limits<T>::quiet_NaN() : Minimum::of(a, b); } };
struct MaximumNan { template <class T> static T of(T a, T b) { return a != a || b != b ? std::numeric_limits<T>::quiet_NaN() : Maximum::of(a, b); } };

// Flags of an instruction.
constexpr uint32_t kRounding = 3, kFlush = 4, kSaturate = 8;

template <class T>
T before(T value, bool flushing) {
  if constexpr (sizeof(T) == 4) return flushing ? flush(value) : value;
  return value;
}
template <class T>
T after(T value, uint32_t flags) {
  if constexpr (sizeof(T) == 4) {
    if (flags & kFlush) value = flush(value);
  }
  if (flags & kSaturate) value = value > T{0} ? std::min(value, T{1}) : T{0};
  return value;
}

// Not inlined: its arithmetic must stay between the changes of the rounding mode.
template <class Op, class T, int kSources>
__attribute__((noinline, noclone)) void modified_loop(Warp& warp, const Instruction& in) {
  const bool flushing = in.flags & kFlush;
  const uint32_t flags = in.flags;
  const T* a = lanes<T>(warp, in.operands[1]);
  const T* b = lanes<T>(warp, in.operands[kSources > 1 ? 2 : 1]);
  const T* c = lanes<T>(warp, in.operands[kSources > 2 ? 3 : 1]);
  for_lanes<T>(warp, in.operands[0], [=](int lane) {
    const T x = before(a[lane], flushing);
    if constexpr (kSources == 1) return after(static_cast<T>(Op::of(x)), flags);
    else if constexpr (kSources == 2) return after(static_cast<T>(Op::of(x, before(b[lane], flushing))), flags);
    else return after(static_cast<T>(Op::of(x, before(b[lane], flushing), before(c[lane], flushing))), flags);
  });
}

template <class Op, class T, int kSources>
void modified(Warp& warp, const Instruction& in) {
  static constexpr unsigned modes[4] = {_MM_ROUND_NEAREST, _MM_ROUND_TOWARD_ZERO, _MM_ROUND_DOWN, _MM_ROUND_UP};
  const Rounding rounding(modes[in.flags & kRounding]);
  modified_loop<Op, T, kSources>(warp, in);
}

// What the instruction costs beside running: flops, counted for kernels' golden numbers.
template <Handler kRun, int kFlops>
void counted(Warp& warp, const Instruction& in) {
  warp.block->counters->flops += static_cast<uint64_t>(kFlops) * __builtin_popcount(warp.active);
  kRun(warp, in);
}

template <class Op, class T, int kSources, int kFlops>
Handler choose(const Decoder& d) {
  if (d.out.flags != 0) return &counted<&modified<Op, T, kSources>, kFlops>;
  if constexpr (kSources == 1) return &counted<&unary<Op, T, T>, kFlops>;
  else if constexpr (kSources == 2) return &counted<&binary<Op, T, T>, kFlops>;
  else return &counted<&ternary<Op, T, T>, kFlops>;
}

void take_modifiers(Decoder& d) {
  uint32_t& flags = d.out.flags;
  if (d.take("rz")) flags |= 1;
  else if (d.take("rm")) flags |= 2;
  else if (d.take("rp")) flags |= 3;
  else d.take("rn");
  if (d.take("ftz")) flags |= kFlush;
  if (d.take("sat")) flags |= kSaturate;
}

template <class Op, int kSources, int kFlops = 1>
Handler decode(Decoder& d) {
  take_modifiers(d);
  const Type type = d.type();
  take_operands(d, kSources, type.bytes());
  if (type.is('f', 32)) return choose<Op, float, kSources, kFlops>(d);
  if (type.is('f', 64)) {
    if (d.out.flags & (kFlush | kSaturate)) d.refuse("not with .f64");
    return choose<Op, double, kSources, kFlops>(d);
  }
  d.refuse("an unexpected type");
}

// The next type among the modifiers, without taking it.
Type peek_type(Decoder& d) {
  Type type;
  for (const std::string_view modifier : d.modifiers()) {
    if (Decoder::parse_type(modifier, type)) return type;
  }
  d.refuse("a type is missing");
}

bool is_half(const Type& type) { return type.kind == 'h' || type.kind == 'n'; }

template <class Op, int kFlops, Handler (*kInteger)(Decoder&), Handler (*kHalf)(Decoder&)>
Handler by_kind(Decoder& d) {
  const Type type = peek_type(d);
  if (type.integer()) return kInteger(d);
  return is_half(type) ? kHalf(d) : decode<Op, 2, kFlops>(d);
}

Handler decode_div(Decoder& d) {
  if (peek_type(d).integer()) return integer_div(d);
  if (!d.take("approx")) d.take("full");
  return decode<Divide, 2>(d);
}
Handler decode_fma(Decoder& d) { return is_half(peek_type(d)) ? half_fma(d) : decode<FusedMultiplyAdd, 3, 2>(d); }
Handler decode_mad(Decoder& d) { return peek_type(d).integer() ? integer_mad(d) : decode<FusedMultiplyAdd, 3, 2>(d); }
Handler decode_neg(Decoder& d) {
  const Type type = peek_type(d);
  return type.integer() ? integer_neg(d) : is_half(type) ? half_neg(d) : decode<Negate, 1, 0>(d);
}
Handler decode_abs(Decoder& d) {
  const Type type = peek_type(d);
  return type.integer() ? integer_abs(d) : is_half(type) ? half_abs(d) : decode<Absolute, 1, 0>(d);
}
Handler decode_min(Decoder& d) {
  const Type type = peek_type(d);
  if (type.integer()) return integer_min(d);
  if (is_half(type)) return half_min(d);
  return d.take("NaN") ? decode<MinimumNan, 2>(d) : decode<Minimum, 2>(d);
}
Handler decode_max(Decoder& d) {
  const Type type = peek_type(d);
  if (type.integer()) return integer_max(d);
  if (is_half(type)) return half_max(d);
  return d.take("NaN") ? decode<MaximumNan, 2>(d) : decode<Maximum, 2>(d);
}
template <class Op>
Handler decode_approximate(Decoder& d) {
  if (is_half(peek_type(d))) return std::is_same_v<Op, Exponential2> ? half_ex2(d) : half_tanh(d);
  if (!d.take("approx")) d.refuse("expected .approx");
  if (!peek_type(d).is('f', 32)) d.refuse("expected .f32");
  take_modifiers(d);
  d.type();
  take_operands(d, 1, 4);
  return choose<Op, float, 1, 1>(d);
}
template <class Op>
Handler decode_root(Decoder& d) {
  d.take("approx");
  return decode<Op, 1>(d);
}

}  // namespace

void add_floating(OpcodeTable& table) {
  table["add"] = by_kind<Add, 1, integer_add, half_add>;
  table["sub"] = by_kind<Subtract, 1, integer_sub, half_sub>;
  table["mul"] = by_kind<Multiply, 1, integer_mul, half_mul>;
  table["div"] = decode_div;
  table["fma"] = decode_fma;
  table["mad"] = decode_mad;
  table["neg"] = decode_neg;
  table["abs"] = decode_abs;
  table["min"] = decode_min;
  table["max"] = decode_max;
  table["rcp"] = decode_root<Reciprocal>;
  table["sqrt"] = decode_root<SquareRoot>;
  table["rsqrt"] = decode_root<ReciprocalSquareRoot>;
  table["sin"] = decode_approximate<Sine>;
  table["cos"] = decode_approximate<Cosine>;
  table["ex2"] = decode_approximate<Exponential2>;
  table["lg2"] = decode_approximate<Logarithm2>;
  table["tanh"] = decode_approximate<HyperbolicTangent>;
  table["copysign"] = decode<CopySign, 2, 0>;
}

}  // namespace node_bert::cuda::emulator
