// Integer arithmetic.
#include <limits>
#include <type_traits>

#include "emulator/execute/floating.h"
#include "emulator/execute/handlers.h"

namespace node_bert::cuda::emulator {
namespace {

template <class T> using Unsigned = std::make_unsigned_t<T>;
template <class T> using Wide = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
      std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>, std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

// Arithmetic wraps: it is done unsigned.
template <class T> struct Add { static T of(T a, T b) { return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b)); } };
template <class T> struct Subtract { static T of(T a, T b) { return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b)); } };
template <class T> struct MultiplyLow { static T of(T a, T b) { return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)); } };
template <class T> struct MultiplyHigh { static T of(T a, T b) { return static_cast<T>(static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b) >> (8 * sizeof(T))); } };
template <class T> struct MultiplyWide { static Wide<T> of(T a, T b) { return static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b); } };
template <class T> struct MadLow { static T of(T a, T b, T c) { return Add<T>::of(MultiplyLow<T>::of(a, b), c); } };
template <class T> struct MadHigh { static T of(T a, T b, T c) { return Add<T>::of(MultiplyHigh<T>::of(a, b), c); } };
template <class T> struct MadWide { static Wide<T> of(T a, T b, Wide<T> c) { return Add<Wide<T>>::of(MultiplyWide<T>::of(a, b), c); } };
template <class T> struct Minimum { static T of(T a, T b) { return a < b ? a : b; } };
template <class T> struct Maximum { static T of(T a, T b) { return a > b ? a : b; } };
template <class T> struct Negate { static T of(T a) { return static_cast<T>(Unsigned<T>{0} - static_cast<Unsigned<T>>(a)); } };
template <class T> struct Absolute { static T of(T a) { return a < 0 ? Negate<T>::of(a) : a; } };
// Division by zero gives all ones, as the hardware does; the least integer by -1 overflows to itself.
template <class T> struct Divide {
  static T of(T a, T b) {
    if (b == 0) return static_cast<T>(~Unsigned<T>{0});
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Negate<T>::of(a);
    return a / b;
  }
};
template <class T> struct Remainder {
  static T of(T a, T b) {
    if (b == 0) return a;
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return 0;
    return a % b;
  }
};
template <class T> struct SumOfDifferences {
  static T of(T a, T b, T c) { return static_cast<T>((a < b ? static_cast<Unsigned<T>>(b) - static_cast<Unsigned<T>>(a) : static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b)) + c); }
};

// Chooses f<T> by an integer type; f is a template of functions that return a handler.
#define NB_BY_INTEGER_TYPE(d, type, ...)                                       \
  [&](const Type& t) -> Handler {                                              \
    const bool is_signed = t.kind == 's';                                      \
    if (!t.integer() || t.packed) (d).refuse("an integer type is expected");   \
    switch (t.bits) {                                                          \
      case 16: { if (is_signed) { using T = int16_t; return __VA_ARGS__; } using T = uint16_t; return __VA_ARGS__; } \
      case 32: { if (is_signed) { using T = int32_t; return __VA_ARGS__; } using T = uint32_t; return __VA_ARGS__; } \
      case 64: { if (is_signed) { using T = int64_t; return __VA_ARGS__; } using T = uint64_t; return __VA_ARGS__; } \
      default: (d).refuse("an integer of this width");                         \
    }                                                                          \
  }(type)

template <template <class> class Op>
Handler decode_binary(Decoder& d) {
  const Type type = d.type();
  take_operands(d, 2, type.bytes());
  return NB_BY_INTEGER_TYPE(d, type, &binary<Op<T>, T, T>);
}

template <template <class> class Op>
Handler decode_unary(Decoder& d) {
  const Type type = d.type();
  if (type.kind != 's') d.refuse("a signed type is expected");
  take_operands(d, 1, type.bytes());
  return NB_BY_INTEGER_TYPE(d, type, &unary<Op<T>, T, T>);
}

// 32-bit addition and subtraction with the carry bit.
template <bool kSubtract>
void with_carry(Warp& warp, const Instruction& in) {
  const uint32_t* a = lanes<uint32_t>(warp, in.operands[1]);
  const uint32_t* b = lanes<uint32_t>(warp, in.operands[2]);
  uint32_t* out = lanes<uint32_t>(warp, in.operands[0]);
  const bool carry_in = in.flags & 1, carry_out = in.flags & 2;
  for_active(warp, [&](int lane) {
    const uint64_t carry = carry_in ? warp.carry >> lane & 1 : 0;
    const uint64_t sum = kSubtract ? static_cast<uint64_t>(a[lane]) - b[lane] - carry : static_cast<uint64_t>(a[lane]) + b[lane] + carry;
    if (carry_out) warp.carry = (warp.carry & ~(1u << lane)) | (static_cast<uint32_t>(sum >> 32 & 1) << lane);
    out[lane] = static_cast<uint32_t>(sum);
  });
}

