// The order of everything the device does. Time is cut into intervals: each operation has one, each block of a kernel has one for every
// stretch between barriers. Two accesses in different intervals of one block are ordered; in different operations, when streams and events
// order them, which vector clocks tell.
#ifndef NODE_BERT_CUDA_EMULATOR_MEMORY_TIMELINE_H
#define NODE_BERT_CUDA_EMULATOR_MEMORY_TIMELINE_H

#include <cstdint>
#include <string>
#include <vector>

namespace node_bert::cuda::emulator {

// Position k of a clock: how many operations of stream k come before.
using Clock = std::vector<uint32_t>;
void join(Clock& clock, const Clock& other);
bool covers(const Clock& clock, const Clock& other);

struct Operation {
  uint32_t first_interval;
  uint32_t stream, number;  // the number-th operation of the stream, from 1
  Clock clock;              // of what comes before it
  std::string what;         // for messages
  std::vector<std::pair<uint32_t, uint64_t>> blocks;  // of the current operation: first interval and linear index of each block
};

class Timeline {
 public:
  // Starts an operation and its first interval.
  void begin(uint32_t stream, uint32_t number, Clock clock, std::string what);
  uint32_t next_interval();
  void begin_block(uint64_t linear_block);
  // The host has waited for what the clock covers: it comes before everything that is submitted from now on.
  void forget(const Clock& clock);

  const Operation& current() const { return operations_.back(); }
  // No operation whose intervals are below this is unordered with the current one.
  uint32_t floor() const { return floor_; }
  // Whether the operation of an earlier interval comes before the current operation.
  bool ordered(uint32_t interval) const;
  bool same_operation(uint32_t a, uint32_t b) const { return a != 0 && b != 0 && find(a) == find(b); }
  std::string describe(uint32_t interval) const;  // "block 3 of kernel x", for messages

 private:
  static constexpr size_t kMost = 8192;  // operations remembered; older ones count as ordered

  const Operation* find(uint32_t interval) const;
  bool before_current(const Operation& operation) const;

  uint32_t interval_ = 0;
  uint32_t floor_ = 1;
  std::vector<Operation> operations_;
};

}  // namespace node_bert::cuda::emulator
#endif
