// ldmatrix, stmatrix, movmatrix and mma.sync.
//
// How the fragments of a warp lie (PTX ISA, "Matrix fragments"): with g = lane / 4 and t = lane % 4, an 8x8 matrix of 16-bit elements has row g,
// columns 2t and 2t + 1 in lane's register. A and C of m16n8 are made of such pieces: rows g and g + 8, columns 2t, 2t + 1 (+ 8).
#include <cstring>

#include "emulator/execute/handlers.h"
#include "emulator/execute/memory_access.h"
#include "emulator/execute/numbers.h"

namespace node_bert::cuda::emulator {
namespace {

constexpr uint32_t kTranspose = 1u << 8, kWide = 1u << 9, kStore = 1u << 10;

// Operands 0 to 3: registers; 8: the address. Lane 8 i + r gives the row r of matrix i.
void matrices(Warp& warp, const Instruction& in) {
  Block& block = *warp.block;
  const int count = static_cast<int>(in.flags & 0xff);
  const bool store = in.flags & kStore, transpose = in.flags & kTranspose;
  if (warp.active != kAllLanes) fault(cudaErrorLaunchFailure, "a matrix instruction executed by part of a warp", __builtin_ctz(warp.active));
  uint64_t row[kLanes];
  addresses(warp, in, 8, (in.flags & kWide) != 0, row);
  Counters& counters = *block.counters;
  ++counters.shared_instructions;
  for (int i = 0; i < count; ++i) {
    const uint32_t passes = wavefronts(0xffu << (8 * i), row, 16);
    counters.shared_wavefronts += passes;
    counters.bank_conflicts += passes - 1;
    uint8_t* at[8];
    for (int r = 0; r < 8; ++r) {
      const int lane = 8 * i + r;
      check_shared_bounds(warp, row[lane], 16, 16, lane);
      at[r] = block.shared + row[lane];
      if (!block.checks) continue;
      // Every lane that receives from the row reads it; the row as a whole stands for them under the name of the first.
      for (uint32_t t = 0; t < 4; ++t) {
        const uint32_t part = static_cast<uint32_t>(row[lane]) + 4 * t;
        if (store) block.shared_shadow->write(part, 4, warp.shared, transpose ? static_cast<uint32_t>(8 * t + r / 2) : static_cast<uint32_t>(4 * r + t));
        else block.shared_shadow->read(part, 4, warp.shared, transpose ? static_cast<uint32_t>(8 * t + r / 2) : static_cast<uint32_t>(4 * r + t));
      }
    }
    uint32_t* const fragment = lanes<uint32_t>(warp, in.operands[i]);
    for (int lane = 0; lane < kLanes; ++lane) {
      const int g = lane / 4, t = lane % 4;
      uint16_t two[2];
      if (store) {
        std::memcpy(two, &fragment[lane], 4);
        if (transpose) {
          std::memcpy(at[2 * t] + 2 * g, &two[0], 2);
          std::memcpy(at[2 * t + 1] + 2 * g, &two[1], 2);
        } else {
          std::memcpy(at[g] + 4 * t, two, 4);
        }
      } else {
        if (transpose) {
          std::memcpy(&two[0], at[2 * t] + 2 * g, 2);
          std::memcpy(&two[1], at[2 * t + 1] + 2 * g, 2);
        } else {
          std::memcpy(two, at[g] + 4 * t, 4);
        }
        std::memcpy(&fragment[lane], two, 4);
      }
    }
  }
}

Handler decode_matrices(Decoder& d, bool store) {
  if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8")) d.refuse("expected .sync.aligned.m8n8");
  const uint32_t count = d.take("x1") ? 1 : d.take("x2") ? 2 : d.take("x4") ? 4 : 0;
  if (count == 0) d.refuse("expected .x1, .x2 or .x4");
  const bool transpose = d.take("trans");
  if (!d.take("shared") && !d.take("shared::cta")) d.refuse("expected .shared");
  if (!d.type().is('b', 16)) d.refuse("expected .b16");
  d.expect_operands(2);
  const std::vector<PtxOperand> registers = d.elements(store ? 1 : 0);
  if (registers.size() != count) d.refuse("a fragment of another size");
  for (uint32_t i = 0; i < count; ++i) d.out.operands[i] = store ? d.source(registers[i], 4) : d.target(registers[i], 4);
  const bool wide = take_address(d, store ? 0 : 1, 8, Space::shared).wide;
  d.out.flags = count | (transpose ? kTranspose : 0) | (wide ? kWide : 0) | (store ? kStore : 0);
  d.out.flow = Flow::collective;
  d.out.members = static_cast<int32_t>(d.constant(kAllLanes, 4));
  return &matrices;
}
Handler decode_ldmatrix(Decoder& d) { return decode_matrices(d, false); }
Handler decode_stmatrix(Decoder& d) { return decode_matrices(d, true); }

void transpose_fragment(Warp& warp, const Instruction& in) {
  uint16_t from[kLanes][2], to[kLanes][2];
  std::memcpy(from, lanes<uint32_t>(warp, in.operands[1]), sizeof(from));
  for (int row = 0; row < 8; ++row) {
    for (int column = 0; column < 8; ++column) to[4 * column + row / 2][row % 2] = from[4 * row + column / 2][column % 2];
  }
  std::memcpy(lanes<uint32_t>(warp, in.operands[0]), to, sizeof(to));
}
Handler decode_movmatrix(Decoder& d) {
  if (!d.take("sync") || !d.take("aligned") || !d.take("m8n8") || !d.take("trans") || !d.type().is('b', 16)) d.refuse("expected .sync.aligned.m8n8.trans.b16");
  take_operands(d, 1, 4);
  d.out.flow = Flow::collective;
  d.out.members = static_cast<int32_t>(d.constant(kAllLanes, 4));
  return &transpose_fragment;
}

struct Tensor32 {  // tf32: the low 13 bits are not read
  uint32_t bits;
};
inline float to_float(Tensor32 value) { return std::bit_cast<float>(value.bits & ~0x1fffu); }
using emulator::to_float;

// D = A B + C of 16 x K by K x 8. Operands: 0 to 3 D, 4 to 7 A, 8 and 9 B, 10 to 13 C (f16 accumulators: 0 and 1, 10 and 11).
// Products are exact in float (that of tf32 has 22 bits); sums run over k in float, which is no better than a tensor core.
template <class T, int K, bool kHalfAccumulators>
void multiply(Warp& warp, const Instruction& in) {
  if (warp.active != kAllLanes) fault(cudaErrorLaunchFailure, "mma.sync executed by part of a warp", __builtin_ctz(warp.active));
  constexpr int kPer = 4 / sizeof(T);       // elements in a register
  constexpr int kStep = 4 * kPer;           // columns of A that four lanes hold side by side
  constexpr int kSteps = K / kStep;
  alignas(64) float a[16][K], b[K][8], c[16][8];
  for (int s = 0; s < kSteps; ++s) {
    // A's registers go down first, then right: (g, s = 0), (g + 8, 0), (g, 1), (g + 8, 1).
    const T* upper = lanes<T>(warp, in.operands[4 + 2 * s]);
    const T* lower = lanes<T>(warp, in.operands[5 + 2 * s]);
    const T* right = lanes<T>(warp, in.operands[8 + s]);
    for (int lane = 0; lane < kLanes; ++lane) {
      const int g = lane / 4, t = lane % 4;
      for (int e = 0; e < kPer; ++e) {
        const int k = s * kStep + t * kPer + e;
        a[g][k] = to_float(upper[lane * kPer + e]);
        a[g + 8][k] = to_float(lower[lane * kPer + e]);
        b[k][g] = to_float(right[lane * kPer + e]);
      }
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      c[g + i / 2 * 8][2 * t + i % 2] = kHalfAccumulators ? to_float(lanes<Half>(warp, in.operands[10 + i / 2])[2 * lane + i % 2]) : lanes<float>(warp, in.operands[10 + i])[lane];
    }
  }
  for (int row = 0; row < 16; ++row) {
    for (int k = 0; k < K; ++k) {
      for (int column = 0; column < 8; ++column) c[row][column] += a[row][k] * b[k][column];
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; ++i) {
      const float value = c[g + i / 2 * 8][2 * t + i % 2];
      if (kHalfAccumulators) lanes<Half>(warp, in.operands[i / 2])[2 * lane + i % 2] = from_float<Half>(value);
      else lanes<float>(warp, in.operands[i])[lane] = value;
    }
  }
  ++warp.block->counters->mma;
  warp.block->counters->mma_flops += 2ull * 16 * 8 * K;
}

Handler decode_mma(Decoder& d) {
  if (!d.take("sync") || !d.take("aligned")) d.refuse("expected .sync.aligned");
  const int k = d.take("m16n8k16") ? 16 : d.take("m16n8k8") ? 8 : d.take("m16n8k4") ? 4 : 0;
  if (k == 0 || !d.take("row") || !d.take("col")) d.refuse("a shape or layout");
  const Type result = d.type(), a = d.type(), b = d.type(), sum = d.type();
  if (a.kind != b.kind || a.bits != b.bits || result.kind != sum.kind || result.bits != sum.bits) d.refuse("types that differ");
  const bool half_sum = result.is('h', 16);
  if (!half_sum && !result.is('f', 32)) d.refuse("accumulators of this type");
  const uint32_t per_register = a.kind == 't' ? 1 : 2;
  const uint32_t a_count = 16 * k / 32 / per_register, b_count = 8 * k / 32 / per_register, c_count = half_sum ? 2 : 4;
  d.expect_operands(4);
  const auto take = [&](size_t position, uint32_t count, uint32_t slot, bool target) {
    const std::vector<PtxOperand> registers = d.elements(position);
    if (registers.size() != count) d.refuse("a fragment of another size");
    for (uint32_t i = 0; i < count; ++i) d.out.operands[slot + i] = target ? d.target(registers[i], 4) : d.source(registers[i], 4);
  };
  take(0, c_count, 0, true);
  take(1, a_count, 4, false);
  take(2, b_count, 8, false);
  take(3, c_count, 10, false);
  d.out.flow = Flow::collective;
  d.out.members = static_cast<int32_t>(d.constant(kAllLanes, 4));
  if (a.kind == 'h' && half_sum) return k == 16 ? &multiply<Half, 16, true> : k == 8 ? &multiply<Half, 8, true> : (d.refuse("this shape"), nullptr);
  if (half_sum) d.refuse("f16 accumulators of another type");
  if (a.kind == 'h' && k >= 8) return k == 16 ? &multiply<Half, 16, false> : &multiply<Half, 8, false>;
  if (a.kind == 'n' && k >= 8) return k == 16 ? &multiply<Brain, 16, false> : &multiply<Brain, 8, false>;
  if (a.kind == 't' && k <= 8) return k == 8 ? &multiply<Tensor32, 8, false> : &multiply<Tensor32, 4, false>;
  d.refuse("mma of these types");
}

}  // namespace

void add_matrix(OpcodeTable& table) {
  table["ldmatrix"] = decode_ldmatrix;
  table["stmatrix"] = decode_stmatrix;
  table["movmatrix"] = decode_movmatrix;
  table["mma"] = decode_mma;
}

}  // namespace node_bert::cuda::emulator
