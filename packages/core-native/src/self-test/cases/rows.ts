import { cuSeqlensOf, type DropoutParams, dropoutLabel, dropoutParams, type OpCase } from "../op-case.js";
import type { Random } from "../random.js";

/** y (M, H) = rows of x (N, H). Every other index repeats the one before it. */
export function gatherRowsCase(random: Random, N: number, M: number, H: number): OpCase {
  const index = random.integers(M, N);
  for (let m = 1; m < M; m += 2) index[m] = index[m - 1];
  return {
    label: `(${N}, ${H}) to (${M}, ${H})`,
    tensors: {
      x: { type: "x", shape: [N, H], data: random.normal(N * H) },
      index: { type: "i", shape: [M], data: index },
      y: { type: "x", shape: [M, H] },
      dy: { type: "x", shape: [M, H], data: random.normal(M * H) },
      dx: { type: "x", shape: [N, H] },
    },
    forward: { op: "gather_rows_forward", order: ["x", "index", "y"], params: [], writes: ["y"] },
    backward: { op: "gather_rows_backward", order: ["index", "dy", "dx"], params: [], writes: ["dx"] },
    cotangents: { y: "dy" },
    gradients: { x: "dx" },
  };
}

/** y (B, H): the mean over the tokens of each sequence of x (N, H). */
export function meanPoolCase(random: Random, lengths: readonly number[], H: number): OpCase {
  const B = lengths.length;
  const N = lengths.reduce((sum, length) => sum + length, 0);
  return {
    label: `lengths [${lengths.join(", ")}] H=${H}`,
    tensors: {
      x: { type: "x", shape: [N, H], data: random.normal(N * H) },
      cu_seqlens: { type: "i", shape: [B + 1], data: cuSeqlensOf(lengths) },
      y: { type: "x", shape: [B, H] },
      dy: { type: "x", shape: [B, H], data: random.normal(B * H) },
      dx: { type: "x", shape: [N, H] },
    },
    forward: { op: "mean_pool_forward", order: ["x", "cu_seqlens", "y"], params: [], writes: ["y"] },
    backward: { op: "mean_pool_backward", order: ["cu_seqlens", "dy", "dx"], params: [], writes: ["dx"] },
    cotangents: { y: "dy" },
    gradients: { x: "dx" },
  };
}

/** y = dropout(x): (M, K). Backward is the same op on dy. */
export function dropoutCase(random: Random, M: number, K: number, dropout: DropoutParams): OpCase {
  const matrix = (data?: Float64Array) => ({ type: "x" as const, shape: [M, K], data });
  const call = { op: "dropout", params: dropoutParams(dropout) };
  return {
    label: `(${M}, ${K})${dropoutLabel(dropout)}`,
    tensors: { x: matrix(random.normal(M * K)), y: matrix(), dy: matrix(random.normal(M * K)), dx: matrix() },
    forward: { ...call, order: ["x", "y"], writes: ["y"] },
    backward: { ...call, order: ["dy", "dx"], writes: ["dx"] },
    cotangents: { y: "dy" },
    gradients: { x: "dx" },
  };
}
