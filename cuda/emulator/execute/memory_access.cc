#include "emulator/execute/memory_access.h"

#include <algorithm>

namespace node_bert::cuda::emulator {

Space take_space(Decoder& d) {
  if (d.take("global")) return Space::global;
  if (d.take("shared") || d.take("shared::cta")) return Space::shared;
  if (d.take("local")) return Space::local;
  if (d.take("const")) return Space::constant;
  if (d.take("param")) return Space::param;
  return Space::generic;
}

Address take_address(Decoder& d, size_t position, uint32_t slot, Space space) {
  const PtxOperand& operand = d.operand(position);
  if (operand.kind != PtxOperand::address) d.refuse("expected an address");
  const PtxOperand& base = operand.parts[0];
  d.out.immediate = operand.bits;
  if (base.kind == PtxOperand::reg) {
    const bool wide = d.register_bytes(base) == 8;
    if (!wide && space != Space::shared && space != Space::local) d.refuse("a 32-bit address of this space");
    d.out.operands[slot] = d.source(base, wide ? 8 : 4);
    return {space, d.out.operands[slot], wide};
  }
  if (base.kind != PtxOperand::symbol) d.refuse("an address of this kind");
  const Symbol& symbol = d.symbol(base);
  if (symbol.space != space) d.refuse(std::string(base.name) + " lies in another space");
  d.out.operands[slot] = d.constant(symbol.address + static_cast<uint64_t>(base.bits), 8);
  return {space, d.out.operands[slot], true};
}

uint32_t wavefronts(Mask active, const uint64_t* offset, uint32_t bytes) {
  // 64 bits go in two halves of the warp, 128 bits in four quarters; lanes that want the same word share it.
  const int lanes_per_pass = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
  uint32_t total = 0;
  for (int first = 0; first < kLanes; first += lanes_per_pass) {
    uint64_t words[kLanes];
    int count = 0;
    for (int lane = first; lane < first + lanes_per_pass; ++lane) {
      if (!(active >> lane & 1)) continue;
      for (uint64_t word = offset[lane] / 4; word <= (offset[lane] + bytes - 1) / 4; ++word) words[count++] = word;
    }
    if (count == 0) continue;
    // In the usual case the words follow each other or are all one.
    bool increasing = true;
    for (int i = 1; i < count; ++i) increasing &= words[i] == words[i - 1] + 1;
    bool same = true;
    for (int i = 1; i < count; ++i) same &= words[i] == words[0];
    if (increasing || same) {
      ++total;
      continue;
    }
    std::sort(words, words + count);
    count = static_cast<int>(std::unique(words, words + count) - words);
    uint32_t banks[32] = {}, most = 0;
    for (int i = 0; i < count; ++i) most = std::max(most, ++banks[words[i] % 32]);
    total += most;
  }
  return total;
}

uint32_t sectors(Mask active, const uint64_t* address, uint32_t bytes) {
  uint64_t touched[2 * kLanes];
  int count = 0;
  for (Mask rest = active; rest != 0; rest &= rest - 1) {
    const uint64_t at = address[__builtin_ctz(rest)];
    for (uint64_t sector = at / 32; sector <= (at + bytes - 1) / 32; ++sector) {
      if (count == 0 || touched[count - 1] != sector) touched[count++] = sector;
    }
  }
  bool increasing = true;
  for (int i = 1; i < count; ++i) increasing &= touched[i] > touched[i - 1];
  if (increasing) return count;
  std::sort(touched, touched + count);
  return static_cast<uint32_t>(std::unique(touched, touched + count) - touched);
}

void count_shared(Warp& warp, const uint64_t* offset, uint32_t bytes) {
  Counters& counters = *warp.block->counters;
  const uint32_t passes = wavefronts(warp.active, offset, bytes);
  uint32_t least = 1;
  if (bytes > 4) {
    const int lanes_per_pass = bytes == 8 ? 16 : 8;
    least = 0;
    for (int first = 0; first < kLanes; first += lanes_per_pass) least += (warp.active >> first & ((uint64_t{1} << lanes_per_pass) - 1)) != 0;
  }
  counters.shared_wavefronts += passes;
  ++counters.shared_instructions;
  counters.bank_conflicts += passes - least;
}

void check_shared_bounds(const Warp& warp, uint64_t offset, uint32_t bytes, uint32_t alignment, int lane) {
  if (offset % alignment != 0) fault(cudaErrorMisalignedAddress, format("a shared access of %u bytes at offset 0x%llx, which is not a multiple of %u", bytes, static_cast<unsigned long long>(offset), alignment), lane);
  if (offset < 1024 || offset + bytes > warp.block->shared_bytes) {
    fault(cudaErrorIllegalAddress, format("a shared access of %u bytes at offset 0x%llx: the block has 0x400 to 0x%x", bytes, static_cast<unsigned long long>(offset), warp.block->shared_bytes), lane);
  }
}

namespace {

void resolve_global(Warp& warp, const uint64_t* address, uint32_t bytes, Access kind, Lanes& lanes) {
  Block& block = *warp.block;
  DeviceMemory& memory = *block.memory;
  const bool writing = kind == Access::write || kind == Access::strong_write;
  const char* verb = writing ? "writes" : kind == Access::atomic ? "updates" : "reads";
  uint64_t least = UINT64_MAX, most = 0, bits = 0;
  if (warp.active == kAllLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      least = std::min(least, address[lane]);
      most = std::max(most, address[lane]);
      bits |= address[lane];
    }
  } else {
    for_active(warp, [&](int lane) {
      least = std::min(least, address[lane]);
      most = std::max(most, address[lane]);
      bits |= address[lane];
    });
  }
  if (bits & (bytes - 1)) {
    for_active(warp, [&](int lane) {
      if (address[lane] & (bytes - 1)) fault(cudaErrorMisalignedAddress, format("%s %u bytes at 0x%llx, which is not a multiple of %u", verb, bytes, static_cast<unsigned long long>(address[lane]), bytes), lane);
    });
  }
  const Allocation* allocation = memory.find(least);
  if (allocation == nullptr || most + bytes > allocation->end()) {
    for_active(warp, [&](int lane) { memory.check(address[lane], bytes, verb, lane); });
  }
  Counters& counters = *block.counters;
  counters.global_sectors += sectors(warp.active, address, bytes);
  ++counters.global_instructions;
  (writing ? counters.global_bytes_written : counters.global_bytes_read) += static_cast<uint64_t>(bytes) * __builtin_popcount(warp.active);
  if (block.checks) {
    Shadow& shadow = memory.shadow();
    for_active(warp, [&](int lane) {
      const uint64_t offset = memory.offset(address[lane]);
      if (kind == Access::read) shadow.read(offset, bytes, warp.global, lane);
      else if (kind == Access::write) shadow.write(offset, bytes, warp.global, lane);
      else shadow.access(offset, bytes, kind, warp.global, lane);
    });
  }
  for (int lane = 0; lane < kLanes; ++lane) lanes.at[lane] = memory.bytes(address[lane]);
}

void resolve_shared(Warp& warp, const uint64_t* offset, uint32_t bytes, Access kind, Lanes& lanes) {
  Block& block = *warp.block;
  for_active(warp, [&](int lane) { check_shared_bounds(warp, offset[lane], bytes, bytes, lane); });
  count_shared(warp, offset, bytes);
  if (block.checks) {
    Shadow& shadow = *block.shared_shadow;
    for_active(warp, [&](int lane) {
      if (kind == Access::read) shadow.read(offset[lane], bytes, warp.shared, lane);
      else if (kind == Access::write) shadow.write(offset[lane], bytes, warp.shared, lane);
      else shadow.access(offset[lane], bytes, kind, warp.shared, lane);
    });
  }
  for (int lane = 0; lane < kLanes; ++lane) lanes.at[lane] = block.shared + offset[lane];
}

void resolve_local(Warp& warp, const uint64_t* offset, uint32_t bytes, Lanes& lanes) {
  const uint32_t size = warp.block->kernel->local_bytes;
  for_active(warp, [&](int lane) {
    if (offset[lane] % bytes != 0) fault(cudaErrorMisalignedAddress, format("a local access of %u bytes at offset 0x%llx", bytes, static_cast<unsigned long long>(offset[lane])), lane);
    if (offset[lane] + bytes > size) fault(cudaErrorIllegalAddress, format("a local access of %u bytes at offset 0x%llx of %u", bytes, static_cast<unsigned long long>(offset[lane]), size), lane);
    lanes.at[lane] = warp.local.data() + static_cast<uint64_t>(lane) * size + offset[lane];
  });
}

void resolve_parameter(Warp& warp, const uint64_t* offset, uint32_t bytes, Lanes& lanes) {
  const Block& block = *warp.block;
  for_active(warp, [&](int lane) {
    if (offset[lane] % bytes != 0 || offset[lane] + bytes > block.kernel->parameter_bytes) fault(cudaErrorIllegalAddress, "an access outside the kernel's parameters", lane);
    lanes.at[lane] = const_cast<uint8_t*>(block.parameters) + offset[lane];
  });
}

}  // namespace

