#include "emulator/execute/executor.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>

namespace node_bert::cuda::emulator {
namespace {

// A kernel that runs longer than this many warp instructions is taken to hang.
constexpr uint64_t kBudget = uint64_t{1} << 36;

std::string demangle(const std::string& name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  std::string result = status == 0 ? text : name;
  std::free(text);
  return result;
}

void broadcast(uint8_t* at, uint64_t bits, uint32_t bytes) {
  for (int lane = 0; lane < kLanes; ++lane) std::memcpy(at + lane * bytes, &bits, bytes);
}

dim3 unflatten(uint64_t linear, const dim3& size) {
  return {static_cast<unsigned>(linear % size.x), static_cast<unsigned>(linear / size.x % size.y), static_cast<unsigned>(linear / size.x / size.y)};
}

}  // namespace

Executor::Executor(DeviceMemory& memory, Timeline& timeline, uint64_t seed, bool checks)
    : memory_(memory),
      timeline_(timeline),
      random_state_(seed),
      checks_(checks),
      shared_(kMaxShared + 65536),
      shared_words_(static_cast<Cell*>(std::calloc(shared_.size() / 4, sizeof(Cell)))),
      shared_bytes_(static_cast<Cell*>(std::calloc(shared_.size(), sizeof(Cell)))),
      shared_shadow_(shared_words_, shared_bytes_, true, timeline) {}

Executor::~Executor() {
  std::free(shared_words_);
  std::free(shared_bytes_);
  std::free(registers_);
}

uint64_t Executor::random() {
  // splitmix64
  uint64_t z = random_state_ += 0x9e3779b97f4a7c15ull;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

void Executor::prepare(const LaunchRequest& request) {
  Kernel& kernel = *request.kernel;
  const uint32_t threads = request.block.x * request.block.y * request.block.z;
  const uint32_t warps = (threads + kLanes - 1) / kLanes;
  const size_t needed = static_cast<size_t>(warps) * kernel.register_bytes;
  if (needed > register_capacity_) {
    std::free(registers_);
    registers_ = static_cast<uint8_t*>(std::aligned_alloc(64, (needed + 63) / 64 * 64));
    register_capacity_ = needed;
  }
  block_ = Block{};
  block_.kernel = &kernel;
  block_.memory = &memory_;
  block_.timeline = &timeline_;
  block_.parameters = request.parameters.data();
  block_.grid = request.grid;
  block_.size = request.block;
  block_.shared = shared_.data();
  block_.shared_bytes = kernel.shared_end + request.dynamic_shared;
  block_.shared_shadow = &shared_shadow_;
  block_.counters = &kernel.counters;
  block_.checks = checks_;
  for (const auto& [at, bytes] : forbidden_) {
    for (uint32_t word = at / 4; word < (at + bytes) / 4; ++word) shared_words_[word] = {};
  }
  forbidden_ = kernel.gaps;
  for (const auto& [at, bytes] : forbidden_) shared_shadow_.set_forbidden(at, bytes / 4 * 4);

  block_.warps.resize(warps);
  for (uint32_t i = 0; i < warps; ++i) {
    Warp& warp = block_.warps[i];
    warp.block = &block_;
    warp.index = i;
    warp.registers = registers_ + static_cast<size_t>(i) * kernel.register_bytes;
    for (const Kernel::Constant& constant : kernel.constants) broadcast(warp.registers + constant.offset, constant.bits, constant.bytes);
    warp.local.assign(static_cast<size_t>(kernel.local_bytes) * kLanes, 0xff);
    for (const auto& [special, offset] : kernel.specials) {
      uint32_t* out = lanes<uint32_t>(warp, offset);
      for (uint32_t lane = 0; lane < kLanes; ++lane) {
        const dim3 thread = unflatten(i * kLanes + lane, request.block);
        switch (special) {
          case Special::tid_x: out[lane] = thread.x; break;
          case Special::tid_y: out[lane] = thread.y; break;
          case Special::tid_z: out[lane] = thread.z; break;
          case Special::ntid_x: out[lane] = request.block.x; break;
          case Special::ntid_y: out[lane] = request.block.y; break;
          case Special::ntid_z: out[lane] = request.block.z; break;
          case Special::nctaid_x: out[lane] = request.grid.x; break;
          case Special::nctaid_y: out[lane] = request.grid.y; break;
          case Special::nctaid_z: out[lane] = request.grid.z; break;
          case Special::laneid: out[lane] = lane; break;
          case Special::warpid: out[lane] = i; break;
          case Special::nwarpid: out[lane] = warps; break;
          case Special::lanemask_eq: out[lane] = 1u << lane; break;
          case Special::lanemask_lt: out[lane] = (1u << lane) - 1; break;
          case Special::lanemask_le: out[lane] = (2u << lane) - 1; break;
          case Special::lanemask_gt: out[lane] = ~((2u << lane) - 1); break;
          case Special::lanemask_ge: out[lane] = ~((1u << lane) - 1); break;
          case Special::smid: out[lane] = 0; break;
          case Special::nsmid: out[lane] = 1; break;
          case Special::dynamic_smem_size: out[lane] = request.dynamic_shared; break;
          case Special::total_smem_size: out[lane] = kernel.static_shared + request.dynamic_shared; break;
          case Special::ctaid_x: case Special::ctaid_y: case Special::ctaid_z: break;  // of each block, see start_block
        }
      }
    }
  }
}

void Executor::start_block(uint64_t linear) {
  timeline_.begin_block(linear);
  const uint32_t interval = timeline_.current().blocks.back().first;
  block_.index = unflatten(linear, block_.grid);
  ++block_.counters->blocks;
  std::memset(block_.shared, 0xff, block_.shared_bytes);
  const uint32_t threads = block_.size.x * block_.size.y * block_.size.z;
  for (Warp& warp : block_.warps) {
    const uint32_t count = std::min<uint32_t>(kLanes, threads - warp.index * kLanes);
    warp.live = count == kLanes ? kAllLanes : (1u << count) - 1;
    warp.groups.assign(1, {0, warp.live, false});
    warp.at_barrier = false;
    warp.carry = 0;
    warp.priority = static_cast<uint32_t>(random());
    warp.copies.clear();
    std::fill(std::begin(warp.committed), std::end(warp.committed), 0);
    std::fill(warp.local.begin(), warp.local.end(), 0xff);
    const uint16_t index = static_cast<uint16_t>(warp.index);
    warp.global = {interval, interval, timeline_.current().first_interval, timeline_.floor(), index, 0};
    warp.shared = {interval, interval, interval, interval, index, 0};
    for (const auto& [special, offset] : block_.kernel->specials) {
      if (special == Special::ctaid_x) broadcast(warp.registers + offset, block_.index.x, 4);
      if (special == Special::ctaid_y) broadcast(warp.registers + offset, block_.index.y, 4);
      if (special == Special::ctaid_z) broadcast(warp.registers + offset, block_.index.z, 4);
    }
  }
}

void Executor::run(const LaunchRequest& request) {
  prepare(request);
  ++block_.counters->launches;
  budget_ = kBudget;
  const uint64_t blocks = static_cast<uint64_t>(request.grid.x) * request.grid.y * request.grid.z;
  // A permutation without memory: multiples of a number that shares no factor with the count.
  uint64_t step = random() % blocks + 1;
  while (std::gcd(step, blocks) != 1) ++step;
  uint64_t at = random() % blocks;
  try {
    for (uint64_t i = 0; i < blocks; ++i) {
      start_block(at);
      run_block();
      at = (at + step) % blocks;
    }
  } catch (const Fault& fault) {
    throw Fault{fault.code, describe(fault), fault.lane};
  }
}

void Executor::run_block() {
  while (true) {
    Warp* best = nullptr;
    bool waiting = false;
    for (Warp& warp : block_.warps) {
      if (warp.groups.empty()) continue;
      waiting |= warp.at_barrier;
      if (!warp.at_barrier && (best == nullptr || warp.priority > best->priority)) best = &warp;
    }
    if (best != nullptr) {
      running_ = best;
      run_warp(*best);
    } else if (waiting) {
      release_barrier();
    } else {
      return;
    }
  }
}

void Executor::release_barrier() {
  const std::vector<Instruction>& code = block_.kernel->code;
  const Warp* first = nullptr;
  uint32_t gone = 0, threads = block_.size.x * block_.size.y * block_.size.z;
  for (Warp& warp : block_.warps) {
    gone += static_cast<uint32_t>(__builtin_popcount(warp.live));
    if (warp.groups.empty()) continue;
    running_ = first == nullptr ? &warp : running_;
    if (first == nullptr) first = &warp;
    pc_ = first->barrier_pc;
    if (warp.barrier_pc != first->barrier_pc) {
      fault(cudaErrorLaunchFailure, format("a barrier reached by part of the block: warp %u waits here, warp %u at PTX line %u", first->index, warp.index, code[warp.barrier_pc].ptx_line));
    }
  }
  if (gone != threads) fault(cudaErrorLaunchFailure, format("a barrier reached by part of the block: %u of %u threads have left the kernel", threads - gone, threads));
  ++block_.counters->barriers;
  const uint32_t interval = timeline_.next_interval();
  for (Warp& warp : block_.warps) {
    warp.global.interval = warp.shared.interval = interval;
    warp.global.epoch = warp.shared.epoch = 0;
    warp.at_barrier = false;
    warp.active = warp.live;
    code[warp.barrier_pc].run(warp, code[warp.barrier_pc]);
    ++warp.groups[0].pc;
    warp.priority = static_cast<uint32_t>(random());
  }
  block_.barrier_votes = 0;
}

// The group that runs next: the one with the lowest pc that need not wait. Groups at the same instruction become one.
bool Executor::select(Warp& warp, size_t& chosen) {
  std::vector<Group>& groups = warp.groups;
  for (size_t i = 0; i < groups.size(); ++i) {
    for (size_t j = groups.size(); j-- > i + 1;) {
      if (groups[j].pc != groups[i].pc) continue;
      groups[i].mask |= groups[j].mask;
      groups[i].waiting = false;
      groups.erase(groups.begin() + static_cast<long>(j));
    }
  }
  bool found = false;
  for (size_t i = 0; i < groups.size(); ++i) {
    if (groups[i].waiting || (found && groups[i].pc > groups[chosen].pc)) continue;
    chosen = i;
    found = true;
  }
  return found;
}

void Executor::wait_for_others(Warp& warp, Group& group, Mask active) {
  const Group rest{group.pc + 1, group.mask & ~active, false};  // lanes whose guard is off go on
  group.mask = active;
  group.waiting = true;
  if (rest.mask != 0) warp.groups.push_back(rest);
}

void Executor::nobody_can_go_on(const Warp& warp) {
  const Group& group = warp.groups[0];
  pc_ = group.pc;
  const Instruction& in = block_.kernel->code[group.pc];
  std::string others;
  for (const Group& other : warp.groups) {
    if (&other != &group) others += format(", lanes %08x wait at PTX line %u", other.mask, block_.kernel->code[other.pc].ptx_line);
  }
  const Mask gone = ~warp.live;
  const char* what = in.flow == Flow::barrier ? "a barrier reached by part of a warp" : "a collective whose lanes never come";
  fault(cudaErrorLaunchFailure, format("%s: lanes %08x wait here%s; %08x have left", what, group.mask, others.c_str(), gone), __builtin_ctz(group.mask));
}

void Executor::leave(Warp& warp, Mask gone) {
  for (const PendingCopy& copy : warp.copies) {
    if (copy.mask & gone) fault(cudaErrorLaunchFailure, "the thread leaves the kernel with cp.async in flight", __builtin_ctz(copy.mask & gone));
  }
  warp.live &= ~gone;
  for (Group& group : warp.groups) group.waiting = false;  // they may have waited for the lanes that left
}

// A group for every target that a lane goes to.
void Executor::jump(Warp& warp, const Instruction& in, Mask active) {
  const std::vector<uint32_t>& table = block_.kernel->branch_tables[in.target];
  const uint32_t* index = lanes<uint32_t>(warp, in.operands[0]);
  for (Mask rest = active; rest != 0; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    if (index[lane] >= table.size()) fault(cudaErrorLaunchFailure, format("a jump by index %u of %zu", index[lane], table.size()), lane);
    warp.groups.push_back({table[index[lane]], 1u << lane, false});  // select() joins those that meet
  }
}

void Executor::run_warp(Warp& warp) {
  const Instruction* const code = block_.kernel->code.data();
  const size_t end = block_.kernel->code.size();
  uint64_t count = 0;
  constexpr uint64_t kTurn = 1 << 20;
  while (true) {
    size_t chosen = 0;
    if (!select(warp, chosen)) nobody_can_go_on(warp);
    const bool alone = warp.groups.size() == 1;
    uint32_t pc = warp.groups[chosen].pc;
    Mask mask = warp.groups[chosen].mask;
    bool again = true;
    do {
      pc_ = pc;
      if (pc >= end) fault(cudaErrorLaunchFailure, "the kernel ran past its end");
      const Instruction& in = code[pc];
      Mask active = mask;
      if (in.guard >= 0) active &= in.guard_negated ? ~predicate_of(warp, in.guard) : predicate_of(warp, in.guard);
      ++count;
      if (in.flow == Flow::next) {
        if (active != 0) {
          warp.active = active;
          in.run(warp, in);
        }
        ++pc;
        continue;
      }
      if (in.flow == Flow::branch) {
        if (active == mask) {
          pc = in.target;
        } else if (active == 0) {
          ++pc;
        } else {
          warp.groups[chosen] = {in.target, active, false};
          warp.groups.push_back({pc + 1, mask & ~active, false});
          again = false;
          break;
        }
        if (count >= kTurn) break;
        continue;
      }
      if (active == 0) {
        ++pc;
        continue;
      }
      if (in.flow == Flow::jump) {
        jump(warp, in, active);
        if (mask & ~active) warp.groups.push_back({pc + 1, mask & ~active, false});
        warp.groups.erase(warp.groups.begin() + static_cast<long>(chosen));
        again = false;
        break;
      }
      if (in.flow == Flow::leave) {
        leave(warp, active);
        mask &= ~active;
        ++pc;
        if (mask != 0) continue;
        warp.groups.erase(warp.groups.begin() + static_cast<long>(chosen));
        again = false;
        break;
      }
      Mask needed = warp.live;
      if (in.flow == Flow::collective) {
        const uint32_t* members = lanes<uint32_t>(warp, in.members);
        const Mask first = members[__builtin_ctz(active)];
        for (Mask rest = active; rest != 0; rest &= rest - 1) {
          const int lane = __builtin_ctz(rest);
          if (members[lane] != first) fault(cudaErrorLaunchFailure, "lanes of a collective name different members", lane);
          if (!(first >> lane & 1)) fault(cudaErrorLaunchFailure, format("a collective of members %08x is executed by a lane that is none", first), lane);
        }
        needed &= first;
      }
      if (needed & ~active) {
        warp.groups[chosen] = {pc, mask, false};
        wait_for_others(warp, warp.groups[chosen], active);
        again = false;
        break;
      }
      if (in.flow == Flow::barrier) {
        warp.groups[chosen] = {pc, mask, false};
        warp.at_barrier = true;
        warp.barrier_pc = pc;
        if (in.flags != 0) block_.barrier_votes += static_cast<uint32_t>(__builtin_popcount(predicate_of(warp, in.operands[1]) & active));
        block_.counters->instructions += count;
        return;
      }
      warp.active = active;
      in.run(warp, in);
      ++pc;
    } while (alone);
    if (again) warp.groups[chosen] = {pc, mask, false};
    if (warp.groups.empty() || count >= kTurn) break;
  }
  block_.counters->instructions += count;
  if (count > budget_) fault(cudaErrorLaunchTimeout, "the kernel does not end");
  budget_ -= count;
  if (count >= kTurn) warp.priority = 0;  // it may be waiting for another warp
}

std::string Executor::describe(const Fault& fault) const {
  const Kernel& kernel = *block_.kernel;
  std::string text = fault.what;
  text += format("\n  kernel %s", demangle(kernel.name).c_str());
  if (pc_ < kernel.code.size()) {
    const Instruction& in = kernel.code[pc_];
    if (in.source.file != 0) text += format("\n  at %s", kernel.describe_source(in.source).c_str());
    text += format("\n  PTX line %u", in.ptx_line);
  }
  text += format("\n  block (%u, %u, %u)", block_.index.x, block_.index.y, block_.index.z);
  if (running_ != nullptr) {
    const uint32_t lane = fault.lane < 0 ? 0 : static_cast<uint32_t>(fault.lane);
    const dim3 thread = unflatten(running_->index * kLanes + lane, block_.size);
    text += fault.lane < 0 ? format(", warp %u", running_->index) : format(", thread (%u, %u, %u)", thread.x, thread.y, thread.z);
  }
  return text;
}

}  // namespace node_bert::cuda::emulator
