// setp, set, selp, slct.
#include <type_traits>

#include "emulator/execute/handlers.h"
#include "emulator/execute/numbers.h"

namespace node_bert::cuda::emulator {
namespace {

template <class T> auto value_of(T a) {
  if constexpr (std::is_arithmetic_v<T>) return a;
  else return to_float(a);
}

// Every comparison is a set of outcomes; integers are never unordered.
constexpr uint32_t kLess = 1, kEqual = 2, kGreater = 4, kUnordered = 8;
// Other flags: how the result is combined with operand 4, whether that one is negated, and flushing.
constexpr uint32_t kAnd = 0x10, kOr = 0x20, kXor = 0x30, kCombine = 0x30, kNegated = 0x40, kFlush = 0x80;

template <class T>
Mask compare_lanes(const Warp& warp, const Instruction& in) {
  const T* a = lanes<T>(warp, in.operands[2]);
  const T* b = lanes<T>(warp, in.operands[3]);
  Mask less = 0, equal = 0, unordered = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    auto x = value_of(a[lane]), y = value_of(b[lane]);
    if constexpr (std::is_same_v<T, float>) {
      x = in.flags & kFlush ? flush(x) : x;
      y = in.flags & kFlush ? flush(y) : y;
    }
    less |= static_cast<Mask>(x < y) << lane;
    equal |= static_cast<Mask>(x == y) << lane;
    if constexpr (!std::is_integral_v<T>) unordered |= static_cast<Mask>(x != x || y != y) << lane;
  }
  const auto outcome = [&](uint32_t flag, Mask mask) { return in.flags & flag ? mask : 0; };
  return outcome(kLess, less) | outcome(kEqual, equal) | outcome(kUnordered, unordered) | outcome(kGreater, ~(less | equal | unordered));
}

Mask combine(const Warp& warp, const Instruction& in, Mask value) {
  if ((in.flags & kCombine) == 0) return value;
  Mask other = predicate_of(warp, in.operands[4]);
  if (in.flags & kNegated) other = ~other;
  return (in.flags & kCombine) == kAnd ? value & other : (in.flags & kCombine) == kOr ? value | other : value ^ other;
}

void put(Warp& warp, uint32_t target, Mask value) {
  Mask& out = predicate_of(warp, target);
  out = (out & ~warp.active) | (value & warp.active);
}

template <class T>
void set_predicate(Warp& warp, const Instruction& in) {
  const Mask compared = compare_lanes<T>(warp, in);
  const Mask first = combine(warp, in, compared), second = combine(warp, in, ~compared);
  put(warp, in.operands[0], first);
  if (in.operands[1] != UINT32_MAX) put(warp, in.operands[1], second);
}

// set: all ones or 1.0 into a 32-bit register.
template <class T>
void set_value(Warp& warp, const Instruction& in) {
  const Mask value = combine(warp, in, compare_lanes<T>(warp, in));
  const uint32_t yes = in.operands[1];
  for_lanes<uint32_t>(warp, in.operands[0], [=](int lane) { return value >> lane & 1 ? yes : 0u; });
}

uint32_t outcomes(Decoder& d, const Type& type, std::string_view name) {
  static const std::map<std::string_view, uint32_t> any = {{"eq", kEqual}, {"ne", kLess | kGreater}, {"lt", kLess}, {"le", kLess | kEqual}, {"gt", kGreater},
                                                           {"ge", kGreater | kEqual}};
  static const std::map<std::string_view, uint32_t> floats = {{"equ", kEqual | kUnordered}, {"neu", kLess | kGreater | kUnordered}, {"ltu", kLess | kUnordered},
                                                              {"leu", kLess | kEqual | kUnordered}, {"gtu", kGreater | kUnordered},
                                                              {"geu", kGreater | kEqual | kUnordered}, {"num", kLess | kEqual | kGreater}, {"nan", kUnordered}};
  static const std::map<std::string_view, uint32_t> unsigned_ones = {{"lo", kLess}, {"ls", kLess | kEqual}, {"hi", kGreater}, {"hs", kGreater | kEqual}};
  const auto found = any.find(name);
  if (found != any.end()) return found->second;
  if (!type.integer() && floats.count(name) != 0) return floats.at(name);
  if (type.integer() && type.kind != 's' && unsigned_ones.count(name) != 0) return unsigned_ones.at(name);
  d.refuse("unknown comparison ." + std::string(name));
}

template <bool kPredicate>
Handler by_type(Decoder& d, const Type& type, std::string_view name) {
  d.out.flags |= outcomes(d, type, name);
#define NB_TYPE(kind, bits, T) \
  if (type.is(kind, bits)) return kPredicate ? &set_predicate<T> : &set_value<T>;
  NB_TYPE('f', 32, float)
  NB_TYPE('f', 64, double)
  NB_TYPE('h', 16, Half)
  NB_TYPE('n', 16, Brain)
  NB_TYPE('s', 16, int16_t)
  NB_TYPE('s', 32, int32_t)
  NB_TYPE('s', 64, int64_t)
  if (!type.integer()) d.refuse("a comparison of this type");
  if (type.bits == 16) return kPredicate ? &set_predicate<uint16_t> : &set_value<uint16_t>;
  if (type.bits == 32) return kPredicate ? &set_predicate<uint32_t> : &set_value<uint32_t>;
  if (type.bits == 64) return kPredicate ? &set_predicate<uint64_t> : &set_value<uint64_t>;
#undef NB_TYPE
  d.refuse("a comparison of this type");
}

std::string_view take_comparison(Decoder& d) {
  const std::string_view name = d.next_modifier();
  d.take(name);
  if (d.take("and")) d.out.flags |= kAnd;
  else if (d.take("or")) d.out.flags |= kOr;
  else if (d.take("xor")) d.out.flags |= kXor;
  if (d.take("ftz")) d.out.flags |= kFlush;
  return name;
}

void take_other(Decoder& d, size_t position) {
  if ((d.out.flags & kCombine) == 0) return;
  PtxOperand other = d.operand(position);
  if (other.negated) d.out.flags |= kNegated;
  other.negated = false;
  d.out.operands[4] = d.predicate(other);
}

Handler decode_setp(Decoder& d) {
  const std::string_view name = take_comparison(d);
  const Type type = d.type();
  const size_t first = d.has_pair() ? 2 : 1;
  d.expect_operands(first + 2 + ((d.out.flags & kCombine) != 0));
  d.out.operands[0] = d.predicate_target(d.operand(0));
  d.out.operands[1] = d.has_pair() ? d.predicate_target(d.operand(1)) : UINT32_MAX;
  d.out.operands[2] = d.source(first, type.bytes());
  d.out.operands[3] = d.source(first + 1, type.bytes());
  take_other(d, first + 2);
  return by_type<true>(d, type, name);
}

Handler decode_set(Decoder& d) {
  const std::string_view name = take_comparison(d);
  const Type result = d.type(), type = d.type();
  d.expect_operands(3 + ((d.out.flags & kCombine) != 0));
  if (result.bytes() != 4 || result.packed) d.refuse("the result must have 32 bits");
  d.out.operands[0] = d.target(0, 4);
  d.out.operands[1] = result.kind == 'f' ? 0x3f800000u : 0xffffffffu;
  d.out.operands[2] = d.source(1, type.bytes());
  d.out.operands[3] = d.source(2, type.bytes());
  take_other(d, 3);
  return by_type<false>(d, type, name);
}

template <class T>
void select(Warp& warp, const Instruction& in) {
  const T* a = lanes<T>(warp, in.operands[1]);
  const T* b = lanes<T>(warp, in.operands[2]);
  const Mask choice = predicate_of(warp, in.operands[3]);
  for_lanes<T>(warp, in.operands[0], [=](int lane) { return choice >> lane & 1 ? a[lane] : b[lane]; });
}

Handler decode_selp(Decoder& d) {
  const Type type = d.type();
  d.expect_operands(4);
  d.out.operands[0] = d.target(0, type.bytes());
  d.out.operands[1] = d.source(1, type.bytes());
  d.out.operands[2] = d.source(2, type.bytes());
  d.out.operands[3] = d.predicate(d.operand(3));
  if (type.bytes() == 2) return &select<uint16_t>;
  if (type.bytes() == 4) return &select<uint32_t>;
  if (type.bytes() == 8) return &select<uint64_t>;
  d.refuse("selp of this type");
}

// d = c >= 0 ? a : b.
template <class T, class C>
void select_by_sign(Warp& warp, const Instruction& in) {
  const T* a = lanes<T>(warp, in.operands[1]);
  const T* b = lanes<T>(warp, in.operands[2]);
  const C* c = lanes<C>(warp, in.operands[3]);
  for_lanes<T>(warp, in.operands[0], [=](int lane) { return c[lane] >= 0 ? a[lane] : b[lane]; });
}

Handler decode_slct(Decoder& d) {
  const Type type = d.type(), sign = d.type();
  d.expect_operands(4);
  d.out.operands[0] = d.target(0, type.bytes());
  d.out.operands[1] = d.source(1, type.bytes());
  d.out.operands[2] = d.source(2, type.bytes());
  d.out.operands[3] = d.source(3, 4);
  const bool by_float = sign.is('f', 32);
  if (!by_float && !sign.is('s', 32)) d.refuse("slct by this type");
  if (type.bytes() == 4) return by_float ? &select_by_sign<uint32_t, float> : &select_by_sign<uint32_t, int32_t>;
  if (type.bytes() == 8) return by_float ? &select_by_sign<uint64_t, float> : &select_by_sign<uint64_t, int32_t>;
  d.refuse("slct of this type");
}

}  // namespace

void add_compare(OpcodeTable& table) {
  table["setp"] = decode_setp;
  table["set"] = decode_set;
  table["selp"] = decode_selp;
  table["slct"] = decode_slct;
}

}  // namespace node_bert::cuda::emulator
