import type { OpCase, TensorSpec } from "../op-case.js";
import type { Random } from "../random.js";

export const ACTIVATIONS = ["none", "gelu", "tanh", "relu"] as const;
export type Activation = (typeof ACTIVATIONS)[number];

export interface LinearOptions {
  activation?: Activation;
  /** No bias vector. */
  noBias?: boolean;
  /** dx += instead of dx =. */
  accumulate?: boolean;
}

/** y = activation(x W^T + b): x (N, K), w (M, K). */
export function linearCase(random: Random, N: number, K: number, M: number, options: LinearOptions = {}): OpCase {
  const { activation = "none", noBias = false, accumulate = false } = options;
  const number = ACTIVATIONS.indexOf(activation);
  // What backward needs: the value before GELU, the value after tanh and relu, nothing without an activation.
  const saved = { none: null, gelu: "pre", tanh: "y", relu: "y" }[activation];
  const tensors: Record<string, TensorSpec> = {
    x: { type: "x", shape: [N, K], data: random.normal(N * K) },
    w: { type: "x", shape: [M, K], data: random.normal(M * K, 1 / Math.sqrt(K)) },
    bias: { type: "s", shape: [M], data: random.normal(M, 0.5) },
    y: { type: "x", shape: [N, M] },
    pre: { type: "x", shape: [N, M] },
    dy: { type: "x", shape: [N, M], data: random.normal(N * M) },
    dpre: { type: "x", shape: [N, M] },
    dx: { type: "x", shape: [N, K], data: accumulate ? random.normal(N * K) : undefined },
    dw: { type: "s", shape: [M, K], data: random.normal(M * K) },
    dbias: { type: "s", shape: [M], data: random.normal(M) },
  };
  const bias = noBias ? null : "bias";
  const dbias = noBias ? null : "dbias";
  const pre = activation === "gelu" ? "pre" : null;
  const dpre = activation === "none" ? null : "dpre";
  return {
    label: `(${N}, ${K}) x (${M}, ${K})^T ${activation}${noBias ? " no bias" : ""}${accumulate ? " accumulate" : ""}`,
    tensors,
    forward: {
      op: "linear_forward",
      order: ["x", "w", bias, "y", pre],
      params: [number],
      writes: pre === null ? ["y"] : ["y", "pre"],
    },
    backward: {
      op: "linear_backward",
      order: ["x", "w", saved, "dy", dpre, "dx", "dw", dbias],
      params: [number, accumulate ? 1 : 0],
      writes: accumulate ? [] : ["dx"],
      updates: [...(accumulate ? ["dx"] : []), "dw", ...(noBias ? [] : ["dbias"])],
      scratch: dpre === null ? [] : [dpre],
    },
    cotangents: { y: "dy" },
    gradients: { x: "dx", w: "dw", ...(noBias ? {} : { bias: "dbias" }) },
  };
}
