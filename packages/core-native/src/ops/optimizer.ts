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
  /** Receives the new parameters rounded to its type, bf16 or f16. */
  copy?: Tensor;
  /**
   * For f16, (2): what the loss was multiplied by before backward; see {@link updateLossScale}. Gradients are divided by it, and when
   * `normSquared`, which is needed then, is not finite, parameters, moments and copy stay as they are.
   */
  lossScale?: Tensor;
}

/**
 * One step of AdamW (Loshchilov & Hutter 2019) in one sweep over memory, equal to `torch.optim.AdamW` after `clip_grad_norm_`.
 * All tensors are (n), in the device's float type.
 */
export function adamw(parameter: Tensor, gradient: Tensor, m: Tensor, v: Tensor, options: AdamWOptions): void {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weightDecay = 0, step, maxNorm = 0 } = options;
  const { gradientScale = 1, zeroGradient = true, copy, normSquared, lossScale } = options;
  const params = [learningRate, beta1, beta2, eps, weightDecay, step, maxNorm, gradientScale, zeroGradient ? 1 : 0];
  parameter.device.run("adamw", [parameter, gradient, m, v, copy, normSquared, lossScale], params);
}

/**
 * Adapts the scale of the loss, once a step, after AdamW: halves it when the gradients overflowed, doubles it after 2000 steps without that
 * (Micikevicius et al. 2018). It stays on the device: nobody waits for it.
 * @param lossScale (2): the scale, to begin with e.g. 65536, and 0
 */
export function updateLossScale(lossScale: Tensor, normSquared: Tensor): void {
  lossScale.device.run("update_loss_scale", [lossScale, normSquared], []);
}
