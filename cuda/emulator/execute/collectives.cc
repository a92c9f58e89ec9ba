// What the lanes of a warp, or the threads of a block, do together. The scheduler has already brought them together: `active` holds every
// live member.
#include "emulator/execute/handlers.h"

namespace node_bert::cuda::emulator {
namespace {

void put(Warp& warp, uint32_t target, Mask value) {
  Mask& out = predicate_of(warp, target);
  out = (out & ~warp.active) | (value & warp.active);
}

Mask voters(const Warp& warp, const Instruction& in, uint32_t slot) {
  const Mask value = predicate_of(warp, in.operands[slot]);
  return (in.flags & 1 ? ~value : value) & warp.active;
}

enum ShuffleMode : uint32_t { up, down, butterfly, index };

void shuffle(Warp& warp, const Instruction& in) {
  const uint32_t* a = lanes<uint32_t>(warp, in.operands[1]);
  const uint32_t* b = lanes<uint32_t>(warp, in.operands[2]);
  const uint32_t* c = lanes<uint32_t>(warp, in.operands[3]);
  uint32_t result[kLanes];
  Mask inside = 0;
  for_active(warp, [&](int lane) {
    const int by = static_cast<int>(b[lane] & 31), clamp = static_cast<int>(c[lane] & 31), segment = static_cast<int>(c[lane] >> 8 & 31);
    const int most = (lane & segment) | (clamp & ~segment), least = lane & segment;
    int from = 0;
    bool ok = false;
    switch (in.flags) {
      case up: from = lane - by, ok = from >= most; break;
      case down: from = lane + by, ok = from <= most; break;
      case butterfly: from = lane ^ by, ok = from <= most; break;
      default: from = least | (by & ~segment), ok = from <= most; break;
    }
    if (!ok) from = lane;
    if (!(warp.active >> from & 1)) {
      fault(cudaErrorLaunchFailure, format("a shuffle reads lane %d, which does not take part (lanes that do: %08x)", from, warp.active), lane);
    }
    result[lane] = a[from];
    inside |= static_cast<Mask>(ok) << lane;
  });
  for_lanes<uint32_t>(warp, in.operands[0], [&](int lane) { return result[lane]; });
  if (in.operands[4] != UINT32_MAX) put(warp, in.operands[4], inside);
}

Handler decode_shfl(Decoder& d) {
  if (!d.take("sync")) d.refuse("expected .sync");
  d.out.flags = d.take("up") ? static_cast<uint32_t>(up) : d.take("down") ? static_cast<uint32_t>(down) : d.take("bfly") ? static_cast<uint32_t>(butterfly) : d.take("idx") ? static_cast<uint32_t>(index) : 99u;
  if (d.out.flags == 99) d.refuse("a mode is missing");
  if (!d.type().is('b', 32)) d.refuse("expected .b32");
  const size_t first = d.has_pair() ? 2 : 1;
  d.expect_operands(first + 4);
  d.out.flow = Flow::collective;
  d.out.operands[0] = d.target(0, 4);
  d.out.operands[4] = d.has_pair() ? d.predicate_target(d.operand(1)) : UINT32_MAX;
  for (size_t i = 0; i < 3; ++i) d.out.operands[1 + i] = d.source(first + i, 4);
  d.out.members = static_cast<int32_t>(d.source(first + 3, 4));
  return &shuffle;
}

enum VoteMode : uint32_t { all, any, uniform };
template <VoteMode kMode>
void vote(Warp& warp, const Instruction& in) {
  const Mask yes = voters(warp, in, 1);
  const bool result = kMode == all ? yes == warp.active : kMode == any ? yes != 0 : yes == 0 || yes == warp.active;
  put(warp, in.operands[0], result ? kAllLanes : 0);
}
void ballot(Warp& warp, const Instruction& in) {
  const Mask yes = voters(warp, in, 1);
  for_lanes<uint32_t>(warp, in.operands[0], [=](int) { return yes; });
}

void take_predicate(Decoder& d, size_t position, uint32_t slot) {
  PtxOperand operand = d.operand(position);
  if (operand.negated) d.out.flags |= 1;
  operand.negated = false;
  d.out.operands[slot] = d.predicate(operand);
}

Handler decode_vote(Decoder& d) {
  if (!d.take("sync")) d.refuse("expected .sync");
  const bool is_ballot = d.take("ballot"), is_all = d.take("all"), is_any = d.take("any"), is_uniform = d.take("uni");
  const Type type = d.type();
  d.expect_operands(3);
  d.out.flow = Flow::collective;
  take_predicate(d, 1, 1);
  d.out.members = static_cast<int32_t>(d.source(2, 4));
  if (is_ballot && type.is('b', 32)) {
    d.out.operands[0] = d.target(0, 4);
    return &ballot;
  }
  if (type.kind != 'p') d.refuse("expected .pred");
  d.out.operands[0] = d.predicate_target(d.operand(0));
  if (is_all) return &vote<all>;
  if (is_any) return &vote<any>;
  if (is_uniform) return &vote<uniform>;
  d.refuse("a mode is missing");
}

template <class T>
void match_any(Warp& warp, const Instruction& in) {
  const T* a = lanes<T>(warp, in.operands[1]);
  uint32_t result[kLanes] = {};
  for_active(warp, [&](int lane) { for_active(warp, [&](int other) { result[lane] |= static_cast<uint32_t>(a[other] == a[lane]) << other; }); });
  for_lanes<uint32_t>(warp, in.operands[0], [&](int lane) { return result[lane]; });
}
template <class T>
void match_all(Warp& warp, const Instruction& in) {
  const T* a = lanes<T>(warp, in.operands[1]);
  bool same = true;
  for_active(warp, [&](int lane) { same &= a[lane] == a[__builtin_ctz(warp.active)]; });
  const Mask result = same ? warp.active : 0;
  for_lanes<uint32_t>(warp, in.operands[0], [=](int) { return result; });
  if (in.operands[4] != UINT32_MAX) put(warp, in.operands[4], same ? kAllLanes : 0);
}

Handler decode_match(Decoder& d) {
  const bool is_any = d.take("any"), is_all = !is_any && d.take("all");
  if (!d.take("sync") || (!is_any && !is_all)) d.refuse("expected .any or .all and .sync");
  const Type type = d.type();
  const size_t first = d.has_pair() ? 2 : 1;
  d.expect_operands(first + 2);
  d.out.flow = Flow::collective;
  d.out.operands[0] = d.target(0, 4);
  d.out.operands[4] = d.has_pair() ? d.predicate_target(d.operand(1)) : UINT32_MAX;
  d.out.operands[1] = d.source(first, type.bytes());
  d.out.members = static_cast<int32_t>(d.source(first + 1, 4));
  if (type.is('b', 32)) return is_any ? &match_any<uint32_t> : &match_all<uint32_t>;
  if (type.is('b', 64)) return is_any ? &match_any<uint64_t> : &match_all<uint64_t>;
  d.refuse("expected .b32 or .b64");
}

struct Sum { template <class T> static T of(T a, T b) { return a + b; } };
struct Least { template <class T> static T of(T a, T b) { return a < b ? a : b; } };
struct Greatest { template <class T> static T of(T a, T b) { return a > b ? a : b; } };
struct And { template <class T> static T of(T a, T b) { return a & b; } };
struct Or { template <class T> static T of(T a, T b) { return a | b; } };
struct Xor { template <class T> static T of(T a, T b) { return a ^ b; } };

template <class Op, class T>
void reduce(Warp& warp, const Instruction& in) {
  const T* a = lanes<T>(warp, in.operands[1]);
  T result = a[__builtin_ctz(warp.active)];
  for (Mask rest = warp.active & (warp.active - 1); rest != 0; rest &= rest - 1) result = Op::of(result, a[__builtin_ctz(rest)]);
  for_lanes<T>(warp, in.operands[0], [=](int) { return result; });
}

Handler decode_redux(Decoder& d) {
  if (!d.take("sync")) d.refuse("expected .sync");
  const std::string_view name = d.next_modifier();
  d.take(name);
  const Type type = d.type();
  d.expect_operands(3);
  d.out.flow = Flow::collective;
  d.out.operands[0] = d.target(0, 4);
  d.out.operands[1] = d.source(1, 4);
  d.out.members = static_cast<int32_t>(d.source(2, 4));
  const bool is_signed = type.is('s', 32);
  if (is_signed || type.is('u', 32)) {
    if (name == "add") return &reduce<Sum, uint32_t>;
    if (name == "min") return is_signed ? &reduce<Least, int32_t> : static_cast<Handler>(&reduce<Least, uint32_t>);
    if (name == "max") return is_signed ? &reduce<Greatest, int32_t> : static_cast<Handler>(&reduce<Greatest, uint32_t>);
  } else if (type.is('b', 32)) {
    if (name == "and") return &reduce<And, uint32_t>;
    if (name == "or") return &reduce<Or, uint32_t>;
    if (name == "xor") return &reduce<Xor, uint32_t>;
  }
  d.refuse("an unknown reduction");
}

void active_mask(Warp& warp, const Instruction& in) {
  const Mask active = warp.active;
  for_lanes<uint32_t>(warp, in.operands[0], [=](int) { return active; });
}
Handler decode_activemask(Decoder& d) {
  if (!d.type().is('b', 32)) d.refuse("expected .b32");
  d.expect_operands(1);
  d.out.operands[0] = d.target(0, 4);
  return &active_mask;
}

void elect(Warp& warp, const Instruction& in) {
  const uint32_t leader = static_cast<uint32_t>(__builtin_ctz(warp.active));
  for_lanes<uint32_t>(warp, in.operands[0], [=](int) { return leader; });
  put(warp, in.operands[4], 1u << leader);
}
Handler decode_elect(Decoder& d) {
  if (!d.take("sync") || !d.has_pair()) d.refuse("expected elect.sync d|p");
  d.expect_operands(3);
  d.out.flow = Flow::collective;
  d.out.operands[0] = d.target(0, 4);
  d.out.operands[4] = d.predicate_target(d.operand(1));
  d.out.members = static_cast<int32_t>(d.source(2, 4));
  return &elect;
}

// Orders the memory accesses of the warp when all its live lanes take part. A barrier of fewer lanes orders nothing for the race check,
// which may then report a race that is none; no kernel here uses one.
void sync_warp(Warp& warp, const Instruction&) {
  if (warp.active != warp.live) return;
  if (warp.global.epoch == 0xffff) fault(cudaErrorNotSupported, "65536 bar.warp.sync without a barrier of the block");
  warp.global.epoch = ++warp.shared.epoch;
}

// Called for each warp when the whole block has arrived. Flags: 0 plain, 2 popc, 4 and, 6 or; 1: the predicate is negated.
void end_barrier(Warp& warp, const Instruction& in) {
  if (in.flags == 0) return;
  const uint32_t threads = warp.block->size.x * warp.block->size.y * warp.block->size.z;
  uint32_t yes = warp.block->barrier_votes;
  if (in.flags & 1) yes = threads - yes;
  if ((in.flags & 6) == 2) for_lanes<uint32_t>(warp, in.operands[0], [=](int) { return yes; });
  else put(warp, in.operands[0], ((in.flags & 6) == 4 ? yes == threads : yes != 0) ? kAllLanes : 0);
}

Handler decode_barrier(Decoder& d) {
  if (d.take("warp")) {
    if (!d.take("sync")) d.refuse("expected .sync");
    d.expect_operands(1);
    d.out.flow = Flow::collective;
    d.out.members = static_cast<int32_t>(d.source(0, 4));
    return &sync_warp;
  }
  d.take("cta");
  d.take("aligned");
  d.out.flow = Flow::barrier;
  if (d.take("sync")) {
    d.expect_operands(1);
    d.integer(0);
    return &end_barrier;
  }
  if (!d.take("red")) d.refuse("expected .sync or .red");
  const bool popc = d.take("popc"), conjunction = !popc && d.take("and");
  if (!popc && !conjunction && !d.take("or")) d.refuse("expected .popc, .and or .or");
  d.type();
  d.expect_operands(3);
  d.integer(1);
  take_predicate(d, 2, 1);
  d.out.flags |= popc ? 2 : conjunction ? 4 : 6;
  d.out.operands[0] = popc ? d.target(0, 4) : d.predicate_target(d.operand(0));
  return &end_barrier;
}

}  // namespace

void add_collectives(OpcodeTable& table) {
  table["shfl"] = decode_shfl;
  table["vote"] = decode_vote;
  table["match"] = decode_match;
  table["redux"] = decode_redux;
  table["activemask"] = decode_activemask;
  table["elect"] = decode_elect;
  table["bar"] = decode_barrier;
  table["barrier"] = decode_barrier;
}

}  // namespace node_bert::cuda::emulator
