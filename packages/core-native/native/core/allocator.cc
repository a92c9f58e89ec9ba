#include "core/allocator.h"

#include <algorithm>

namespace nb {
namespace {

constexpr size_t kSmallest = 512;

size_t size_class(size_t bytes) {
  if (bytes <= kSmallest) return kSmallest;
  size_t octave = kSmallest;
  while (octave * 2 < bytes) octave *= 2;
  const size_t step = octave / 8;
  return (bytes + step - 1) / step * step;
}

}  // namespace

Allocator::~Allocator() { trim(); }

nb_status Allocator::allocate(size_t bytes, Block* block) {
  const size_t rounded = size_class(bytes);
  auto found = cached_.lower_bound(rounded);
  if (found != cached_.end() && found->first <= rounded * 2) {
    *block = {found->second, found->first};
    cached_.erase(found);
  } else {
    void* data = nullptr;
    const nb_status status = backend_->allocate(device_, rounded, &data);
    if (status != NB_OK) return status;
    *block = {data, rounded};
    stats_.reserved += rounded;
    ++stats_.allocations;
  }
  stats_.in_use += block->bytes;
  stats_.peak_in_use = std::max(stats_.peak_in_use, stats_.in_use);
  return NB_OK;
}

void Allocator::free(const Block& block) {
  stats_.in_use -= block.bytes;
  // Of equal blocks the last freed is the first to be used again: it may still be in cache.
  cached_.emplace_hint(cached_.lower_bound(block.bytes), block.bytes, block.data);
}

size_t Allocator::trim() {
  size_t released = 0;
  for (const auto& [bytes, data] : cached_) {
    backend_->release(device_, data);
    released += bytes;
  }
  cached_.clear();
  stats_.reserved -= released;
  return released;
}

}  // namespace nb
