// The shadow memory that finds races, uninitialised reads and unfinished asynchronous copies, whatever the schedule.
//
// A cell remembers the last write of a word and the reads since. A word that is accessed in parts gets a cell for each byte.
// The convention a reader would get wrong: a writer interval with the top bit set is *special*, and `writer` then holds flags beside the
// thread. Comparisons of plain intervals fail on it, so the fast paths need no test for flags.
#ifndef NODE_BERT_CUDA_EMULATOR_MEMORY_SHADOW_H
#define NODE_BERT_CUDA_EMULATOR_MEMORY_SHADOW_H

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "emulator/memory/timeline.h"

namespace node_bert::cuda::emulator {

struct Cell {
  uint32_t writer_interval;  // 0: never written
  uint16_t writer;           // thread in its block
  uint16_t writer_epoch;     // the warp's, see Accessor
  uint32_t reader_interval;  // 0: not read since the write; special: by several blocks of one kernel
  uint32_t reader_lanes;
  uint16_t reader_warp;  // kManyWarps: several
  uint16_t reader_epoch;
};
static_assert(sizeof(Cell) == 20);

constexpr uint32_t kSpecial = 0x80000000u, kForbidden = 0xffffffffu;
constexpr uint16_t kManyWarps = 0xffff;
constexpr uint16_t kThreadBits = 0x3ff, kAtomic = 0x400, kManyThreads = 0x800, kManyBlocks = 0x1000, kInFlight = 0x2000, kSplit = 0x4000,
                   kOtherReaders = 0x8000;

// Who accesses, and since when it is ordered with whom.
struct Accessor {
  uint32_t interval;      // now
  uint32_t block_start;   // first interval of this block
  uint32_t launch_start;  // first interval of this operation
  uint32_t floor;         // operations below it all come before this one
  uint16_t warp, epoch;   // the epoch counts the warp's bar.warp.sync
};

enum class Access : uint8_t { read, write, atomic, strong_read, strong_write, copy_read };

class Shadow {
 public:
  // `words` and `bytes` hold a cell for each word and each byte; both start zeroed. base is only for messages.
  Shadow(Cell* words, Cell* bytes, bool shared, const Timeline& timeline) : words_(words), bytes_(bytes), shared_(shared), timeline_(timeline) {}

  void set_base(uint64_t base) { base_ = base; }
  // Checks and records an access of `size` bytes at an offset by one lane. Throws Fault.
  inline void read(uint64_t offset, uint32_t size, const Accessor& who, uint32_t lane);
  inline void write(uint64_t offset, uint32_t size, const Accessor& who, uint32_t lane);
  void access(uint64_t offset, uint32_t size, Access kind, const Accessor& who, uint32_t lane);

  void set_in_flight(uint64_t offset, uint32_t size, const Accessor& who, uint32_t lane);
  void land(uint64_t offset, uint32_t size, const Accessor& who, uint32_t lane);  // the copy in flight arrived
  bool in_flight(uint64_t offset) const;
  void set_uninitialised(uint64_t offset, uint32_t size);
  void set_forbidden(uint64_t offset, uint32_t size);  // both multiples of 4
  bool initialised(uint64_t offset, uint32_t size, const Accessor& who) const;
  // Whether any byte was written from that interval on.
  bool written_since(uint64_t offset, uint32_t size, uint32_t interval) const;
  void forget_readers() { other_readers_.clear(); }

 private:
  void word(uint64_t index, uint32_t first, uint32_t last, Access kind, const Accessor& who, uint32_t lane);
  void slow(Cell& cell, Access kind, const Accessor& who, uint32_t lane, uint64_t offset);
  void split(uint64_t index);
  void merge(uint64_t index, Access kind, const Accessor& who);
  bool after_write(const Cell& cell, const Accessor& who, uint32_t lane) const;
  bool after_reads(const Cell& cell, const Accessor& who, uint32_t lane) const;
  void record_write(Cell& cell, Access kind, const Accessor& who, uint32_t lane);
  void record_read(Cell& cell, const Accessor& who, uint32_t lane);
  [[noreturn]] void race(const Cell& cell, Access kind, bool with_reader, const Accessor& who, uint32_t lane, uint64_t offset) const;
  std::string name(uint64_t offset) const;

  Cell* words_;
  Cell* bytes_;
  bool shared_;
  uint64_t base_ = 0;
  const Timeline& timeline_;
  std::unordered_map<const Cell*, std::vector<uint32_t>> other_readers_;  // earlier readers not ordered with the last one's operation
};

inline void Shadow::read(uint64_t offset, uint32_t size, const Accessor& who, uint32_t lane) {
  if (((offset | size) & 3) != 0) return access(offset, size, Access::read, who, lane);
  const uint16_t thread = static_cast<uint16_t>(who.warp * 32 + lane);
  for (uint64_t index = offset / 4, end = index + size / 4; index < end; ++index) {
    Cell& cell = words_[index];
    const uint32_t w = cell.writer_interval, r = cell.reader_interval;
    const bool written_before = w - who.block_start < who.interval - who.block_start || (!shared_ && w - 1 < who.floor - 1) ||
                                (w == who.interval && (cell.writer == thread || (cell.writer / 32 == who.warp && cell.writer_epoch < who.epoch)));
    if (written_before && r == who.interval && cell.reader_warp == who.warp && cell.reader_epoch == who.epoch) {
      cell.reader_lanes |= 1u << lane;
    } else if (written_before && (r < who.floor || r - who.block_start < who.interval - who.block_start)) {
      cell.reader_interval = who.interval;
      cell.reader_lanes = 1u << lane;
      cell.reader_warp = who.warp;
      cell.reader_epoch = who.epoch;
    } else {
      word(index, 0, 4, Access::read, who, lane);
    }
  }
}

inline void Shadow::write(uint64_t offset, uint32_t size, const Accessor& who, uint32_t lane) {
  if (((offset | size) & 3) != 0) return access(offset, size, Access::write, who, lane);
  const uint16_t thread = static_cast<uint16_t>(who.warp * 32 + lane);
  for (uint64_t index = offset / 4, end = index + size / 4; index < end; ++index) {
    Cell& cell = words_[index];
    const uint32_t w = cell.writer_interval, r = cell.reader_interval;
    const bool after_write = w < who.floor || w - who.block_start < who.interval - who.block_start || (w == who.interval && cell.writer == thread);
    const bool after_reads = r < who.floor || r - who.block_start < who.interval - who.block_start;
    if (after_write && after_reads) {
      cell = {who.interval, thread, who.epoch, 0, 0, 0, 0};
    } else {
      word(index, 0, 4, Access::write, who, lane);
    }
  }
}

}  // namespace node_bert::cuda::emulator
#endif
