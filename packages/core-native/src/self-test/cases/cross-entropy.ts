import { largestOf, type OpCase } from "../op-case.js";
import type { Random } from "../random.js";

const IGNORE_INDEX = -100; // Hugging Face's

export interface CrossEntropyOptions {
  /** Share of rows whose label is ignored. */
  ignored?: number;
  /** Standard deviation of the logits. */
  deviation?: number;
}

/** Mean of -log softmax(logits)[label] over the rows that count: logits (N, C). */
export function crossEntropyCase(random: Random, N: number, C: number, options: CrossEntropyOptions = {}): OpCase {
  const { ignored = 0, deviation = 2 } = options;
  const labels = random.integers(N, C).map((label) => (random.uniform() < ignored ? IGNORE_INDEX : label));
  const logits = random.normal(N * C, deviation);
  const terms = largestOf(logits);
  const dloss = 0.75;
  const counted = labels.filter((label) => label !== IGNORE_INDEX).length;
  return {
    label: `(${N}, ${C})${ignored > 0 ? ` ignored ${ignored}` : ""}${deviation === 2 ? "" : ` deviation ${deviation}`}`,
    tensors: {
      logits: { type: "x", shape: [N, C], data: logits },
      labels: { type: "i", shape: [N], data: labels },
      losses: { type: "s", shape: [N], terms },
      loss: { type: "s", shape: [1], terms },
      lse: { type: "s", shape: [N] },
      dloss: { type: "s", shape: [1], data: [dloss] },
      // The probability of the label less 1. With many classes it is rarely near 1.
      dlogits: { type: "x", shape: [N, C], terms: C <= 3 ? dloss / Math.max(1, counted) : undefined },
    },
    forward: {
      op: "cross_entropy_forward",
      order: ["logits", "labels", "losses", "loss", "lse"],
      params: [IGNORE_INDEX],
      writes: ["losses", "loss", "lse"],
    },
    backward: {
      op: "cross_entropy_backward",
      order: ["logits", "labels", "dloss", "dlogits"],
      params: [IGNORE_INDEX],
      writes: ["dlogits"],
    },
    cotangents: { loss: "dloss" },
    gradients: { logits: "dlogits" },
  };
}
