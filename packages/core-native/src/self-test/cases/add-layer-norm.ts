import { type DropoutParams, dropoutLabel, dropoutParams, largestOf, NO_DROPOUT, type OpCase } from "../op-case.js";
import type { Random } from "../random.js";

const EPS = 1e-12; // BERT's

export interface AddLayerNormOptions {
  dropout?: DropoutParams;
  /** No residual: y = LayerNorm(dropout(x)). */
  noResidual?: boolean;
  /** Mean and deviation of x. A mean far above the deviation is where E[x^2] - E[x]^2 breaks down. */
  mean?: number;
  deviation?: number;
}

/** z = dropout(x) + residual; y = LayerNorm(z): all (N, H). */
export function addLayerNormCase(random: Random, N: number, H: number, options: AddLayerNormOptions = {}): OpCase {
  const { dropout = NO_DROPOUT, noResidual = false, mean = 0, deviation = 1 } = options;
  const params = [EPS, ...dropoutParams(dropout)];
  const matrix = (data?: Float64Array) => ({ type: "x" as const, shape: [N, H], data });
  const vector = (center: number) => ({ type: "s" as const, shape: [H], data: random.normal(H, 0.3, center) });
  const rows = () => ({ type: "s" as const, shape: [N] });
  const residual = noResidual ? null : "residual";
  const dresidual = noResidual ? null : "dresidual";
  const distribution = mean === 0 && deviation === 1 ? "" : ` mean ${mean} deviation ${deviation}`;
  const dy = random.normal(N * H);
  // A row of one element does not change when its element does: dx is 0, as a difference of numbers times rstd = 1 / sqrt(eps).
  const terms = H === 1 ? largestOf(dy) / Math.sqrt(EPS) : undefined;
  return {
    label: `(${N}, ${H})${noResidual ? " no residual" : ""}${dropoutLabel(dropout)}${distribution}`,
    tensors: {
      x: matrix(random.normal(N * H, deviation, mean)),
      residual: matrix(random.normal(N * H, deviation)),
      gamma: vector(1),
      beta: vector(0),
      y: matrix(),
      z: matrix(),
      mean: { ...rows(), terms: Math.abs(mean) + deviation },
      rstd: rows(),
      dy: matrix(dy),
      dx: { ...matrix(), terms },
      dresidual: matrix(),
      dgamma: { ...vector(0), terms: 1 },
      dbeta: { ...vector(0), terms: 1 },
    },
    forward: {
      op: "add_layer_norm_forward",
      order: ["x", residual, "gamma", "beta", "y", "z", "mean", "rstd"],
      params,
      writes: ["y", "z", "mean", "rstd"],
    },
    backward: {
      op: "add_layer_norm_backward",
      order: ["z", "gamma", "mean", "rstd", "dy", "dx", dresidual, "dgamma", "dbeta"],
      params,
      writes: noResidual ? ["dx"] : ["dx", "dresidual"],
      updates: ["dgamma", "dbeta"],
    },
    cotangents: { y: "dy" },
    gradients: { x: "dx", gamma: "dgamma", beta: "dbeta", ...(noResidual ? {} : { residual: "dresidual" }) },
  };
}
