// Branches, leaving, fences and barriers. What they do to the warp is the scheduler's business, see block.cc.
#include "emulator/execute/decoder.h"
#include "emulator/execute/warp.h"

namespace node_bert::cuda::emulator {
namespace {

void nothing(Warp&, const Instruction&) {}

Handler decode_bra(Decoder& d) {
  d.take("uni");
  d.expect_operands(1);
  d.out.flow = Flow::branch;
  d.out.target = d.label(0);
  return &nothing;
}

Handler decode_brx(Decoder& d) {
  if (!d.take("idx")) d.refuse("expected .idx");
  d.take("uni");
  d.expect_operands(2);
  d.out.flow = Flow::jump;
  d.out.operands[0] = d.source(0, 4);
  d.out.target = d.branch_table(1);
  return &nothing;
}

Handler decode_leave(Decoder& d) {
  d.take("uni");
  d.expect_operands(0);
  d.out.flow = Flow::leave;
  return &nothing;
}

void run_trap(Warp& warp, const Instruction&) { fault(cudaErrorLaunchFailure, "trap", __builtin_ctz(warp.active)); }
Handler decode_trap(Decoder& d) {
  d.expect_operands(0);
  return &run_trap;
}

// Blocks run one after the other and warps take turns between instructions, so memory is always consistent; that a fence is there matters
// only to real hardware.
Handler decode_fence(Decoder& d) {
  if (d.opcode() == "membar") {
    if (!d.take("gl") && !d.take("cta") && !d.take("sys")) d.refuse("a level is missing");
  } else {
    d.take("acq_rel") || d.take("sc");
    if (!d.take("gpu") && !d.take("cta") && !d.take("sys")) d.refuse("a scope is missing");
  }
  d.expect_operands(0);
  return &nothing;
}

Handler decode_nanosleep(Decoder& d) {
  d.type();
  d.expect_operands(1);
  return &nothing;
}

}  // namespace

void add_control(OpcodeTable& table) {
  table["bra"] = decode_bra;
  table["brx"] = decode_brx;
  table["ret"] = decode_leave;
  table["exit"] = decode_leave;
  table["trap"] = decode_trap;
  table["membar"] = decode_fence;
  table["fence"] = decode_fence;
  table["nanosleep"] = decode_nanosleep;
}

}  // namespace node_bert::cuda::emulator
