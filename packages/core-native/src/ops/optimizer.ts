import type { Tensor } from "../tensor.js";

/** out += Σ x², summed blockwise in double in a fixed order. @param out (1) */
export function sumOfSquares(x: Tensor, out: Tensor): void {
  x.device.run("sum_of_squares", [x, out], []);
}

export interface AdamWOptions {
  learningRate: number;
  /** 1-based, of this parameter. */
  step: number;
  beta1?: number; // 0.9
  beta2?: number; // 0.999
  eps?: number; // 1e-8
  weightDecay?: number; // 0
  /** Squared norm of all gradients, (1), from {@link sumOfSquares}; with `maxNorm` > 0 gradients are clipped by it in the same sweep. */
  normSquared?: Tensor;
  maxNorm?: number;
  /** Factor of the gradient, for averaging accumulated ones; default 1. */
  gradientScale?: number;
  /** Clears the gradient in the same sweep; default true. */
  zeroGradient?: boolean;
  /** Receives the new parameters rounded to bf16. */
  copy?: Tensor;
}

/**
 * One step of AdamW (Loshchilov & Hutter 2019) in one sweep over memory, equal to `torch.optim.AdamW` after `clip_grad_norm_`.
 * All tensors are (n), in the device's float type.
 */
export function adamw(parameter: Tensor, gradient: Tensor, m: Tensor, v: Tensor, options: AdamWOptions): void {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0, step, maxNorm = 0 } = options;
  const { gradientScale = 1, zeroGradient = true, copy, normSquared } = options;
  const params = [learningRate, beta1, beta2, eps, weightDecay, step, maxNorm, gradientScale, zeroGradient ? 1 : 0];
  parameter.device.run("adamw", [parameter, gradient, m, v, copy, normSquared], params);
}
