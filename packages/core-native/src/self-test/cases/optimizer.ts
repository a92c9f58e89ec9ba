import type { OpCase } from "../op-case.js";
import type { Random } from "../random.js";

/** out += sum of x^2. */
export function sumOfSquaresCase(random: Random, size: number): OpCase {
  return {
    label: `(${size})`,
    tensors: {
      x: { type: "s", shape: [size], data: random.normal(size) },
      out: { type: "s", shape: [1], data: [2.5] },
    },
    forward: { op: "sum_of_squares", order: ["x", "out"], params: [], writes: [], updates: ["out"] },
    cotangents: {},
    gradients: {},
  };
}

export interface AdamWOptions {
  step?: number;
  weightDecay?: number;
  /** Clip to this norm; the gradient's true norm is given to the op. */
  maxNorm?: number;
  gradScale?: number;
  zeroGrad?: boolean;
  /** Write a 16-bit copy of the parameters. */
  copy?: boolean;
  /** The gradient is that of the loss times this. */
  lossScale?: number;
  /** The gradient has overflowed: nothing may move. */
  overflow?: boolean;
}

/** One step of AdamW on n parameters with moments from earlier steps. */
export function adamwCase(random: Random, n: number, options: AdamWOptions = {}): OpCase {
  const { step = 3, weightDecay = 0.01, maxNorm = 0, gradScale = 1, zeroGrad = false, copy = false } = options;
  const { lossScale = 1, overflow = false } = options;
  const scaled = lossScale !== 1;
  const clips = maxNorm > 0 || scaled;
  const grad = random.normal(n, 0.1).map((value) => value * lossScale);
  const first = step === 1;
  const vector = (data?: ArrayLike<number>) => ({ type: "s" as const, shape: [n], data });
  const normSquared = grad.reduce((sum, g) => sum + g * g, 0);
  return {
    label: `(${n}) ${JSON.stringify(options)}`,
    tensors: {
      param: vector(random.normal(n, 0.02)),
      grad: vector(grad),
      m: vector(random.normal(n, first ? 0 : 0.05)),
      v: vector(random.normal(n, first ? 0 : 0.01).map((value) => value * value)),
      copy: { type: "h", shape: [n] },
      norm_squared: { type: "s", shape: [1], data: [overflow ? Number.POSITIVE_INFINITY : normSquared] },
      loss_scale: { type: "s", shape: [2], data: [lossScale, 0] },
    },
    forward: {
      op: "adamw",
      order: [
        "param",
        "grad",
        "m",
        "v",
        copy ? "copy" : null,
        clips ? "norm_squared" : null,
        scaled ? "loss_scale" : null,
      ],
      params: [1e-3, 0.9, 0.999, 1e-8, weightDecay, step, maxNorm, gradScale, zeroGrad ? 1 : 0],
      writes: copy ? ["copy"] : [],
      updates: ["param", "grad", "m", "v"],
    },
    cotangents: {},
    gradients: {},
  };
}

/** The scale halves after an overflow and else counts. */
export function lossScaleCase(scale: number, overflow: boolean): OpCase {
  return {
    label: `${scale}${overflow ? " after an overflow" : ""}`,
    tensors: {
      loss_scale: { type: "s", shape: [2], data: [scale, 0] },
      norm_squared: { type: "s", shape: [1], data: [overflow ? Number.POSITIVE_INFINITY : 3] },
    },
    forward: {
      op: "update_loss_scale",
      order: ["loss_scale", "norm_squared"],
      params: [],
      writes: [],
      updates: ["loss_scale"],
    },
    cotangents: {},
    gradients: {},
  };
}
