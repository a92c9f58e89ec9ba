#include "emulator/memory/shadow.h"

#include <algorithm>

#include "emulator/memory/fault.h"

namespace node_bert::cuda::emulator {
namespace {

bool reads(Access kind) { return kind == Access::read || kind == Access::atomic || kind == Access::strong_read || kind == Access::copy_read; }
bool writes(Access kind) { return kind == Access::write || kind == Access::atomic || kind == Access::strong_write; }
bool strong(Access kind) { return kind == Access::atomic || kind == Access::strong_read || kind == Access::strong_write; }
uint16_t flags_of(const Cell& cell) { return cell.writer_interval & kSpecial ? cell.writer & static_cast<uint16_t>(~kThreadBits) : 0; }
uint32_t writer_of(const Cell& cell) { return cell.writer_interval & ~kSpecial; }

}  // namespace

void Shadow::access(uint64_t offset, uint32_t size, Access kind, const Accessor& who, uint32_t lane) {
  const uint64_t end = offset + size;
  for (uint64_t index = offset / 4; index * 4 < end; ++index) {
    const uint64_t start = index * 4;
    word(index, static_cast<uint32_t>(std::max(start, offset) - start), static_cast<uint32_t>(std::min(start + 4, end) - start), kind, who, lane);
  }
}

// Bytes [first, last) of one word.
void Shadow::word(uint64_t index, uint32_t first, uint32_t last, Access kind, const Accessor& who, uint32_t lane) {
  const bool whole = first == 0 && last == 4;
  Cell& cell = words_[index];
  const bool is_split = cell.writer_interval != kForbidden && (flags_of(cell) & kSplit);
  if (whole && !is_split) return slow(cell, kind, who, lane, index * 4);
  if (!is_split && cell.writer_interval != kForbidden) split(index);
  for (uint32_t i = first; i < last; ++i) slow(cell.writer_interval == kForbidden ? cell : bytes_[index * 4 + i], kind, who, lane, index * 4 + i);
  if (whole) merge(index, kind, who);
}

void Shadow::split(uint64_t index) {
  for (int i = 0; i < 4; ++i) bytes_[index * 4 + i] = words_[index];
  words_[index] = {kSpecial, kSplit, 0, 0, 0, 0, 0};
}

// After an access of the whole word: one cell again, if its bytes no longer differ in anything that matters.
void Shadow::merge(uint64_t index, Access kind, const Accessor& who) {
  const Cell* part = bytes_ + index * 4;
  bool same = true;
  for (int i = 1; i < 4 && same; ++i) {
    const bool one_earlier_operation = !shared_ && part[0].writer_interval < who.launch_start && timeline_.same_operation(part[0].writer_interval, part[i].writer_interval);
    const bool same_writer = part[i].writer_interval == part[0].writer_interval && part[i].writer == part[0].writer && part[i].writer_epoch == part[0].writer_epoch;
    same = (same_writer || one_earlier_operation) && part[i].reader_interval == part[0].reader_interval && part[i].reader_lanes == part[0].reader_lanes &&
           part[i].reader_warp == part[0].reader_warp && part[i].reader_epoch == part[0].reader_epoch && !(flags_of(part[i]) & kOtherReaders);
  }
  if (same && kind != Access::copy_read && !(flags_of(part[0]) & kOtherReaders)) words_[index] = part[0];
}

bool Shadow::after_write(const Cell& cell, const Accessor& who, uint32_t lane) const {
  const uint32_t w = writer_of(cell);
  const uint16_t flags = flags_of(cell);
  if (w == who.interval) {
    if (flags & (kManyThreads | kManyBlocks)) return false;
    const uint32_t thread = cell.writer & kThreadBits;
    return thread == who.warp * 32u + lane || (thread / 32 == who.warp && cell.writer_epoch < who.epoch);
  }
  if (w >= who.block_start) return !(flags & kManyBlocks);
  if (shared_) return true;  // another block's memory
  return w < who.launch_start && (w < who.floor || timeline_.ordered(w));
}

bool Shadow::after_reads(const Cell& cell, const Accessor& who, uint32_t lane) const {
  const uint32_t r = cell.reader_interval & ~kSpecial;
  const bool many_blocks = cell.reader_interval & kSpecial;
  if (flags_of(cell) & kOtherReaders) {
    const auto others = other_readers_.find(&cell);
    if (others != other_readers_.end()) {
      for (const uint32_t other : others->second) {
        if (!timeline_.ordered(other)) return false;
      }
    }
  }
  if (r == 0) return true;
  if (r == who.interval) {
    if (many_blocks || cell.reader_warp != who.warp) return false;
    return cell.reader_epoch < who.epoch || (cell.reader_lanes & ~(1u << lane)) == 0;
  }
  if (r >= who.block_start) return !many_blocks;
  if (shared_) return true;
  return r < who.launch_start && (r < who.floor || timeline_.ordered(r));
}

void Shadow::record_write(Cell& cell, Access kind, const Accessor& who, uint32_t lane) {
  const uint16_t thread = static_cast<uint16_t>(who.warp * 32 + lane);
  if (flags_of(cell) & kOtherReaders) other_readers_.erase(&cell);
  if (!strong(kind)) {
    cell = {who.interval, thread, who.epoch, 0, 0, 0, 0};
    return;
  }
  uint16_t flags = kAtomic;
  const uint32_t w = writer_of(cell);
  const uint16_t before = flags_of(cell);
  if (before & kAtomic) {
    if (w >= who.block_start) flags |= before & kManyBlocks;
    if (w == who.interval) flags |= (before & kManyThreads) | ((cell.writer & kThreadBits) != thread ? kManyThreads : 0);
    if (!shared_ && w >= who.launch_start && w < who.block_start) flags |= kManyBlocks;
  }
  cell = {who.interval | kSpecial, static_cast<uint16_t>(thread | flags), who.epoch, 0, 0, 0, 0};
}

void Shadow::record_read(Cell& cell, const Accessor& who, uint32_t lane) {
  const uint32_t r = cell.reader_interval & ~kSpecial;
  const uint32_t many_blocks = cell.reader_interval & kSpecial;
  const uint32_t bit = 1u << lane;
  if (r == who.interval) {
    if (cell.reader_warp != who.warp) {
      cell.reader_warp = kManyWarps;
    } else if (cell.reader_epoch == who.epoch) {
      cell.reader_lanes |= bit;
    } else {
      cell.reader_epoch = who.epoch;
      cell.reader_lanes = bit;
    }
    return;
  }
  uint32_t mark = 0;
  if (!shared_ && r >= who.launch_start) {
    mark = r < who.block_start ? kSpecial : many_blocks;
  } else if (!shared_ && r != 0 && r >= who.floor && !timeline_.ordered(r)) {
    other_readers_[&cell].push_back(r);
    cell.writer = static_cast<uint16_t>((cell.writer_interval & kSpecial ? cell.writer : cell.writer & kThreadBits) | kOtherReaders);
    cell.writer_interval |= kSpecial;
  }
  cell.reader_interval = who.interval | mark;
  cell.reader_lanes = bit;
  cell.reader_warp = who.warp;
  cell.reader_epoch = who.epoch;
}

void Shadow::slow(Cell& cell, Access kind, const Accessor& who, uint32_t lane, uint64_t offset) {
  if (cell.writer_interval == kForbidden) {
    throw Fault{cudaErrorIllegalAddress, name(offset) + " lies between two variables", static_cast<int>(lane)};
  }
  const uint16_t flags = flags_of(cell);
  if (flags & kInFlight) {
    throw Fault{cudaErrorLaunchFailure, name(offset) + " is the target of a cp.async of thread " + std::to_string(cell.writer & kThreadBits) + " that was not waited for",
                static_cast<int>(lane)};
  }
  const uint32_t w = writer_of(cell);
  if (reads(kind) && kind != Access::copy_read && (shared_ ? w < who.block_start : w == 0)) {
    throw Fault{cudaErrorLaunchFailure, name(offset) + " is read and was never written", static_cast<int>(lane)};
  }
  if (!(strong(kind) && (flags & kAtomic)) && !after_write(cell, who, lane)) race(cell, kind, false, who, lane, offset);
  if (writes(kind) && !after_reads(cell, who, lane)) race(cell, kind, true, who, lane, offset);
  if (writes(kind)) {
    record_write(cell, kind, who, lane);
  } else if (kind != Access::strong_read) {
    record_read(cell, who, lane);
  }
}

void Shadow::race(const Cell& cell, Access kind, bool with_reader, const Accessor& who, uint32_t lane, uint64_t offset) const {
  const uint32_t other = (with_reader ? cell.reader_interval : cell.writer_interval) & ~kSpecial;
  std::string by = shared_ || other >= who.block_start ? "" : timeline_.describe(other);
  if (by.empty()) {
    if (!with_reader) {
      by = "thread " + std::to_string(cell.writer & kThreadBits);
    } else if (cell.reader_warp == kManyWarps) {
      by = "several warps";
    } else {
      by = format("lanes %08x of warp %u", cell.reader_lanes, cell.reader_warp);
    }
  }
  const char* verb = kind == Access::atomic ? "updates" : writes(kind) ? "writes" : "reads";
  throw Fault{cudaErrorLaunchFailure, format("race: %s %s, which %s %s without synchronisation", verb, name(offset).c_str(), by.c_str(), with_reader ? "read" : "wrote"),
              static_cast<int>(lane)};
}

std::string Shadow::name(uint64_t offset) const {
  return shared_ ? format("shared byte 0x%llx", static_cast<unsigned long long>(offset)) : format("global byte 0x%llx", static_cast<unsigned long long>(base_ + offset));
}

void Shadow::set_in_flight(uint64_t offset, uint32_t size, const Accessor& who, uint32_t lane) {
  access(offset, size, Access::write, who, lane);
  for (uint64_t index = offset / 4; index < (offset + size) / 4; ++index) {
    words_[index] = {who.interval | kSpecial, static_cast<uint16_t>((who.warp * 32 + lane) | kInFlight), who.epoch, 0, 0, 0, 0};
  }
}

void Shadow::land(uint64_t offset, uint32_t size, const Accessor& who, uint32_t lane) {
  for (uint64_t index = offset / 4; index < (offset + size) / 4; ++index) {
    words_[index] = {who.interval, static_cast<uint16_t>(who.warp * 32 + lane), who.epoch, 0, 0, 0, 0};
  }
}

bool Shadow::in_flight(uint64_t offset) const {
  const Cell& cell = words_[offset / 4];
  return cell.writer_interval != kForbidden && (flags_of(cell) & kInFlight);
}

void Shadow::set_uninitialised(uint64_t offset, uint32_t size) {
  for (uint64_t byte = offset; byte < offset + size;) {
    if (byte % 4 == 0 && byte + 4 <= offset + size) {
      words_[byte / 4] = {};
      byte += 4;
    } else {
      if (!(flags_of(words_[byte / 4]) & kSplit)) split(byte / 4);
      bytes_[byte++] = {};
    }
  }
}

void Shadow::set_forbidden(uint64_t offset, uint32_t size) {
  for (uint64_t index = offset / 4; index < (offset + size) / 4; ++index) words_[index] = {kForbidden, 0, 0, 0, 0, 0, 0};
}

bool Shadow::written_since(uint64_t offset, uint32_t size, uint32_t interval) const {
  for (uint64_t byte = offset; byte < offset + size;) {
    const Cell& word = words_[byte / 4];
    const bool is_split = flags_of(word) & kSplit;
    if (writer_of(is_split ? bytes_[byte] : word) >= interval) return true;
    byte = is_split ? byte + 1 : byte / 4 * 4 + 4;
  }
  return false;
}

bool Shadow::initialised(uint64_t offset, uint32_t size, const Accessor& who) const {
  for (uint64_t byte = offset; byte < offset + size; ++byte) {
    const Cell& word = words_[byte / 4];
    if (word.writer_interval == kForbidden) return false;
    const uint32_t w = writer_of(flags_of(word) & kSplit ? bytes_[byte] : word);
    if (shared_ ? w < who.block_start : w == 0) return false;
  }
  return true;
}

}  // namespace node_bert::cuda::emulator
