// A warp while it runs, and the block around it.
#ifndef NODE_BERT_CUDA_EMULATOR_EXECUTE_WARP_H
#define NODE_BERT_CUDA_EMULATOR_EXECUTE_WARP_H

#include <vector_types.h>

#include <vector>

#include "emulator/execute/kernel.h"
#include "emulator/memory/device_memory.h"
#include "emulator/memory/fault.h"

namespace node_bert::cuda::emulator {

// Lanes that stand at the same instruction. The group with the lowest pc runs first; groups that meet become one.
struct Group {
  uint32_t pc;
  Mask mask;
  bool waiting;  // at a collective or barrier, for lanes that are not there yet
};

// One cp.async instruction of a warp that has not landed.
struct PendingCopy {
  Mask mask;
  uint32_t bytes, source_bytes[kLanes];  // the rest is filled with zeros
  uint32_t group[kLanes];                // of each lane: how many groups it had committed before
  uint64_t target[kLanes], source[kLanes];
};

struct Block;

struct Warp {
  uint8_t* registers;
  Mask active;  // lanes that execute the current instruction
  Mask live;    // lanes that have not left
  Mask carry;   // the condition code of add.cc
  uint32_t index;
  std::vector<Group> groups;
  bool at_barrier;
  uint32_t barrier_pc;
  uint32_t priority;
  Accessor global, shared;
  Block* block;
  std::vector<PendingCopy> copies;
  uint32_t committed[kLanes];     // groups of cp.async
  std::vector<uint8_t> local;     // of each lane, one after the other
};

struct Block {
  Kernel* kernel;
  DeviceMemory* memory;
  Timeline* timeline;
  const uint8_t* parameters;
  dim3 grid, size, index;
  uint8_t* shared;
  uint32_t shared_bytes;  // where shared memory ends
  Shadow* shared_shadow;
  Counters* counters;
  bool checks;      // races, initialisation
  uint32_t barrier_votes;  // of bar.red
  std::vector<Warp> warps;
};

template <class T>
inline T* lanes(const Warp& warp, uint32_t offset) {
  return reinterpret_cast<T*>(warp.registers + offset);
}
inline Mask& predicate_of(const Warp& warp, uint32_t offset) { return *reinterpret_cast<Mask*>(warp.registers + offset); }

// target[lane] = f(lane) for the active lanes. f runs for every lane, so it must not fail on any value.
template <class T, class F>
inline void for_lanes(Warp& warp, uint32_t target, F f) {
  T* const out = lanes<T>(warp, target);
  if (warp.active == kAllLanes) {
#pragma GCC ivdep
    for (int lane = 0; lane < kLanes; ++lane) out[lane] = f(lane);
    return;
  }
  T result[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) result[lane] = f(lane);
  for (int lane = 0; lane < kLanes; ++lane) out[lane] = warp.active >> lane & 1 ? result[lane] : out[lane];
}

// The same for a predicate.
template <class F>
inline void for_lanes_predicate(Warp& warp, uint32_t target, F f) {
  Mask result = 0;
  for (int lane = 0; lane < kLanes; ++lane) result |= static_cast<Mask>(static_cast<bool>(f(lane))) << lane;
  Mask& out = predicate_of(warp, target);
  out = (out & ~warp.active) | (result & warp.active);
}

template <class F>
inline void for_active(const Warp& warp, F f) {
  for (Mask rest = warp.active; rest != 0; rest &= rest - 1) f(__builtin_ctz(rest));
}

[[noreturn]] inline void fault(cudaError_t code, std::string what, int lane = -1) { throw Fault{code, std::move(what), lane}; }

}  // namespace node_bert::cuda::emulator
#endif
