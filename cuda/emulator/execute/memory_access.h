// Where the lanes of one instruction access memory, checked and counted.
#ifndef NODE_BERT_CUDA_EMULATOR_EXECUTE_MEMORY_ACCESS_H
#define NODE_BERT_CUDA_EMULATOR_EXECUTE_MEMORY_ACCESS_H

#include "emulator/execute/decoder.h"
#include "emulator/execute/warp.h"

namespace node_bert::cuda::emulator {

// An address operand, as decoded: [register + immediate] or [variable + immediate].
struct Address {
  Space space;
  uint32_t operand;  // offset in the register file
  bool wide;         // 64 bits
};

// Takes the state space among the modifiers (generic when there is none).
Space take_space(Decoder& d);
// Decodes operand `position`; its register goes to out.operands[slot], the offset to out.immediate.
Address take_address(Decoder& d, size_t position, uint32_t slot, Space space);

// Pointers to what each active lane accesses, after every check. Addresses of generic space are told apart by the first active lane.
struct Lanes {
  uint8_t* at[kLanes];
  Space space;
};
void resolve(Warp& warp, const uint64_t* address, Space space, uint32_t bytes, Access kind, Lanes& lanes);

inline void addresses(const Warp& warp, const Instruction& in, uint32_t slot, bool wide, uint64_t* address) {
  const uint64_t offset = static_cast<uint64_t>(in.immediate);
  if (wide) {
    const uint64_t* base = lanes<uint64_t>(warp, in.operands[slot]);
    for (int lane = 0; lane < kLanes; ++lane) address[lane] = base[lane] + offset;
  } else {
    const uint32_t* base = lanes<uint32_t>(warp, in.operands[slot]);
    for (int lane = 0; lane < kLanes; ++lane) address[lane] = static_cast<uint32_t>(base[lane] + offset);
  }
}

// Passes over the 32 banks of 4 bytes that the active lanes need when each accesses `bytes` at its shared offset.
uint32_t wavefronts(Mask active, const uint64_t* offset, uint32_t bytes);
// Sectors of 32 bytes that they touch.
uint32_t sectors(Mask active, const uint64_t* address, uint32_t bytes);
void count_shared(Warp& warp, const uint64_t* offset, uint32_t bytes);
// Bounds and alignment of a shared access.
void check_shared_bounds(const Warp& warp, uint64_t offset, uint32_t bytes, uint32_t alignment, int lane);

}  // namespace node_bert::cuda::emulator
#endif
