// Logic, shifts and the other operations on bits.
#include <type_traits>

#include "emulator/execute/handlers.h"

namespace node_bert::cuda::emulator {
namespace {

struct And { template <class T> static T of(T a, T b) { return a & b; } };
struct Or { template <class T> static T of(T a, T b) { return a | b; } };
struct Xor { template <class T> static T of(T a, T b) { return a ^ b; } };
struct Not { template <class T> static T of(T a) { return static_cast<T>(~a); } };
struct LogicalNot { template <class T> static T of(T a) { return a == 0; } };
struct CountOnes { template <class T> static uint32_t of(T a) { return __builtin_popcountll(a); } };
struct LeadingZeros { template <class T> static uint32_t of(T a) { return a == 0 ? 8 * sizeof(T) : __builtin_clzll(a) - (64 - 8 * sizeof(T)); } };
struct Reverse {
  template <class T> static T of(T a) {
    T result = 0;
    for (size_t i = 0; i < 8 * sizeof(T); ++i) result |= (a >> i & 1) << (8 * sizeof(T) - 1 - i);
    return result;
  }
};
// The position of the highest bit that differs from the sign, all ones when there is none.
template <bool kShiftAmount>
struct FindHighest {
  template <class T> static uint32_t of(T value) {
    using U = std::make_unsigned_t<T>;
    const U bits = static_cast<U>(value < 0 ? ~value : value);
    if (bits == 0) return 0xffffffffu;
    const uint32_t position = 63 - __builtin_clzll(bits);
    return kShiftAmount ? 8 * sizeof(T) - 1 - position : position;
  }
};
// Shifts by more than the width are clamped.
struct ShiftLeft { template <class T> static T of(T a, uint32_t by) { return by >= 8 * sizeof(T) ? 0 : static_cast<T>(a << by); } };
struct ShiftRight {
  template <class T> static T of(T a, uint32_t by) {
    if (by >= 8 * sizeof(T)) return a < 0 ? static_cast<T>(-1) : 0;
    return static_cast<T>(a >> by);
  }
};
template <bool kLeft, bool kWrap>
struct Funnel {
  static uint32_t of(uint32_t low, uint32_t high, uint32_t by) {
    by = kWrap ? by & 31 : by < 32 ? by : 32;
    const uint64_t both = static_cast<uint64_t>(high) << 32 | low;
    return static_cast<uint32_t>(kLeft ? both << by >> 32 : both >> by);
  }
};
struct Extract {
  template <class T> static T of(T a, uint32_t position, uint32_t length) {
    using U = std::make_unsigned_t<T>;
    const uint32_t bits = 8 * sizeof(T);
    position &= 0xff;
    length &= 0xff;
    const bool is_signed = std::is_signed_v<T>;
    if (length == 0) return 0;
    const uint32_t last = position + length - 1 < bits - 1 ? position + length - 1 : bits - 1;
    const bool sign = is_signed && (static_cast<U>(a) >> last & 1);
    U result = position >= bits ? 0 : static_cast<U>(a) >> position;
    const uint32_t kept = position > last ? 0 : last - position + 1;
    const U mask = kept >= bits ? static_cast<U>(~U{0}) : static_cast<U>((U{1} << kept) - 1);
    result &= mask;
    return static_cast<T>(sign ? result | static_cast<U>(~mask) : result);
  }
};

void select_bytes(Warp& warp, const Instruction& in) {
  const uint32_t* a = lanes<uint32_t>(warp, in.operands[1]);
  const uint32_t* b = lanes<uint32_t>(warp, in.operands[2]);
  const uint32_t* c = lanes<uint32_t>(warp, in.operands[3]);
  for_lanes<uint32_t>(warp, in.operands[0], [=](int lane) {
    const uint64_t bytes = static_cast<uint64_t>(b[lane]) << 32 | a[lane];
    uint32_t result = 0;
    for (int i = 0; i < 4; ++i) {
      const uint32_t choice = c[lane] >> (4 * i) & 0xf;
      uint32_t byte = bytes >> (8 * (choice & 7)) & 0xff;
      if (choice & 8) byte = byte & 0x80 ? 0xff : 0;
      result |= byte << (8 * i);
    }
    return result;
  });
}

template <class T>
void insert_bits(Warp& warp, const Instruction& in) {
  const T* a = lanes<T>(warp, in.operands[1]);
  const T* b = lanes<T>(warp, in.operands[2]);
  const uint32_t* c = lanes<uint32_t>(warp, in.operands[3]);
  const uint32_t* d = lanes<uint32_t>(warp, in.operands[4]);
  for_lanes<T>(warp, in.operands[0], [=](int lane) {
    const uint32_t bits = 8 * sizeof(T), position = c[lane] & 0xff, length = d[lane] & 0xff;
    if (position >= bits || length == 0) return b[lane];
    const T ones = length >= bits ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << length) - 1);
    const T mask = static_cast<T>(ones << position);
    return static_cast<T>((b[lane] & ~mask) | (static_cast<T>(a[lane] << position) & mask));
  });
}

