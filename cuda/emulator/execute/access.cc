// ld and st.
#include <cstring>

#include "emulator/execute/memory_access.h"

namespace node_bert::cuda::emulator {
namespace {

// What an instruction's flags hold.
struct Shape {
  uint8_t count;  // of elements
  Access access;
  Space space;
  bool wide, read_only;
  uint32_t pack() const { return count | static_cast<uint32_t>(access) << 8 | static_cast<uint32_t>(space) << 16 | (wide ? 1u << 24 : 0) | (read_only ? 1u << 25 : 0); }
  static Shape unpack(uint32_t flags) {
    return {static_cast<uint8_t>(flags), static_cast<Access>(flags >> 8 & 0xff), static_cast<Space>(flags >> 16 & 0xff), (flags >> 24 & 1) != 0, (flags >> 25 & 1) != 0};
  }
};

// The address is operand 8, the registers 0 to 7. Element is the type in memory, Register what it is extended to.
template <class Element, class Register>
void load(Warp& warp, const Instruction& in) {
  const Shape shape = Shape::unpack(in.flags);
  uint64_t address[kLanes];
  addresses(warp, in, 8, shape.wide, address);
  const uint32_t bytes = sizeof(Element) * shape.count;
  Lanes from;
  resolve(warp, address, shape.space, bytes, shape.access, from);
  if (shape.read_only && warp.block->checks) {
    const DeviceMemory& memory = *warp.block->memory;
    for_active(warp, [&](int lane) {
      if (warp.block->memory->shadow().written_since(memory.offset(address[lane]), bytes, warp.global.launch_start)) {
        fault(cudaErrorLaunchFailure, "ld.global.nc reads what this kernel wrote", lane);
      }
    });
  }
  for (int i = 0; i < shape.count; ++i) {
    Register* to = lanes<Register>(warp, in.operands[i]);
    for_active(warp, [&](int lane) {
      Element value;
      std::memcpy(&value, from.at[lane] + i * sizeof(Element), sizeof(Element));
      to[lane] = static_cast<Register>(value);
    });
  }
}

template <class Element, class Register>
void store(Warp& warp, const Instruction& in) {
  const Shape shape = Shape::unpack(in.flags);
  uint64_t address[kLanes];
  addresses(warp, in, 8, shape.wide, address);
  Lanes to;
  resolve(warp, address, shape.space, sizeof(Element) * shape.count, shape.access, to);
  for (int i = 0; i < shape.count; ++i) {
    const Register* from = lanes<Register>(warp, in.operands[i]);
    for_active(warp, [&](int lane) {
      const Element value = static_cast<Element>(from[lane]);
      std::memcpy(to.at[lane] + i * sizeof(Element), &value, sizeof(Element));
    });
  }
}

// How caches are used changes nothing here.
void take_cache_hints(Decoder& d) {
  for (const char* hint : {"ca", "cg", "cs", "lu", "cv", "wb", "wt", "L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate",
                           "L2::64B", "L2::128B", "L2::256B", "L2::evict_first", "L2::evict_last", "L2::evict_normal"}) {
    d.take(hint);
  }
}

template <template <class, class> class Run, bool kStore>
Handler choose(Decoder& d, const Type& type, uint32_t register_bytes) {
  const bool sign = type.kind == 's';
  switch (type.bytes()) {
    case 1:
      if (register_bytes == 2) return sign ? &Run<int8_t, int16_t>::run : &Run<uint8_t, uint16_t>::run;
      if (register_bytes == 4) return sign ? &Run<int8_t, int32_t>::run : &Run<uint8_t, uint32_t>::run;
      if (register_bytes == 8) return sign ? &Run<int8_t, int64_t>::run : &Run<uint8_t, uint64_t>::run;
      break;
    case 2:
      if (register_bytes == 2) return &Run<uint16_t, uint16_t>::run;
      if (register_bytes == 4) return sign ? &Run<int16_t, int32_t>::run : &Run<uint16_t, uint32_t>::run;
      if (register_bytes == 8) return sign ? &Run<int16_t, int64_t>::run : &Run<uint16_t, uint64_t>::run;
      break;
    case 4:
      if (register_bytes == 4) return &Run<uint32_t, uint32_t>::run;
      if (register_bytes == 8) return sign ? &Run<int32_t, int64_t>::run : &Run<uint32_t, uint64_t>::run;
      break;
    case 8:
      if (register_bytes == 8) return &Run<uint64_t, uint64_t>::run;
      break;
  }
  d.refuse("a register narrower than what is accessed");
}

template <class Element, class Register> struct Load { static void run(Warp& warp, const Instruction& in) { load<Element, Register>(warp, in); } };
template <class Element, class Register> struct Store { static void run(Warp& warp, const Instruction& in) { store<Element, Register>(warp, in); } };

template <bool kStore>
Handler decode(Decoder& d) {
  Shape shape{1, kStore ? Access::write : Access::read, Space::generic, false, false};
  const bool is_volatile = d.take("volatile"), relaxed = d.take("relaxed"), ordered = d.take(kStore ? "release" : "acquire");
  if (is_volatile || relaxed || ordered) shape.access = kStore ? Access::strong_write : Access::strong_read;
  if (relaxed || ordered) {
    if (!d.take("cta") && !d.take("gpu") && !d.take("sys")) d.refuse("a scope is missing");
  }
  d.take("weak");
  shape.space = take_space(d);
  if (!kStore) shape.read_only = d.take("nc");
  if (kStore && (shape.space == Space::constant || shape.space == Space::param)) d.refuse("a store to read-only memory");
  take_cache_hints(d);
  shape.count = d.take("v2") ? 2 : d.take("v4") ? 4 : d.take("v8") ? 8 : 1;
  const Type type = d.type();
  if (type.packed || type.kind == 'p') d.refuse("an access of this type");
  d.expect_operands(2);
  const std::vector<PtxOperand> values = d.elements(kStore ? 1 : 0);
  if (values.size() != shape.count) d.refuse("a vector of another length");
  shape.wide = take_address(d, kStore ? 0 : 1, 8, shape.space).wide;
  uint32_t register_bytes = 0;
  for (const PtxOperand& value : values) {
    if (value.kind == PtxOperand::reg) register_bytes = std::max(register_bytes, d.register_bytes(value));
  }
  if (register_bytes == 0) register_bytes = std::max<uint32_t>(type.bytes(), 2);
  for (size_t i = 0; i < values.size(); ++i) d.out.operands[i] = kStore ? d.source(values[i], register_bytes) : d.target(values[i], register_bytes);
  d.out.flags = shape.pack();
  return kStore ? choose<Store, true>(d, type, register_bytes) : choose<Load, false>(d, type, register_bytes);
}

void nothing(Warp&, const Instruction&) {}

Handler decode_prefetch(Decoder& d) {
  take_space(d);
  if (!d.take("L1") && !d.take("L2")) d.refuse("expected .L1 or .L2");
  d.expect_operands(1);
  return &nothing;
}

}  // namespace

void add_access(OpcodeTable& table) {
  table["ld"] = decode<false>;
  table["ldu"] = decode<false>;
  table["st"] = decode<true>;
  table["prefetch"] = decode_prefetch;
}

}  // namespace node_bert::cuda::emulator
