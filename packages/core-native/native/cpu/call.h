// How an op of the CPU backend sees its arguments, and failures as exceptions, which backend.cc turns into a status at the ABI's
// edge.
#pragma once
#include <cstdint>
#include <string>

#include "kernels.h"
#include "node_bert/backend.h"
#include "node_bert/philox.h"

namespace node_bert::cpu {

struct Failure {
  nb_status status;
  std::string message;
};

class Call {
 public:
  explicit Call(const nb_call& call) : call_(call) {}

  bool has(int i) const { return i < call_.tensor_count && call_.tensors[i].rank >= 0; }
  const nb_tensor& tensor(int i) const { return call_.tensors[i]; }
  int64_t dim(int i, int axis) const { return call_.tensors[i].dims[axis]; }
  int64_t count(int i) const {
    int64_t count = 1;
    for (int axis = 0; axis < call_.tensors[i].rank; ++axis) count *= call_.tensors[i].dims[axis];
    return count;
  }
  Type type(int i) const { return call_.tensors[i].dtype == NB_BF16 ? Type::bf16 : Type::f32; }

  // Null for an optional tensor that was left out.
  void* data(int i) const { return has(i) ? call_.tensors[i].data : nullptr; }
  float* floats(int i) const { return static_cast<float*>(data(i)); }
  const int32_t* integers(int i) const { return static_cast<const int32_t*>(data(i)); }

  double param(int i) const { return call_.params[i]; }
  float param_f(int i) const { return static_cast<float>(call_.params[i]); }
  // The five params {p, seed_low, seed_high, step, op} from `first` on.
  Dropout dropout(int first) const {
    const auto word = [&](int i) { return static_cast<uint32_t>(call_.params[first + i]); };
    const uint32_t threshold = nb_dropout_threshold(call_.params[first]);
    return {threshold, word(1), word(2), word(3), word(4), static_cast<float>(nb_dropout_scale(threshold))};
  }

 private:
  const nb_call& call_;
};

// Refuses data values outside 0 .. limit - 1. Every op checks all of its indices before it writes anything.
inline void check_indices(const char* name, const int32_t* values, int64_t count, int64_t limit) {
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] >= 0 && values[i] < limit) continue;
    throw Failure{NB_ERROR_INDEX, std::string(name) + "[" + std::to_string(i) + "] is " + std::to_string(values[i]) +
                                      ", expected 0 .. " + std::to_string(limit - 1)};
  }
}

// cu_seqlens (B + 1) must rise from 0 to N in steps of at most `longest`. Returns the longest length that occurs.
inline int64_t check_cu_seqlens(const int32_t* cu_seqlens, int64_t B, int64_t N, int64_t longest) {
  const auto refuse = [](const std::string& message) { throw Failure{NB_ERROR_INDEX, message}; };
  if (cu_seqlens[0] != 0) refuse("cu_seqlens[0] is " + std::to_string(cu_seqlens[0]) + ", expected 0");
  int64_t found = 0;
  for (int64_t b = 0; b < B; ++b) {
    const int64_t length = int64_t{cu_seqlens[b + 1]} - cu_seqlens[b];
    if (length < 0 || length > longest) {
      refuse("cu_seqlens[" + std::to_string(b + 1) + "] makes sequence " + std::to_string(b) + " " + std::to_string(length) +
             " tokens long, expected 0 .. " + std::to_string(longest));
    }
    found = length > found ? length : found;
  }
  if (cu_seqlens[B] != N) {
    refuse("cu_seqlens[" + std::to_string(B) + "] is " + std::to_string(cu_seqlens[B]) + ", expected the number of tokens, " +
           std::to_string(N));
  }
  return found;
}

}  // namespace node_bert::cpu