void resolve(Warp& warp, const uint64_t* address, Space space, uint32_t bytes, Access kind, Lanes& lanes) {
  uint64_t translated[kLanes];
  if (space == Space::generic) {
    const DeviceMemory& memory = *warp.block->memory;
    const auto space_of = [&](uint64_t at) {
      if (at - memory.shared_window() < DeviceMemory::kWindow) return Space::shared;
      return at - memory.local_window() < DeviceMemory::kWindow ? Space::local : Space::global;
    };
    space = space_of(address[__builtin_ctz(warp.active)]);
    for_active(warp, [&](int lane) {
      if (space_of(address[lane]) != space) fault(cudaErrorNotSupported, "one instruction accesses several address spaces, which the emulator does not take", lane);
    });
    const uint64_t window = space == Space::shared ? memory.shared_window() : space == Space::local ? memory.local_window() : 0;
    for (int lane = 0; lane < kLanes; ++lane) translated[lane] = address[lane] - window;
    address = translated;
  }
  lanes.space = space;
  switch (space) {
    case Space::shared: return resolve_shared(warp, address, bytes, kind, lanes);
    case Space::local: return resolve_local(warp, address, bytes, lanes);
    case Space::param: return resolve_parameter(warp, address, bytes, lanes);
    default: return resolve_global(warp, address, bytes, kind, lanes);
  }
}

}  // namespace node_bert::cuda::emulator
