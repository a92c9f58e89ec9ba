// Handlers for operations that are a function of one to three values of a lane.
#ifndef NODE_BERT_CUDA_EMULATOR_EXECUTE_HANDLERS_H
#define NODE_BERT_CUDA_EMULATOR_EXECUTE_HANDLERS_H

#include "emulator/execute/decoder.h"
#include "emulator/execute/warp.h"

namespace node_bert::cuda::emulator {

// R = f(A…); each operation is a type with a static function `of`.
template <class Op, class R, class A>
void unary(Warp& warp, const Instruction& in) {
  const A* a = lanes<A>(warp, in.operands[1]);
  for_lanes<R>(warp, in.operands[0], [=](int lane) { return static_cast<R>(Op::of(a[lane])); });
}

template <class Op, class R, class A, class B = A>
void binary(Warp& warp, const Instruction& in) {
  const A* a = lanes<A>(warp, in.operands[1]);
  const B* b = lanes<B>(warp, in.operands[2]);
  for_lanes<R>(warp, in.operands[0], [=](int lane) { return static_cast<R>(Op::of(a[lane], b[lane])); });
}

template <class Op, class R, class A, class B = A, class C = A>
void ternary(Warp& warp, const Instruction& in) {
  const A* a = lanes<A>(warp, in.operands[1]);
  const B* b = lanes<B>(warp, in.operands[2]);
  const C* c = lanes<C>(warp, in.operands[3]);
  for_lanes<R>(warp, in.operands[0], [=](int lane) { return static_cast<R>(Op::of(a[lane], b[lane], c[lane])); });
}

// The usual operands: a target and `sources` sources, all of one width.
inline void take_operands(Decoder& d, size_t sources, uint32_t bytes) {
  d.expect_operands(sources + 1);
  d.out.operands[0] = d.target(0, bytes);
  for (size_t i = 1; i <= sources; ++i) d.out.operands[i] = d.source(i, bytes);
}

}  // namespace node_bert::cuda::emulator
#endif
