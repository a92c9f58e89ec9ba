// The emulated device's memory. Its addresses lie in a range that the host cannot touch (PROT_NONE), so a host program that dereferences
// one is caught; the bytes lie in a mapping of their own. Allocations are kept apart by guard pages, and fresh memory is filled with 0xFF.
#ifndef NODE_BERT_CUDA_EMULATOR_MEMORY_DEVICE_MEMORY_H
#define NODE_BERT_CUDA_EMULATOR_MEMORY_DEVICE_MEMORY_H

#include <map>
#include <memory>
#include <string>

#include "emulator/memory/shadow.h"

namespace node_bert::cuda::emulator {

struct Allocation {
  uint64_t base, size;
  uint64_t number;  // counts allocations, for messages
  uint64_t end() const { return base + size; }
};

class DeviceMemory {
 public:
  explicit DeviceMemory(const Timeline& timeline);
  DeviceMemory(const DeviceMemory&) = delete;
  ~DeviceMemory();

  uint64_t allocate(uint64_t size);  // 0 when the address range is used up
  bool release(uint64_t base);       // false when no allocation starts there
  // The live allocation that holds the address, or null.
  const Allocation* find(uint64_t address) const;
  // The allocation of [address, address + size), or a Fault that says what is there.
  const Allocation& check(uint64_t address, uint64_t size, const char* verb, int lane = -1) const;

  bool contains(uint64_t address) const { return address >= base_ && address < base_ + kRange; }
  uint8_t* bytes(uint64_t address) const { return reinterpret_cast<uint8_t*>(address + to_bytes_); }
  uint64_t offset(uint64_t address) const { return address - base_; }
  uint64_t used() const { return used_; }
  uint64_t most_used() const { return most_used_; }
  size_t live() const { return allocations_.size(); }
  Shadow& shadow() { return shadow_; }

  // Addresses that stand for shared and local memory in generic pointers.
  uint64_t shared_window() const { return base_ + kRange; }
  uint64_t local_window() const { return base_ + kRange + kWindow; }
  static constexpr uint64_t kWindow = uint64_t{1} << 24;

 private:
  static constexpr uint64_t kRange = uint64_t{1} << 36, kPage = 4096;

  uint64_t base_, to_bytes_;
  Cell *words_, *cells_;
  std::map<uint64_t, Allocation> allocations_;
  std::map<uint64_t, uint64_t> released_;  // for messages: what was freed, until the place is used again
  const Allocation** pages_;
  uint64_t next_ = kPage, used_ = 0, most_used_ = 0, count_ = 0;
  Shadow shadow_;
};

}  // namespace node_bert::cuda::emulator
#endif
