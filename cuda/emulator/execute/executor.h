// Runs kernels: block after block in an order drawn from the seed, the warps of a block by random priorities, so that one runs far ahead.
#ifndef NODE_BERT_CUDA_EMULATOR_EXECUTE_EXECUTOR_H
#define NODE_BERT_CUDA_EMULATOR_EXECUTE_EXECUTOR_H

#include <string>
#include <vector>

#include "emulator/execute/warp.h"

namespace node_bert::cuda::emulator {

struct LaunchRequest {
  Kernel* kernel;
  dim3 grid, block;
  uint32_t dynamic_shared;
  std::vector<uint8_t> parameters;
};

class Executor {
 public:
  Executor(DeviceMemory& memory, Timeline& timeline, uint64_t seed, bool checks);
  ~Executor();
  Executor(const Executor&) = delete;

  // The timeline must have begun the operation. Throws Fault with the whole story in `what`.
  void run(const LaunchRequest& request);

  static constexpr uint32_t kMaxShared = 232448 + 1024;

 private:
  void prepare(const LaunchRequest& request);
  void start_block(uint64_t linear);
  void run_block();
  void run_warp(Warp& warp);  // until it waits at a barrier, is done, or has had its turn
  bool select(Warp& warp, size_t& chosen);
  void wait_for_others(Warp& warp, Group& group, Mask active);
  void release_barrier();
  void nobody_can_go_on(const Warp& warp);
  void leave(Warp& warp, Mask lanes);
  void jump(Warp& warp, const Instruction& in, Mask active);
  uint64_t random();
  std::string describe(const Fault& fault) const;

  DeviceMemory& memory_;
  Timeline& timeline_;
  uint64_t random_state_;
  bool checks_;
  std::vector<uint8_t> shared_;
  Cell *shared_words_, *shared_bytes_;
  Shadow shared_shadow_;
  uint8_t* registers_ = nullptr;
  size_t register_capacity_ = 0;
  std::vector<std::pair<uint32_t, uint32_t>> forbidden_;
  Block block_;
  const Warp* running_ = nullptr;  // for messages
  uint32_t pc_ = 0;
  uint64_t budget_ = 0;  // instructions left to this launch
};

}  // namespace node_bert::cuda::emulator
#endif
