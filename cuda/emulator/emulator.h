// What tests may ask of the emulator beyond the CUDA runtime's own functions.
//
// Environment variables, read once:
//   NODE_BERT_EMULATED_ARCH     compute capability of the device, major * 10 + minor (default 80)
//   NODE_BERT_EMULATED_MEMORY   its memory in bytes (default 8 GiB)
//   NODE_BERT_EMULATOR_SEED     seed of every schedule (default: drawn; printed with each error)
//   NODE_BERT_EMULATOR_CHECKS   0 turns races and initialisation checks off, to compare speeds
//   NODE_BERT_EMULATOR_FAIL     "allocation:3": the third allocation fails; also copy, launch
//   NODE_BERT_EMULATOR_COUNTERS file that receives the counters as JSON at exit
#ifndef NODE_BERT_CUDA_EMULATOR_EMULATOR_H
#define NODE_BERT_CUDA_EMULATOR_EMULATOR_H

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace node_bert::cuda::emulator {

enum class FailingCall { allocation, copy, launch };

// Per kernel, by its mangled name: see Counters in execute/kernel.h.
using NamedCounters = std::map<std::string, uint64_t>;
// Of the host since the last clear.
struct StepCounters {
  uint64_t launches = 0, copies = 0, bytes_to_device = 0, bytes_to_host = 0, synchronisations = 0, allocations = 0, frees = 0, graph_launches = 0;
};

void set_seed(uint64_t seed);
void set_checks(bool on);
// The n-th such call from now on fails once, n from 1.
void fail_call(FailingCall call, uint64_t n);
// The last error's whole story: what, kernel, source line, PTX line, block, thread; empty when there was none.
std::string last_report();
// Decodes every kernel of every module; the messages of those that were refused.
std::vector<std::string> load_all_kernels();
std::map<std::string, NamedCounters> kernel_counters();
StepCounters step_counters();
void clear_counters();
// Device allocations that were not freed.
size_t live_allocations();

}  // namespace node_bert::cuda::emulator
#endif
