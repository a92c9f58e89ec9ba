#include "emulator/memory/timeline.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "emulator/memory/fault.h"

namespace node_bert::cuda::emulator {

std::string format(const char* pattern, ...) {
  char buffer[2048];
  va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(buffer, sizeof(buffer), pattern, arguments);
  va_end(arguments);
  return buffer;
}

void join(Clock& clock, const Clock& other) {
  if (clock.size() < other.size()) clock.resize(other.size());
  for (size_t i = 0; i < other.size(); ++i) clock[i] = std::max(clock[i], other[i]);
}

bool covers(const Clock& clock, const Clock& other) {
  for (size_t i = 0; i < other.size(); ++i) {
    if (other[i] > (i < clock.size() ? clock[i] : 0)) return false;
  }
  return true;
}

void Timeline::begin(uint32_t stream, uint32_t number, Clock clock, std::string what) {
  const uint32_t first = next_interval();
  if (!operations_.empty()) std::vector<std::pair<uint32_t, uint64_t>>().swap(operations_.back().blocks);  // only messages need them
  if (operations_.size() >= kMost) operations_.erase(operations_.begin(), operations_.begin() + kMost / 2);
  operations_.push_back({first, stream, number, std::move(clock), std::move(what), {}});
  floor_ = first;
  for (const Operation& operation : operations_) {
    if (!before_current(operation)) {
      floor_ = operation.first_interval;
      break;
    }
  }
}

uint32_t Timeline::next_interval() {
  if (++interval_ >= 0x7fffffff) throw Fault{cudaErrorUnknown, "the emulator ran out of interval numbers: start a new process"};
  return interval_;
}

void Timeline::begin_block(uint64_t linear_block) { operations_.back().blocks.emplace_back(next_interval(), linear_block); }

void Timeline::forget(const Clock& clock) {
  // The last operation stays, so that messages can still name it.
  auto end = operations_.begin();
  while (operations_.end() - end > 1 && (end->number == 0 || (end->stream < clock.size() && end->number <= clock[end->stream]))) ++end;
  operations_.erase(operations_.begin(), end);
}

bool Timeline::before_current(const Operation& operation) const {
  const Clock& clock = current().clock;
  if (operation.number == 0) return true;  // not of a stream: initial values
  return operation.stream < clock.size() && operation.number <= clock[operation.stream];
}

const Operation* Timeline::find(uint32_t interval) const {
  const auto after = std::upper_bound(operations_.begin(), operations_.end(), interval,
                                      [](uint32_t value, const Operation& operation) { return value < operation.first_interval; });
  return after == operations_.begin() ? nullptr : &*(after - 1);
}

bool Timeline::ordered(uint32_t interval) const {
  const Operation* operation = find(interval);
  return operation == nullptr || before_current(*operation);
}

std::string Timeline::describe(uint32_t interval) const {
  const Operation* operation = find(interval);
  if (operation == nullptr) return "an earlier operation";
  const auto& blocks = operation->blocks;
  const auto after = std::upper_bound(blocks.begin(), blocks.end(), interval, [](uint32_t value, const auto& block) { return value < block.first; });
  if (after == blocks.begin()) return operation->what;
  return format("block %llu of %s", static_cast<unsigned long long>((after - 1)->second), operation->what.c_str());
}

}  // namespace node_bert::cuda::emulator
