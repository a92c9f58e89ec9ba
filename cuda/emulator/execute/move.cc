// mov, with packing and unpacking of vectors, and cvta.
#include "emulator/execute/handlers.h"

namespace node_bert::cuda::emulator {
namespace {

template <class T>
void move(Warp& warp, const Instruction& in) {
  const T* a = lanes<T>(warp, in.operands[1]);
  for_lanes<T>(warp, in.operands[0], [=](int lane) { return a[lane]; });
}

void move_predicate(Warp& warp, const Instruction& in) {
  const Mask value = predicate_of(warp, in.operands[1]);
  for_lanes_predicate(warp, in.operands[0], [=](int lane) { return value >> lane & 1; });
}

// flags: number of parts.
template <class Whole, class Part>
void pack(Warp& warp, const Instruction& in) {
  const Part* part[sizeof(Whole) / sizeof(Part)];
  for (size_t i = 0; i < sizeof(Whole) / sizeof(Part); ++i) part[i] = lanes<Part>(warp, in.operands[1 + i]);
  for_lanes<Whole>(warp, in.operands[0], [&](int lane) {
    Whole whole = 0;
    for (size_t i = 0; i < sizeof(Whole) / sizeof(Part); ++i) whole |= static_cast<Whole>(part[i][lane]) << (8 * sizeof(Part) * i);
    return whole;
  });
}

template <class Whole, class Part>
void unpack(Warp& warp, const Instruction& in) {
  Whole whole[kLanes];  // a copy: a part may be written over what is read
  std::copy_n(lanes<Whole>(warp, in.operands[0]), kLanes, whole);
  for (size_t i = 0; i < sizeof(Whole) / sizeof(Part); ++i) {
    for_lanes<Part>(warp, in.operands[1 + i], [&](int lane) { return static_cast<Part>(whole[lane] >> (8 * sizeof(Part) * i)); });
  }
}

Handler decode_vector(Decoder& d, const Type& type, bool packing) {
  const std::vector<PtxOperand> parts = d.elements(packing ? 1 : 0);
  const uint32_t bytes = type.bytes() / static_cast<uint32_t>(parts.size());
  if (parts.size() * bytes != type.bytes() || (bytes != 2 && bytes != 4)) d.refuse("a vector of these parts");
  d.out.operands[0] = packing ? d.target(0, type.bytes()) : d.source(1, type.bytes());
  for (size_t i = 0; i < parts.size(); ++i) d.out.operands[1 + i] = packing ? d.source(parts[i], bytes) : d.target(parts[i], bytes);
  if (type.bytes() == 4 && bytes == 2) return packing ? &pack<uint32_t, uint16_t> : &unpack<uint32_t, uint16_t>;
  if (type.bytes() == 8 && bytes == 2) return packing ? &pack<uint64_t, uint16_t> : &unpack<uint64_t, uint16_t>;
  if (type.bytes() == 8 && bytes == 4) return packing ? &pack<uint64_t, uint32_t> : &unpack<uint64_t, uint32_t>;
  d.refuse("a vector of this type");
}

Handler decode_mov(Decoder& d) {
  const Type type = d.type();
  d.expect_operands(2);
  if (type.kind == 'p') {
    d.out.operands[0] = d.predicate_target(d.operand(0));
    d.out.operands[1] = d.operand(1).kind == PtxOperand::immediate ? d.constant(d.integer(1) != 0 ? kAllLanes : 0, 4) : d.predicate(d.operand(1));
    return &move_predicate;
  }
  if (d.operand(1).kind == PtxOperand::vector) return decode_vector(d, type, true);
  if (d.operand(0).kind == PtxOperand::vector) return decode_vector(d, type, false);
  take_operands(d, 1, type.bytes());
  if (type.bytes() == 2) return &move<uint16_t>;
  if (type.bytes() == 4) return &move<uint32_t>;
  if (type.bytes() == 8) return &move<uint64_t>;
  d.refuse("mov of this type");
}

// Generic addresses of shared and local memory lie in windows; those of global and constant memory are themselves.
void add_window(Warp& warp, const Instruction& in) {
  const uint64_t* a = lanes<uint64_t>(warp, in.operands[1]);
  const uint64_t window = static_cast<uint64_t>(in.immediate);
  for_lanes<uint64_t>(warp, in.operands[0], [=](int lane) { return a[lane] + window; });
}

Handler decode_cvta(Decoder& d) {
  const bool to = d.take("to");
  uint64_t window = 0;
  if (d.take("shared") || d.take("shared::cta")) window = d.shared_window();
  else if (d.take("local")) window = d.local_window();
  else if (!d.take("global") && !d.take("const")) d.refuse("cvta of an unknown space");
  if (!d.type().is('u', 64)) d.refuse("expected .u64");
  take_operands(d, 1, 8);
  if (window == 0) return &move<uint64_t>;
  d.out.immediate = static_cast<int64_t>(to ? -window : window);
  return &add_window;
}

}  // namespace

void add_move(OpcodeTable& table) {
  table["mov"] = decode_mov;
  table["cvta"] = decode_cvta;
}

}  // namespace node_bert::cuda::emulator