void logic3(Warp& warp, const Instruction& in) {
  const uint32_t* a = lanes<uint32_t>(warp, in.operands[1]);
  const uint32_t* b = lanes<uint32_t>(warp, in.operands[2]);
  const uint32_t* c = lanes<uint32_t>(warp, in.operands[3]);
  const uint32_t table = in.flags;
  for_lanes<uint32_t>(warp, in.operands[0], [=](int lane) {
    uint32_t result = 0;
    for (uint32_t i = 0; i < 8; ++i) {
      const uint32_t minterm = (i & 4 ? a[lane] : ~a[lane]) & (i & 2 ? b[lane] : ~b[lane]) & (i & 1 ? c[lane] : ~c[lane]);
      result |= minterm & (0u - (table >> i & 1));
    }
    return result;
  });
}

template <class Op>
void predicate_binary(Warp& warp, const Instruction& in) {
  const Mask value = Op::of(predicate_of(warp, in.operands[1]), predicate_of(warp, in.operands[2]));
  for_lanes_predicate(warp, in.operands[0], [=](int lane) { return value >> lane & 1; });
}
void predicate_not(Warp& warp, const Instruction& in) {
  const Mask value = ~predicate_of(warp, in.operands[1]);
  for_lanes_predicate(warp, in.operands[0], [=](int lane) { return value >> lane & 1; });
}

template <class Op>
Handler decode_logic(Decoder& d) {
  const Type type = d.type();
  if (type.kind == 'p') {
    d.expect_operands(3);
    d.out.operands[0] = d.predicate_target(d.operand(0));
    d.out.operands[1] = d.predicate(d.operand(1));
    d.out.operands[2] = d.predicate(d.operand(2));
    return &predicate_binary<Op>;
  }
  if (type.kind != 'b') d.refuse("expected .pred or .bN");
  take_operands(d, 2, type.bytes());
  if (type.bits == 16) return &binary<Op, uint16_t, uint16_t>;
  if (type.bits == 32) return &binary<Op, uint32_t, uint32_t>;
  if (type.bits == 64) return &binary<Op, uint64_t, uint64_t>;
  d.refuse("a logic operation of this width");
}

Handler decode_not(Decoder& d) {
  const Type type = d.type();
  if (type.kind == 'p') {
    d.expect_operands(2);
    d.out.operands[0] = d.predicate_target(d.operand(0));
    d.out.operands[1] = d.predicate(d.operand(1));
    return &predicate_not;
  }
  if (type.kind != 'b') d.refuse("expected .pred or .bN");
  take_operands(d, 1, type.bytes());
  if (type.bits == 16) return &unary<Not, uint16_t, uint16_t>;
  if (type.bits == 32) return &unary<Not, uint32_t, uint32_t>;
  return &unary<Not, uint64_t, uint64_t>;
}

Handler decode_cnot(Decoder& d) {
  const Type type = d.type();
  take_operands(d, 1, type.bytes());
  if (type.bits == 16) return &unary<LogicalNot, uint16_t, uint16_t>;
  if (type.bits == 32) return &unary<LogicalNot, uint32_t, uint32_t>;
  return &unary<LogicalNot, uint64_t, uint64_t>;
}

template <class Op>
Handler decode_shift(Decoder& d) {
  const Type type = d.type();
  d.expect_operands(3);
  d.out.operands[0] = d.target(0, type.bytes());
  d.out.operands[1] = d.source(1, type.bytes());
  d.out.operands[2] = d.source(2, 4);
  const bool is_signed = type.kind == 's';
  if (!type.integer()) d.refuse("an integer type is expected");
  if (type.bits == 16) return is_signed ? &binary<Op, int16_t, int16_t, uint32_t> : &binary<Op, uint16_t, uint16_t, uint32_t>;
  if (type.bits == 32) return is_signed ? &binary<Op, int32_t, int32_t, uint32_t> : &binary<Op, uint32_t, uint32_t, uint32_t>;
  if (type.bits == 64) return is_signed ? &binary<Op, int64_t, int64_t, uint32_t> : &binary<Op, uint64_t, uint64_t, uint32_t>;
  d.refuse("a shift of this width");
}

Handler decode_funnel(Decoder& d) {
  const bool left = d.take("l");
  if (!left && !d.take("r")) d.refuse("expected .l or .r");
  const bool wrap = d.take("wrap");
  if (!wrap && !d.take("clamp")) d.refuse("expected .wrap or .clamp");
  if (!d.type().is('b', 32)) d.refuse("expected .b32");
  take_operands(d, 3, 4);
  if (left) return wrap ? &ternary<Funnel<true, true>, uint32_t, uint32_t> : &ternary<Funnel<true, false>, uint32_t, uint32_t>;
  return wrap ? &ternary<Funnel<false, true>, uint32_t, uint32_t> : &ternary<Funnel<false, false>, uint32_t, uint32_t>;
}

