// atom and red.
#include "emulator/execute/memory_access.h"
#include "emulator/execute/numbers.h"

namespace node_bert::cuda::emulator {
namespace {

struct Add {
  template <class T> static T of(T old, T value, T) {
    if constexpr (std::is_arithmetic_v<T>) return old + value;
    else return from_float<T>(to_float(old) + to_float(value));
  }
};
struct Least { template <class T> static T of(T old, T value, T) { return value < old ? value : old; } };
struct Greatest { template <class T> static T of(T old, T value, T) { return value > old ? value : old; } };
struct And { template <class T> static T of(T old, T value, T) { return old & value; } };
struct Or { template <class T> static T of(T old, T value, T) { return old | value; } };
struct Xor { template <class T> static T of(T old, T value, T) { return old ^ value; } };
struct Exchange { template <class T> static T of(T, T value, T) { return value; } };
struct CompareExchange { template <class T> static T of(T old, T expected, T value) { return old == expected ? value : old; } };
struct Increment { template <class T> static T of(T old, T limit, T) { return old >= limit ? 0 : old + 1; } };
struct Decrement { template <class T> static T of(T old, T limit, T) { return old == 0 || old > limit ? limit : old - 1; } };

constexpr uint32_t kWide = 1u << 8;

// One access of `count` elements: the lanes go one after the other. Results in operands 0 to 7, values in 9 to 16, the second value in 17;
// the address in 8. red has no results: its operands are scratch.
template <class Op, class T>
void atomic(Warp& warp, const Instruction& in) {
  const uint32_t count = in.flags & 0xff;
  uint64_t address[kLanes];
  addresses(warp, in, 8, (in.flags & kWide) != 0, address);
  Lanes at;
  resolve(warp, address, static_cast<Space>(in.flags >> 16), sizeof(T) * count, Access::atomic, at);
  if (at.space == Space::local || at.space == Space::param) fault(cudaErrorIllegalAddress, "an atomic operation on memory that no other thread has");
  warp.block->counters->atomics += __builtin_popcount(warp.active);
  const T* second = lanes<T>(warp, in.operands[17]);
  for_active(warp, [&](int lane) {
    T* const memory = reinterpret_cast<T*>(at.at[lane]);
    for (uint32_t i = 0; i < count; ++i) {
      const T old = memory[i];
      memory[i] = Op::of(old, lanes<T>(warp, in.operands[9 + i])[lane], second[lane]);
      lanes<T>(warp, in.operands[i])[lane] = old;
    }
  });
}

// Two floats of 16 bits in each 32: the same, element by element.
template <class T>
void atomic_add_packed(Warp& warp, const Instruction& in) {
  const uint32_t count = in.flags & 0xff;
  uint64_t address[kLanes];
  addresses(warp, in, 8, (in.flags & kWide) != 0, address);
  Lanes at;
  resolve(warp, address, static_cast<Space>(in.flags >> 16), 4 * count, Access::atomic, at);
  warp.block->counters->atomics += __builtin_popcount(warp.active);
  struct Pair { T value[2]; };
  for_active(warp, [&](int lane) {
    Pair* const memory = reinterpret_cast<Pair*>(at.at[lane]);
    for (uint32_t i = 0; i < count; ++i) {
      const Pair old = memory[i], value = lanes<Pair>(warp, in.operands[9 + i])[lane];
      for (int k = 0; k < 2; ++k) memory[i].value[k] = from_float<T>(to_float(old.value[k]) + to_float(value.value[k]));
      lanes<Pair>(warp, in.operands[i])[lane] = old;
    }
  });
}

Handler choose(Decoder& d, std::string_view name, const Type& type, bool noftz) {
  if (name == "add") {
    if (type.packed && noftz) return type.kind == 'h' ? &atomic_add_packed<Half> : &atomic_add_packed<Brain>;
    if (type.is('h', 16) && noftz) return &atomic<Add, Half>;
    if (type.is('n', 16) && noftz) return &atomic<Add, Brain>;
    if (type.is('f', 32)) return &atomic<Add, float>;
    if (type.is('f', 64)) return &atomic<Add, double>;
    if (type.is('u', 32) || type.is('s', 32)) return &atomic<Add, uint32_t>;
    if (type.is('u', 64) || type.is('s', 64)) return &atomic<Add, uint64_t>;
  }
  if (name == "min" || name == "max") {
    const bool least = name == "min";
    if (type.is('u', 32)) return least ? &atomic<Least, uint32_t> : static_cast<Handler>(&atomic<Greatest, uint32_t>);
    if (type.is('s', 32)) return least ? &atomic<Least, int32_t> : static_cast<Handler>(&atomic<Greatest, int32_t>);
    if (type.is('u', 64)) return least ? &atomic<Least, uint64_t> : static_cast<Handler>(&atomic<Greatest, uint64_t>);
    if (type.is('s', 64)) return least ? &atomic<Least, int64_t> : static_cast<Handler>(&atomic<Greatest, int64_t>);
  }
  if (name == "and" || name == "or" || name == "xor") {
    if (type.is('b', 32)) return name == "and" ? &atomic<And, uint32_t> : name == "or" ? static_cast<Handler>(&atomic<Or, uint32_t>) : &atomic<Xor, uint32_t>;
    if (type.is('b', 64)) return name == "and" ? &atomic<And, uint64_t> : name == "or" ? static_cast<Handler>(&atomic<Or, uint64_t>) : &atomic<Xor, uint64_t>;
  }
  if (name == "exch") {
    if (type.is('b', 32)) return &atomic<Exchange, uint32_t>;
    if (type.is('b', 64)) return &atomic<Exchange, uint64_t>;
  }
  if (name == "cas") {
    if (type.is('b', 16)) return &atomic<CompareExchange, uint16_t>;
    if (type.is('b', 32)) return &atomic<CompareExchange, uint32_t>;
    if (type.is('b', 64)) return &atomic<CompareExchange, uint64_t>;
  }
  if (name == "inc" && type.is('u', 32)) return &atomic<Increment, uint32_t>;
  if (name == "dec" && type.is('u', 32)) return &atomic<Decrement, uint32_t>;
  d.refuse("an atomic operation of this kind");
}

template <bool kResult>
Handler decode(Decoder& d) {
  for (const char* order : {"relaxed", "acquire", "release", "acq_rel"}) d.take(order);
  for (const char* scope : {"cta", "gpu", "sys"}) d.take(scope);
  const Space space = take_space(d);
  if (space != Space::generic && space != Space::global && space != Space::shared) d.refuse("an atomic operation in this space");
  std::string_view name;
  for (const char* known : {"add", "min", "max", "and", "or", "xor", "exch", "cas", "inc", "dec"}) {
    if (d.take(known)) name = known;
  }
  const bool noftz = d.take("noftz");
  const uint32_t count = d.take("v2") ? 2 : d.take("v4") ? 4 : d.take("v8") ? 8 : 1;
  const Type type = d.type();
  const size_t first = kResult ? 1 : 0;
  d.expect_operands(first + 2 + (name == "cas"));
  const bool wide = take_address(d, first, 8, space).wide;
  const std::vector<PtxOperand> values = d.elements(first + 1);
  if (values.size() != count) d.refuse("a vector of another length");
  for (uint32_t i = 0; i < count; ++i) d.out.operands[9 + i] = d.source(values[i], type.bytes());
  d.out.operands[17] = name == "cas" ? d.source(first + 2, type.bytes()) : d.constant(0, type.bytes());
  const std::vector<PtxOperand> results = kResult ? d.elements(0) : std::vector<PtxOperand>();
  for (uint32_t i = 0; i < count; ++i) d.out.operands[i] = kResult ? d.target(results.at(i), type.bytes()) : d.scratch(type.bytes());
  d.out.flags = count | (wide ? kWide : 0) | static_cast<uint32_t>(space) << 16;
  return choose(d, name, type, noftz);
}

}  // namespace

void add_atomics(OpcodeTable& table) {
  table["atom"] = decode<true>;
  table["red"] = decode<false>;
}

}  // namespace node_bert::cuda::emulator
