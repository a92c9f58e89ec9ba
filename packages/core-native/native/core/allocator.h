// A caching allocator over a backend's raw memory. Blocks are handed back to it at *enqueue* time: every use of a block is a command on the
// one stream of its device, so a later command that reuses the block runs after the earlier ones. That makes dispose() immediate and safe
// with no reference held by commands in flight.
//
// Sizes are rounded up to one of eight classes an octave; a request takes the smallest cached block that is at most twice as large. So
// batches of varying token counts share blocks, and from the third training step on no raw allocation happens.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include "node_bert/backend.h"

namespace nb {

struct Block {
  void* data;
  size_t bytes;  // of the size class
};

struct MemoryStats {
  size_t in_use = 0;       // bytes of blocks handed out
  size_t reserved = 0;     // bytes held from the backend, cached ones included
  size_t peak_in_use = 0;
  uint64_t allocations = 0;  // raw allocations ever made
};

class Allocator {
 public:
  Allocator(const nb_backend* backend, nb_device* device) : backend_(backend), device_(device) {}
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // NB_OK, or NB_ERROR_OUT_OF_MEMORY when neither the cache nor the backend has the memory.
  nb_status allocate(size_t bytes, Block* block);
  void free(const Block& block);
  // Gives cached blocks back to the backend. The stream must be idle. Returns the bytes released.
  size_t trim();
  const MemoryStats& stats() const { return stats_; }
  void reset_peak() { stats_.peak_in_use = stats_.in_use; }

 private:
  const nb_backend* backend_;
  nb_device* device_;
  std::multimap<size_t, void*> cached_;
  MemoryStats stats_;
};

}  // namespace nb