template <class Op>
Handler decode_count(Decoder& d) {
  const Type type = d.type();
  if (!type.is('b', 32) && !type.is('b', 64)) d.refuse("expected .b32 or .b64");
  d.expect_operands(2);
  d.out.operands[0] = d.target(0, 4);
  d.out.operands[1] = d.source(1, type.bytes());
  return type.bits == 32 ? &unary<Op, uint32_t, uint32_t> : &unary<Op, uint32_t, uint64_t>;
}

Handler decode_bfind(Decoder& d) {
  const bool shift_amount = d.take("shiftamt");
  const Type type = d.type();
  d.expect_operands(2);
  d.out.operands[0] = d.target(0, 4);
  d.out.operands[1] = d.source(1, type.bytes());
  if (type.is('u', 32)) return shift_amount ? &unary<FindHighest<true>, uint32_t, uint32_t> : &unary<FindHighest<false>, uint32_t, uint32_t>;
  if (type.is('s', 32)) return shift_amount ? &unary<FindHighest<true>, uint32_t, int32_t> : &unary<FindHighest<false>, uint32_t, int32_t>;
  if (type.is('u', 64)) return shift_amount ? &unary<FindHighest<true>, uint32_t, uint64_t> : &unary<FindHighest<false>, uint32_t, uint64_t>;
  if (type.is('s', 64)) return shift_amount ? &unary<FindHighest<true>, uint32_t, int64_t> : &unary<FindHighest<false>, uint32_t, int64_t>;
  d.refuse("bfind of this type");
}

Handler decode_brev(Decoder& d) {
  const Type type = d.type();
  take_operands(d, 1, type.bytes());
  if (type.is('b', 32)) return &unary<Reverse, uint32_t, uint32_t>;
  if (type.is('b', 64)) return &unary<Reverse, uint64_t, uint64_t>;
  d.refuse("brev of this type");
}

Handler decode_bfe(Decoder& d) {
  const Type type = d.type();
  d.expect_operands(4);
  d.out.operands[0] = d.target(0, type.bytes());
  d.out.operands[1] = d.source(1, type.bytes());
  d.out.operands[2] = d.source(2, 4);
  d.out.operands[3] = d.source(3, 4);
  if (type.is('u', 32)) return &ternary<Extract, uint32_t, uint32_t, uint32_t, uint32_t>;
  if (type.is('s', 32)) return &ternary<Extract, int32_t, int32_t, uint32_t, uint32_t>;
  if (type.is('u', 64)) return &ternary<Extract, uint64_t, uint64_t, uint32_t, uint32_t>;
  if (type.is('s', 64)) return &ternary<Extract, int64_t, int64_t, uint32_t, uint32_t>;
  d.refuse("bfe of this type");
}

Handler decode_bfi(Decoder& d) {
  const Type type = d.type();
  if (!type.is('b', 32) && !type.is('b', 64)) d.refuse("expected .b32 or .b64");
  d.expect_operands(5);
  d.out.operands[0] = d.target(0, type.bytes());
  d.out.operands[1] = d.source(1, type.bytes());
  d.out.operands[2] = d.source(2, type.bytes());
  d.out.operands[3] = d.source(3, 4);
  d.out.operands[4] = d.source(4, 4);
  return type.bits == 32 ? &insert_bits<uint32_t> : &insert_bits<uint64_t>;
}

Handler decode_lop3(Decoder& d) {
  if (!d.type().is('b', 32)) d.refuse("expected .b32");
  d.expect_operands(5);
  d.out.operands[0] = d.target(0, 4);
  for (int i = 1; i <= 3; ++i) d.out.operands[i] = d.source(i, 4);
  d.out.flags = static_cast<uint32_t>(d.integer(4)) & 0xff;
  return &logic3;
}

Handler decode_prmt(Decoder& d) {
  if (!d.type().is('b', 32)) d.refuse("expected .b32 without a mode");
  take_operands(d, 3, 4);
  return &select_bytes;
}

}  // namespace

void add_bits(OpcodeTable& table) {
  table["and"] = decode_logic<And>;
  table["or"] = decode_logic<Or>;
  table["xor"] = decode_logic<Xor>;
  table["not"] = decode_not;
  table["cnot"] = decode_cnot;
  table["shl"] = decode_shift<ShiftLeft>;
  table["shr"] = decode_shift<ShiftRight>;
  table["shf"] = decode_funnel;
  table["popc"] = decode_count<CountOnes>;
  table["clz"] = decode_count<LeadingZeros>;
  table["bfind"] = decode_bfind;
  table["brev"] = decode_brev;
  table["bfe"] = decode_bfe;
  table["bfi"] = decode_bfi;
  table["lop3"] = decode_lop3;
  table["prmt"] = decode_prmt;
}

}  // namespace node_bert::cuda::emulator
