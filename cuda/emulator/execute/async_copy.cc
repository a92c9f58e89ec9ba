// cp.async. The bytes arrive when the thread waits for them, never earlier; until then the target is filled with 0xFF and marked.
#include <algorithm>
#include <cstring>

#include "emulator/execute/memory_access.h"

namespace node_bert::cuda::emulator {
namespace {

// Flags: the bytes copied, and kWideTarget.
constexpr uint32_t kWideTarget = 1u << 8;

// Operands: 0 target, 1 source, 2 bytes taken from the source. Two immediates: the target's offset in immediate, the source's in operands 3 and 4.
void copy(Warp& warp, const Instruction& in) {
  Block& block = *warp.block;
  PendingCopy copy;
  copy.mask = warp.active;
  copy.bytes = in.flags & 0xff;
  addresses(warp, in, 0, (in.flags & kWideTarget) != 0, copy.target);
  const uint64_t offset = in.operands[3] | static_cast<uint64_t>(in.operands[4]) << 32;
  const uint64_t* base = lanes<uint64_t>(warp, in.operands[1]);
  const uint32_t* taken = lanes<uint32_t>(warp, in.operands[2]);
  for (int lane = 0; lane < kLanes; ++lane) {
    copy.source[lane] = base[lane] + offset;
    copy.source_bytes[lane] = taken[lane];
    copy.group[lane] = warp.committed[lane];
  }
  for_active(warp, [&](int lane) {
    check_shared_bounds(warp, copy.target[lane], copy.bytes, copy.bytes, lane);
    if (copy.source_bytes[lane] > copy.bytes) fault(cudaErrorLaunchFailure, "cp.async takes more bytes than it copies", lane);
    if (copy.source[lane] % copy.bytes != 0) fault(cudaErrorMisalignedAddress, format("cp.async of %u bytes from 0x%llx", copy.bytes, static_cast<unsigned long long>(copy.source[lane])), lane);
    if (copy.source_bytes[lane] > 0) block.memory->check(copy.source[lane], copy.source_bytes[lane], "copies", lane);
    if (block.checks) block.shared_shadow->set_in_flight(copy.target[lane], copy.bytes, warp.shared, lane);
    std::memset(block.shared + copy.target[lane], 0xff, copy.bytes);
  });
  Counters& counters = *block.counters;
  counters.global_sectors += sectors(warp.active, copy.source, copy.bytes);
  ++counters.global_instructions;
  for_active(warp, [&](int lane) { counters.global_bytes_read += copy.source_bytes[lane]; });
  count_shared(warp, copy.target, copy.bytes);
  warp.copies.push_back(copy);
}

void land(Warp& warp, const PendingCopy& copy, int lane) {
  Block& block = *warp.block;
  DeviceMemory& memory = *block.memory;
  const uint32_t taken = copy.source_bytes[lane];
  uint8_t* const target = block.shared + copy.target[lane];
  if (taken > 0) {
    memory.check(copy.source[lane], taken, "copies", lane);
    std::memcpy(target, memory.bytes(copy.source[lane]), taken);
  }
  std::memset(target + taken, 0, copy.bytes - taken);
  if (!block.checks) return;
  block.shared_shadow->land(copy.target[lane], copy.bytes, warp.shared, lane);
  if (taken == 0) return;
  const uint64_t source = memory.offset(copy.source[lane]);
  memory.shadow().access(source, taken, Access::copy_read, warp.global, lane);
  if (memory.shadow().initialised(source, taken, warp.global)) return;
  for (uint32_t i = 0; i < taken; ++i) {
    if (!memory.shadow().initialised(source + i, 1, warp.global)) block.shared_shadow->set_uninitialised(copy.target[lane] + i, 1);
  }
}

// Lands the groups of each active lane except its newest `pending`.
void wait(Warp& warp, uint32_t pending, bool uncommitted) {
  for (PendingCopy& copy : warp.copies) {
    for (Mask rest = copy.mask & warp.active; rest != 0; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      const uint32_t committed = warp.committed[lane];
      if (!uncommitted && (copy.group[lane] >= committed || committed - copy.group[lane] <= pending)) continue;
      land(warp, copy, lane);
      copy.mask &= ~(1u << lane);
    }
  }
  std::erase_if(warp.copies, [](const PendingCopy& copy) { return copy.mask == 0; });
}

void wait_group(Warp& warp, const Instruction& in) { wait(warp, in.flags, false); }
void wait_all(Warp& warp, const Instruction&) { wait(warp, 0, true); }
void commit(Warp& warp, const Instruction&) {
  for_active(warp, [&](int lane) { ++warp.committed[lane]; });
}

Handler decode_cp(Decoder& d) {
  if (!d.take("async")) d.refuse("expected .async");
  if (d.take("commit_group")) {
    d.expect_operands(0);
    return &commit;
  }
  if (d.take("wait_all")) {
    d.expect_operands(0);
    return &wait_all;
  }
  if (d.take("wait_group")) {
    d.expect_operands(1);
    d.out.flags = static_cast<uint32_t>(d.integer(0));
    return &wait_group;
  }
  const bool around_l1 = d.take("cg");
  if (!around_l1 && !d.take("ca")) d.refuse("expected .ca or .cg");
  if ((!d.take("shared") && !d.take("shared::cta")) || !d.take("global")) d.refuse("expected .shared.global");
  for (const char* hint : {"L2::64B", "L2::128B", "L2::256B"}) d.take(hint);
  if (d.operand_count() < 3 || d.operand_count() > 4) d.refuse("expected three or four operands");
  const int64_t bytes = d.integer(2);
  if (bytes != 16 && (around_l1 || (bytes != 4 && bytes != 8))) d.refuse("copies are of 4, 8 or 16 bytes, with .cg of 16");
  if (!take_address(d, 1, 1, Space::global).wide) d.refuse("a 32-bit global address");
  d.out.operands[3] = static_cast<uint32_t>(d.out.immediate);
  d.out.operands[4] = static_cast<uint32_t>(static_cast<uint64_t>(d.out.immediate) >> 32);
  const bool wide = take_address(d, 0, 0, Space::shared).wide;
  d.out.operands[2] = d.operand_count() == 4 ? d.source(3, 4) : d.constant(static_cast<uint64_t>(bytes), 4);
  d.out.flags = static_cast<uint32_t>(bytes) | (wide ? kWideTarget : 0);
  return &copy;
}

}  // namespace

void add_async_copy(OpcodeTable& table) { table["cp"] = decode_cp; }

}  // namespace node_bert::cuda::emulator
