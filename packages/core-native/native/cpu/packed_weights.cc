#include "packed_weights.h"

#include <string>
#include <utility>

#include "call.h"
#include "device.h"

namespace node_bert::cpu {

void PackedWeight::allocate(size_t bytes) {
  data = allocate_aligned(bytes);
  if (data == nullptr) throw Failure{NB_ERROR_OUT_OF_MEMORY, "cannot allocate " + std::to_string(bytes) + " bytes for weights"};
}

PackedWeights::~PackedWeights() {
  for (auto& [source, weight] : weights_) release_aligned(weight.data);
}

PackedWeight* PackedWeights::find(const void* source, PackedKind kind, int64_t N, int64_t K) {
  const auto found = weights_.find(static_cast<const char*>(source));
  if (found == weights_.end()) return nullptr;
  PackedWeight& weight = found->second;
  return weight.kind == kind && weight.N == N && weight.K == K ? &weight : nullptr;
}

PackedWeight& PackedWeights::insert(const void* source, PackedKind kind, int64_t N, int64_t K, size_t source_bytes, size_t bytes) {
  forget(source, 1);
  PackedWeight weight{kind, N, K, source_bytes, nullptr, {}, {}};
  if (bytes > 0) weight.allocate(bytes);
  return weights_[static_cast<const char*>(source)] = std::move(weight);
}

// All weights lie in a few arenas, so a look at the first and the last tells most other memory apart.
void PackedWeights::forget(const void* memory, size_t bytes) {
  if (weights_.empty()) return;
  // As numbers: the stretch may be all of memory.
  const auto address = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); };
  const uintptr_t begin = address(memory), end = begin + bytes;
  const auto& [last, weight] = *weights_.rbegin();
  if (end <= address(weights_.begin()->first) || begin >= address(last) + weight.source_bytes) return;
  for (auto at = weights_.begin(); at != weights_.end() && address(at->first) < end;) {
    if (address(at->first) + at->second.source_bytes <= begin) {
      ++at;
      continue;
    }
    release_aligned(at->second.data);
    at = weights_.erase(at);
  }
}

}  // namespace node_bert::cpu
