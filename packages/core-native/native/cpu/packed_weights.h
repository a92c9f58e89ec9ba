// Copies of weights in a layout or a type of their own, for products whose weights keep their values between calls: made at first
// use, and dropped as soon as the memory they were made from is written to or given back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace node_bert::cpu {

enum class PackedKind { f32, bf16, int8 };

struct PackedWeight {
  PackedKind kind;
  int64_t N, K;
  size_t source_bytes;
  void* data;  // in the library's layout, (N,K) row by row where it has none; null until it was allocated
  std::vector<float> scales;     // (N), of int8
  std::vector<int32_t> offsets;  // (N), of int8: 128 times the sums of its rows

  void allocate(size_t bytes);  // throws Failure (out of memory)
};

class PackedWeights {
 public:
  PackedWeights() = default;
  PackedWeights(const PackedWeights&) = delete;
  PackedWeights& operator=(const PackedWeights&) = delete;
  ~PackedWeights();

  // Null when there is none, or one of another kind or shape.
  PackedWeight* find(const void* source, PackedKind kind, int64_t N, int64_t K);
  // In place of what there was; `bytes` of memory for the data, 0: none yet. Throws Failure (out of memory).
  PackedWeight& insert(const void* source, PackedKind kind, int64_t N, int64_t K, size_t source_bytes, size_t bytes);
  // Drops what was made from any of these bytes.
  void forget(const void* memory, size_t bytes);

 private:
  std::map<const char*, PackedWeight> weights_;  // by the address they were made from
};

}  // namespace node_bert::cpu
