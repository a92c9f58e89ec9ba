// Arithmetic of f16 and bf16, alone or two in 32 bits. Every operation rounds once: float is wide enough for add, sub and mul, and fma
// goes through double with the error of the sum kept (see numbers.h).
#include "emulator/execute/floating.h"
#include "emulator/execute/handlers.h"
#include "emulator/execute/numbers.h"

namespace node_bert::cuda::emulator {
namespace {

struct Add { template <class T> static T of(T a, T b) { return from_float<T>(to_float(a) + to_float(b)); } };
struct Subtract { template <class T> static T of(T a, T b) { return from_float<T>(to_float(a) - to_float(b)); } };
struct Multiply { template <class T> static T of(T a, T b) { return from_float<T>(to_float(a) * to_float(b)); } };
struct FusedMultiplyAdd {
  template <class T> static T of(T a, T b, T c) { return from_float<T>(to_odd(fused_to_odd(to_float(a), to_float(b), to_float(c)))); }
};
struct FusedMultiplyAddRelu {
  template <class T> static T of(T a, T b, T c) {
    const T value = FusedMultiplyAdd::of(a, b, c);
    return to_float(value) < 0 || value.bits == 0x8000 ? T{0} : value;
  }
};
struct Negate { template <class T> static T of(T a) { return {static_cast<uint16_t>(a.bits ^ 0x8000)}; } };
struct Absolute { template <class T> static T of(T a) { return {static_cast<uint16_t>(a.bits & 0x7fff)}; } };
struct Exponential2 { template <class T> static T of(T a) { return from_float<T>(std::exp2(to_float(a))); } };
struct HyperbolicTangent { template <class T> static T of(T a) { return from_float<T>(std::tanh(to_float(a))); } };

template <bool kMaximum, bool kNan>
struct Extreme {
  template <class T> static T of(T a, T b) {
    const float x = to_float(a), y = to_float(b);
    const T nan{0x7fff};
    if (x != x) return kNan || y != y ? nan : b;
    if (y != y) return kNan ? nan : a;
    if (x == y) return ((a.bits & 0x8000) != 0) == kMaximum ? b : a;
    return (x < y) == kMaximum ? b : a;
  }
};

template <class T, class Op, int kSources, int kPer>
void elementwise(Warp& warp, const Instruction& in) {
  struct Pack { T value[kPer]; };
  const Pack* a = lanes<Pack>(warp, in.operands[1]);
  const Pack* b = lanes<Pack>(warp, in.operands[kSources > 1 ? 2 : 1]);
  const Pack* c = lanes<Pack>(warp, in.operands[kSources > 2 ? 3 : 1]);
  for_lanes<Pack>(warp, in.operands[0], [=](int lane) {
    Pack result;
    for (int i = 0; i < kPer; ++i) {
      if constexpr (kSources == 1) result.value[i] = Op::of(a[lane].value[i]);
      else if constexpr (kSources == 2) result.value[i] = Op::of(a[lane].value[i], b[lane].value[i]);
      else result.value[i] = Op::of(a[lane].value[i], b[lane].value[i], c[lane].value[i]);
    }
    return result;
  });
}

template <class Op, int kSources>
Handler decode(Decoder& d) {
  const Type type = d.type();
  take_operands(d, kSources, type.bytes());
  if (type.kind == 'h') return type.packed ? &elementwise<Half, Op, kSources, 2> : &elementwise<Half, Op, kSources, 1>;
  if (type.kind == 'n') return type.packed ? &elementwise<Brain, Op, kSources, 2> : &elementwise<Brain, Op, kSources, 1>;
  d.refuse("expected a 16-bit float");
}

}  // namespace

Handler half_add(Decoder& d) { return d.take("rn"), decode<Add, 2>(d); }
Handler half_sub(Decoder& d) { return d.take("rn"), decode<Subtract, 2>(d); }
Handler half_mul(Decoder& d) { return d.take("rn"), decode<Multiply, 2>(d); }
Handler half_fma(Decoder& d) { return d.take("rn"), d.take("relu") ? decode<FusedMultiplyAddRelu, 3>(d) : decode<FusedMultiplyAdd, 3>(d); }
Handler half_neg(Decoder& d) { return decode<Negate, 1>(d); }
Handler half_abs(Decoder& d) { return decode<Absolute, 1>(d); }
Handler half_min(Decoder& d) { return d.take("NaN") ? decode<Extreme<false, true>, 2>(d) : decode<Extreme<false, false>, 2>(d); }
Handler half_max(Decoder& d) { return d.take("NaN") ? decode<Extreme<true, true>, 2>(d) : decode<Extreme<true, false>, 2>(d); }
Handler half_ex2(Decoder& d) { return d.take("approx"), d.take("ftz"), decode<Exponential2, 1>(d); }
Handler half_tanh(Decoder& d) { return d.take("approx"), decode<HyperbolicTangent, 1>(d); }

}  // namespace node_bert::cuda::emulator