template <bool kSubtract>
Handler decode_carry(Decoder& d, bool carry_in, bool carry_out) {
  d.out.flags = (carry_in ? 1 : 0) | (carry_out ? 2 : 0);
  const Type type = d.type();
  if (!type.integer() || type.bits != 32) d.refuse("only 32 bits carry");
  take_operands(d, 2, 4);
  return &with_carry<kSubtract>;
}

Handler decode_addc(Decoder& d) { return decode_carry<false>(d, true, d.take("cc")); }
Handler decode_subc(Decoder& d) { return decode_carry<true>(d, true, d.take("cc")); }

Handler decode_mul(Decoder& d, bool add) {
  const bool low = d.take("lo"), high = !low && d.take("hi"), wide = !low && !high && d.take("wide");
  if (!low && !high && !wide) d.refuse("expected .lo, .hi or .wide");
  const Type type = d.type();
  if (!wide) {
    take_operands(d, add ? 3 : 2, type.bytes());
    if (add) return low ? NB_BY_INTEGER_TYPE(d, type, &ternary<MadLow<T>, T, T>) : NB_BY_INTEGER_TYPE(d, type, &ternary<MadHigh<T>, T, T>);
    return low ? NB_BY_INTEGER_TYPE(d, type, &binary<MultiplyLow<T>, T, T>) : NB_BY_INTEGER_TYPE(d, type, &binary<MultiplyHigh<T>, T, T>);
  }
  d.expect_operands(add ? 4 : 3);
  d.out.operands[0] = d.target(0, type.bytes() * 2);
  d.out.operands[1] = d.source(1, type.bytes());
  d.out.operands[2] = d.source(2, type.bytes());
  if (add) d.out.operands[3] = d.source(3, type.bytes() * 2);
  const bool is_signed = type.kind == 's';
  if (type.bits == 16) {
    if (add) return is_signed ? &ternary<MadWide<int16_t>, int32_t, int16_t, int16_t, int32_t> : &ternary<MadWide<uint16_t>, uint32_t, uint16_t, uint16_t, uint32_t>;
    return is_signed ? &binary<MultiplyWide<int16_t>, int32_t, int16_t> : &binary<MultiplyWide<uint16_t>, uint32_t, uint16_t>;
  }
  if (type.bits != 32) d.refuse("wide products are of 16 or 32 bits");
  if (add) return is_signed ? &ternary<MadWide<int32_t>, int64_t, int32_t, int32_t, int64_t> : &ternary<MadWide<uint32_t>, uint64_t, uint32_t, uint32_t, uint64_t>;
  return is_signed ? &binary<MultiplyWide<int32_t>, int64_t, int32_t> : &binary<MultiplyWide<uint32_t>, uint64_t, uint32_t>;
}

Handler decode_sad(Decoder& d) {
  const Type type = d.type();
  take_operands(d, 3, type.bytes());
  return NB_BY_INTEGER_TYPE(d, type, &ternary<SumOfDifferences<T>, T, T>);
}

}  // namespace

// Opcodes that exist for integers and floats are entered by whoever knows both, see floating.cc.
Handler integer_add(Decoder& d) { return d.take("cc") ? decode_carry<false>(d, false, true) : decode_binary<Add>(d); }
Handler integer_sub(Decoder& d) { return d.take("cc") ? decode_carry<true>(d, false, true) : decode_binary<Subtract>(d); }
Handler integer_mul(Decoder& d) { return decode_mul(d, false); }
Handler integer_mad(Decoder& d) { return decode_mul(d, true); }
Handler integer_min(Decoder& d) { return decode_binary<Minimum>(d); }
Handler integer_max(Decoder& d) { return decode_binary<Maximum>(d); }
Handler integer_neg(Decoder& d) { return decode_unary<Negate>(d); }
Handler integer_abs(Decoder& d) { return decode_unary<Absolute>(d); }
Handler integer_div(Decoder& d) { return decode_binary<Divide>(d); }

void add_integer(OpcodeTable& table) {
  table["rem"] = decode_binary<Remainder>;
  table["addc"] = decode_addc;
  table["subc"] = decode_subc;
  table["sad"] = decode_sad;
}

}  // namespace node_bert::cuda::emulator
