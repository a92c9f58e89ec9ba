// A kernel decoded for execution: compact instructions whose handlers work on the 32 lanes of a warp.
#ifndef NODE_BERT_CUDA_EMULATOR_EXECUTE_KERNEL_H
#define NODE_BERT_CUDA_EMULATOR_EXECUTE_KERNEL_H

#include <functional>
#include <string>
#include <vector>

#include "emulator/ptx/module.h"

namespace node_bert::cuda::emulator {

using Mask = uint32_t;  // a bit a lane
constexpr int kLanes = 32;
constexpr Mask kAllLanes = 0xffffffffu;

struct Warp;
struct Instruction;
using Handler = void (*)(Warp&, const Instruction&);

enum class Flow : uint8_t {
  next,        // the handler runs, then the following instruction
  branch,      // to `target`
  jump,        // by the index in operand 0 into the branch table `target`
  leave,       // ret, exit
  barrier,     // of the block
  collective,  // of the lanes in the member mask: they wait for each other, then the handler runs
};

// Operands are offsets in the warp's register file, where every value is an array of 32 lanes (a predicate is one Mask). Immediates and
// special registers stand in that file, too.
struct Instruction {
  Handler run = nullptr;
  Flow flow = Flow::next;
  bool guard_negated = false;
  int32_t guard = -1;  // offset of the predicate
  uint32_t operands[20];
  int32_t members = -1;     // of a collective: offset of its member mask
  int64_t immediate = 0;    // address offset
  uint32_t target = 0;      // of a branch: index of an instruction
  uint32_t flags = 0;       // the handler's own
  uint32_t ptx_line = 0;
  SourceLine source;
};

enum class Special : uint8_t {
  tid_x, tid_y, tid_z, ntid_x, ntid_y, ntid_z, ctaid_x, ctaid_y, ctaid_z, nctaid_x, nctaid_y, nctaid_z,
  laneid, warpid, nwarpid, lanemask_eq, lanemask_lt, lanemask_le, lanemask_gt, lanemask_ge, smid, nsmid, dynamic_smem_size, total_smem_size,
};

// What running a kernel costs, counted the same on every run.
struct Counters {
  uint64_t launches = 0, blocks = 0;
  uint64_t instructions = 0;         // of warps
  uint64_t shared_wavefronts = 0;    // passes over the 32 banks
  uint64_t shared_instructions = 0;  // accesses; wavefronts beyond the least for their width are bank conflicts
  uint64_t bank_conflicts = 0;
  uint64_t global_sectors = 0;  // of 32 bytes
  uint64_t global_instructions = 0;
  uint64_t global_bytes_read = 0, global_bytes_written = 0;  // as the lanes ask for them
  uint64_t mma = 0, mma_flops = 0;                           // instructions; multiplications and additions
  uint64_t flops = 0;                                        // of lanes outside mma: add, mul 1, fma 2
  uint64_t atomics = 0, barriers = 0;
};

struct Kernel {
  std::string name;  // mangled
  std::vector<Instruction> code;
  std::vector<PtxParameter> parameters;
  uint32_t parameter_bytes = 0;
  uint32_t register_bytes = 0;  // the file of one warp
  struct Constant {
    uint32_t offset, bytes;
    uint64_t bits;
  };
  std::vector<Constant> constants;
  std::vector<std::vector<uint32_t>> branch_tables;  // of instructions
  std::vector<std::pair<Special, uint32_t>> specials;  // and their offsets
  uint32_t static_shared = 0;                          // bytes of variables
  uint32_t shared_end = 0;                             // where the dynamic part begins
  std::vector<std::pair<uint32_t, uint32_t>> gaps;     // between shared variables: offset and bytes
  uint32_t local_bytes = 0;                            // of a thread
  uint32_t max_threads = 1024;
  std::function<std::string(const SourceLine&)> describe_source;
  Counters counters;
};

}  // namespace node_bert::cuda::emulator
#endif
