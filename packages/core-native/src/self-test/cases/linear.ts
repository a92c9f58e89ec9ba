import { magnitudeOf, type OpCase, type TensorSpec } from "../op-case.js";
import type { Random } from "../random.js";

export const ACTIVATIONS = ["none", "gelu", "tanh", "relu"] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export interface LinearOptions {
  activation?: Activation;
  /** No bias vector. */
  noBias?: boolean;
  /** dx += instead of dx =. */
  accumulate?: boolean;
  /** Says that the weight will not change. */
  constantWeight?: boolean;
}

/** y = activation(x W^T + b): x (N, K), w (M, K). */
export function linearCase(random: Random, N: number, K: number, M: number, options: LinearOptions = {}): OpCase {
  const { activation = "none", noBias = false, accumulate = false } = options;
  const number = ACTIVATIONS.indexOf(activation);
  // What backward needs: the value before GELU, the value after tanh and relu, nothing without an activation.
  const saved = { none: null, gelu: "pre", tanh: "y", relu: "y" }[activation];
  const x = random.normal(N * K);
  const w = random.normal(M * K, 1 / Math.sqrt(K));
  const dy = random.normal(N * M);
  // Sums may cancel, and the slope of an activation may be near 0 as a difference of numbers near 1; then so are the gradients.
  const terms = (factor: ArrayLike<number>) => magnitudeOf(dy) * magnitudeOf(factor);
  const fromActivations = activation !== "none";
  const tensors: Record<string, TensorSpec> = {
    x: { type: "x", shape: [N, K], data: x },
    w: { type: "x", shape: [M, K], data: w },
    bias: { type: "s", shape: [M], data: random.normal(M, 0.5) },
    // Far left of 0 GELU is much smaller than its argument, whose rounding shows.
    y: { type: "x", shape: [N, M], terms: activation === "gelu" ? 1 : undefined },
    pre: { type: "x", shape: [N, M] },
    dy: { type: "x", shape: [N, M], data: dy },
    dpre: { type: "x", shape: [N, M] },
    dx: { type: "x", shape: [N, K], data: accumulate ? random.normal(N * K) : undefined, terms: terms(w) },
    dw: { type: "s", shape: [M, K], data: random.normal(M * K), terms: terms(x), fromActivations },
    dbias: { type: "s", shape: [M], data: random.normal(M), terms: terms([1]), fromActivations },
  };
  const bias = noBias ? null : "bias";
  const dbias = noBias ? null : "dbias";
  const pre = activation === "gelu" ? "pre" : null;
  const dpre = activation === "none" ? null : "dpre";
  return {
    label: `(${N}, ${K}) x (${M}, ${K})^T ${activation}${noBias ? " no bias" : ""}${accumulate ? " accumulate" : ""}${options.constantWeight ? " constant" : ""}`,
    tensors,
    forward: {
      op: "linear_forward",
      order: ["x", "w", bias, "y", pre],
      params: [number, options.constantWeight ? 1 : 0],
      writes: pre === null ? ["y"] : ["y", "pre"],
    },
    backward: {
      op: "linear_backward",
      order: ["x", "w", saved, "dy", dpre, "dx", "dw", dbias],
      params: [number, accumulate ? 1 : 0, 0],
      writes: accumulate ? [] : ["dx"],
      updates: [...(accumulate ? ["dx"] : []), "dw", ...(noBias ? [] : ["dbias"])],
      scratch: dpre === null ? [] : [dpre],
    },
    cotangents: { y: "dy" },
    gradients: { x: "dx", w: "dw", ...(noBias ? {} : { bias: "dbias" }) },
  };
}

/** y = activation(x W^T + b) in 8 bits: x (N, K), w (M, K). */
export function linearInt8Case(random: Random, N: number, K: number, M: number, activation: Activation): OpCase {
  return {
    label: `(${N}, ${K}) x (${M}, ${K})^T ${activation} int8`,
    tensors: {
      x: { type: "x", shape: [N, K], data: random.normal(N * K) },
      w: { type: "s", shape: [M, K], data: random.normal(M * K, 1 / Math.sqrt(K)) },
      bias: { type: "s", shape: [M], data: random.normal(M, 0.5) },
      y: { type: "x", shape: [N, M], terms: activation === "gelu" ? 1 : undefined },
    },
    forward: {
      op: "linear_int8_forward",
      order: ["x", "w", "bias", "y"],
      params: [ACTIVATIONS.indexOf(activation)],
      writes: ["y"],
    },
    cotangents: {},
    gradients: {},
  };
}
