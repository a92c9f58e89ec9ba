// Page-locked host memory that copies use while the host runs on.
//
// What a download brings reaches its target only when the host has waited for it, so a read that comes too early sees 0xFF, whatever the schedule.
// The source of an upload may not change between its call and that moment; a hash tells.
#include <cstring>

#include "emulator/runtime/context.h"

namespace node_bert::cuda::emulator {
namespace {

uint64_t hash_of(const void* data, size_t bytes) {
  const uint8_t* at = static_cast<const uint8_t*>(data);
  uint64_t hash = 0x9e3779b97f4a7c15ull ^ bytes;
  for (; bytes > 0;) {
    uint64_t word = 0;
    const size_t piece = bytes < 8 ? bytes : 8;
    std::memcpy(&word, at, piece);
    hash = (hash ^ word) * 0xbf58476d1ce4e5b9ull;
    hash ^= hash >> 29;
    at += piece;
    bytes -= piece;
  }
  return hash;
}

}  // namespace

void Context::upload_from(uint32_t stream, uint32_t number, const void* source, size_t bytes) { uploads_.push_back({stream, number, source, bytes, hash_of(source, bytes)}); }

void Context::deliver(void* target, const void* bytes, size_t count) {
  const uint8_t* from = static_cast<const uint8_t*>(bytes);
  deliveries_.push_back({timeline.current().stream, timeline.current().number, static_cast<uint8_t*>(target), std::vector<uint8_t>(from, from + count)});
}

void Context::deliver_before_reading(const void* source, size_t bytes) {
  const uint8_t* from = static_cast<const uint8_t*>(source);
  for (const Delivery& delivery : deliveries_) {
    if (delivery.target < from + bytes && from < delivery.target + delivery.bytes.size()) std::memcpy(delivery.target, delivery.bytes.data(), delivery.bytes.size());
  }
}

void Context::host_knows() {
  std::erase_if(deliveries_, [&](const Delivery& delivery) {
    if (!host_waited_for(delivery.stream, delivery.number)) return false;
    std::memcpy(delivery.target, delivery.bytes.data(), delivery.bytes.size());
    return true;
  });
  bool changed = false;
  std::erase_if(uploads_, [&](const Upload& upload) {
    if (!host_waited_for(upload.stream, upload.number)) return false;
    changed |= hash_of(upload.source, upload.bytes) != upload.hash;
    return true;
  });
  if (changed) fail_with({cudaErrorUnknown, "the page-locked source of an asynchronous upload changed before the copy was waited for"});
}

}  // namespace node_bert::cuda::emulator
