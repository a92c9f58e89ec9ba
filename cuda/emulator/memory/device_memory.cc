#include "emulator/memory/device_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "emulator/memory/fault.h"

namespace node_bert::cuda::emulator {
namespace {

template <class T>
T* reserve(uint64_t bytes, int protection) {
  void* at = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return static_cast<T*>(at);
}

// Whole pages inside the range go back to the system and read as zero again; the rest is cleared.
void clear(void* start, uint64_t bytes) {
  uint8_t* const from = static_cast<uint8_t*>(start);
  uint8_t* const to = from + bytes;
  uint8_t* const first = reinterpret_cast<uint8_t*>((reinterpret_cast<uint64_t>(from) + 4095) & ~uint64_t{4095});
  uint8_t* const last = reinterpret_cast<uint8_t*>(reinterpret_cast<uint64_t>(to) & ~uint64_t{4095});
  if (first >= last) {
    std::memset(from, 0, bytes);
    return;
  }
  std::memset(from, 0, first - from);
  madvise(first, last - first, MADV_DONTNEED);
  std::memset(last, 0, to - last);
}

}  // namespace

DeviceMemory::DeviceMemory(const Timeline& timeline)
    : base_(reinterpret_cast<uint64_t>(reserve<uint8_t>(kRange + 2 * kWindow, PROT_NONE))),
      to_bytes_(reinterpret_cast<uint64_t>(reserve<uint8_t>(kRange, PROT_READ | PROT_WRITE)) - base_),
      words_(reserve<Cell>(kRange / 4 * sizeof(Cell), PROT_READ | PROT_WRITE)),
      cells_(reserve<Cell>(kRange * sizeof(Cell), PROT_READ | PROT_WRITE)),
      pages_(reserve<const Allocation*>(kRange / kPage * sizeof(Allocation*), PROT_READ | PROT_WRITE)),
      shadow_(words_, cells_, false, timeline) {
  shadow_.set_base(base_);
}

DeviceMemory::~DeviceMemory() {
  munmap(reinterpret_cast<void*>(base_), kRange + 2 * kWindow);
  munmap(reinterpret_cast<void*>(base_ + to_bytes_), kRange);
  munmap(words_, kRange / 4 * sizeof(Cell));
  munmap(cells_, kRange * sizeof(Cell));
  munmap(pages_, kRange / kPage * sizeof(Allocation*));
}

uint64_t DeviceMemory::allocate(uint64_t size) {
  const uint64_t pages = (size + kPage - 1) / kPage;
  const uint64_t span = (pages + 1) * kPage;  // a guard page behind
  // Addresses are used again as late as possible, so that a pointer to freed memory finds nothing.
  uint64_t start = next_;
  for (int turn = 0;; start += kPage) {
    const auto after = allocations_.lower_bound(base_ + start);
    if (after != allocations_.begin()) {
      const Allocation& before = std::prev(after)->second;
      const uint64_t before_end = (before.end() - base_ + kPage - 1) / kPage * kPage + kPage;
      start = std::max(start, before_end);
    }
    if (start + span > kRange) {
      if (turn++ == 1) return 0;
      start = 0;
      continue;
    }
    if (after == allocations_.end() || after->first >= base_ + start + span) break;
  }
  next_ = start + span;
  const uint64_t at = base_ + start;
  released_.erase(released_.lower_bound(at), released_.lower_bound(at + span));
  const Allocation& made = allocations_.emplace(at, Allocation{at, size, ++count_}).first->second;
  for (uint64_t page = 0; page < pages; ++page) pages_[start / kPage + page] = &made;
  std::memset(bytes(at), 0xff, size);
  used_ += size;
  most_used_ = std::max(most_used_, used_);
  return at;
}

bool DeviceMemory::release(uint64_t base) {
  const auto found = allocations_.find(base);
  if (found == allocations_.end()) return false;
  const uint64_t size = found->second.size, start = base - base_;
  for (uint64_t page = 0; page < (size + kPage - 1) / kPage; ++page) pages_[start / kPage + page] = nullptr;
  clear(bytes(base), size);
  clear(words_ + start / 4, (size + 3) / 4 * sizeof(Cell));
  clear(cells_ + start, size * sizeof(Cell));
  used_ -= size;
  released_[base] = size;
  allocations_.erase(found);
  return true;
}

const Allocation* DeviceMemory::find(uint64_t address) const {
  if (!contains(address)) return nullptr;
  const Allocation* allocation = pages_[offset(address) / kPage];
  return allocation != nullptr && address < allocation->end() ? allocation : nullptr;
}

const Allocation& DeviceMemory::check(uint64_t address, uint64_t size, const char* verb, int lane) const {
  const Allocation* allocation = find(address);
  if (allocation != nullptr && size <= allocation->end() - address) return *allocation;
  const unsigned long long at = address, bytes = size;
  if (!contains(address)) {
    throw Fault{cudaErrorIllegalAddress, format("%s %llu bytes at 0x%llx, which is no device memory", verb, bytes, at), lane};
  }
  const auto freed = released_.upper_bound(address);
  if (freed != released_.begin() && address < std::prev(freed)->first + std::prev(freed)->second) {
    throw Fault{cudaErrorIllegalAddress, format("%s %llu bytes at 0x%llx, inside freed memory (an allocation of %llu bytes)", verb, bytes, at,
                                                static_cast<unsigned long long>(std::prev(freed)->second)), lane};
  }
  const auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) throw Fault{cudaErrorIllegalAddress, format("%s %llu bytes at 0x%llx, before every allocation", verb, bytes, at), lane};
  const Allocation& before = std::prev(after)->second;
  throw Fault{cudaErrorIllegalAddress,
              format("%s %llu bytes at 0x%llx: they begin at byte %llu of an allocation of %llu bytes (number %llu)", verb, bytes, at,
                     static_cast<unsigned long long>(address - before.base), static_cast<unsigned long long>(before.size), static_cast<unsigned long long>(before.number)),
              lane};
}

}  // namespace node_bert::cuda::emulator
