import {
  cuSeqlensOf,
  type DropoutParams,
  dropoutLabel,
  dropoutParams,
  NO_DROPOUT,
  type OpCase,
  type TensorSpec,
} from "../op-case.js";
import type { Random } from "../random.js";

export interface AttentionOptions {
  dropout?: DropoutParams;
  /** Standard deviation of q, k and v. At 6 the scores pass 100, where exp overflows without the row's maximum. */
  deviation?: number;
}

interface Inputs {
  N: number;
  H: number;
  maxLength: number;
  label: string;
  tensors: Record<string, TensorSpec>;
}

function inputs(random: Random, lengths: readonly number[], A: number, D: number, deviation: number): Inputs {
  const N = lengths.reduce((sum, length) => sum + length, 0);
  const H = A * D;
  return {
    N,
    H,
    maxLength: Math.max(0, ...lengths),
    label: `lengths [${lengths.join(", ")}] A=${A} D=${D}`,
    tensors: {
      qkv: { type: "x", shape: [N, 3 * H], data: random.normal(N * 3 * H, deviation) },
      cu_seqlens: { type: "i", shape: [lengths.length + 1], data: cuSeqlensOf(lengths) },
    },
  };
}

/** out = dropout(softmax(scale q k^T)) v on packed sequences of the given lengths, A heads of width D. */
export function attentionCase(
  random: Random,
  lengths: readonly number[],
  A: number,
  D: number,
  options: AttentionOptions = {},
): OpCase {
  const { dropout = NO_DROPOUT, deviation = 1 } = options;
  const { N, H, maxLength, label, tensors } = inputs(random, lengths, A, D, deviation);
  const params = [A, maxLength, 1 / Math.sqrt(D), ...dropoutParams(dropout)];
  return {
    label: `${label}${dropoutLabel(dropout)}${deviation === 1 ? "" : ` deviation ${deviation}`}`,
    tensors: {
      ...tensors,
      out: { type: "x", shape: [N, H] },
      // The lse of a lone token is its score, a sum of D products that may cancel.
      lse: { type: "s", shape: [A, N], terms: maxLength <= 3 ? deviation ** 2 : undefined },
      dout: { type: "x", shape: [N, H], data: random.normal(N * H) },
      // Where a query sees one token, dq and dk are the difference of two equal sums of D products, times k or q; of few tokens, nearly.
      dqkv: { type: "x", shape: [N, 3 * H], terms: maxLength <= 3 ? 3 * deviation ** 2 : undefined },
    },
    forward: { op: "attention_forward", order: ["qkv", "cu_seqlens", "out", "lse"], params, writes: ["out", "lse"] },
    backward: {
      op: "attention_backward",
      order: ["qkv", "cu_seqlens", "out", "lse", "dout", "dqkv"],
      params,
      writes: ["dqkv"],
    },
    cotangents: { out: "dout" },
    gradients: { qkv: "dqkv" },
  };
}

/** The probabilities themselves, (A, sum of squared lengths). */
export function attentionProbabilitiesCase(random: Random, lengths: readonly number[], A: number, D: number): OpCase {
  const { maxLength, label, tensors } = inputs(random, lengths, A, D, 1);
  const squares = lengths.reduce((sum, length) => sum + length * length, 0);
  return {
    label,
    tensors: { ...tensors, probabilities: { type: "s", shape: [A, squares] } },
    forward: {
      op: "attention_probabilities",
      order: ["qkv", "cu_seqlens", "probabilities"],
      params: [A, maxLength, 1 / Math.sqrt(D)],
      writes: ["probabilities"],
    },
    cotangents: {},
    gradients: {},
  };
}
