import { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { gradientOf } from "./gradient-of.js";

export interface LayerNormOptions {
  /** Added to the variance; default 1e-12, BERT's. */
  eps?: number;
  /** Probability of dropping an element of x; default 0. */
  dropout?: number;
  /** Lets the op reuse x's memory for dropout(x) + residual when a tape records: x must have no other reader. Default false. */
  overwriteX?: boolean;
}

/**
 * y = LayerNorm(dropout(x) + residual), the end of both halves of a BERT layer (Devlin et al. 2019, `BertSelfOutput` and `BertOutput`).
 * @param x (N, H)
 * @param residual (N, H), optional
 * @param gamma (H) in the device's float type
 * @param beta (H) in the device's float type
 * @returns (N, H)
 * @throws {OpError} when shapes, types or devices do not fit
 */
export function addLayerNorm(
  x: Tensor,
  residual: Tensor | undefined,
  gamma: Tensor,
  beta: Tensor,
  options: LayerNormOptions = {},
): Tensor {
  const { device } = x;
  const y = device.empty(x.shape, x.dtype);
  const mean = device.empty([x.shape[0]]);
  const rstd = device.empty([x.shape[0]]);
  const params = [options.eps ?? 1e-12, ...device.nextDropout(options.dropout ?? 0)];
  const tape = Tape.recording(x, residual, gamma, beta);
  if (tape === undefined) {
    device.run("add_layer_norm_forward", [x, residual, gamma, beta, y, undefined, mean, rstd], params);
    mean.dispose();
    rstd.dispose();
    return y;
  }
  const isIdentity = residual === undefined && params[1] === 0; // then z is x
  const z = isIdentity || options.overwriteX ? x : device.empty(x.shape, x.dtype);
  device.run("add_layer_norm_forward", [x, residual, gamma, beta, y, isIdentity ? undefined : z, mean, rstd], params);
  // From z the same bits come only where z was not rounded.
  if (x.dtype !== "bf16" && x.dtype !== "f16") y.remake = () => remakeOf(y, z, gamma, beta, mean, rstd, params[0]);
  tape.append({
    output: y,
    inputs: [x],
    extras: z === x ? [mean, rstd] : [mean, rstd, z],
    backward: (dy) => {
      const dx = x.requiresGrad ? device.empty(x.shape, x.dtype) : undefined;
      const dResidual = residual?.requiresGrad ? device.empty(x.shape, x.dtype) : undefined;
      const dGamma = gamma.requiresGrad ? gradientOf(tape, gamma) : undefined;
      const dBeta = beta.requiresGrad ? gradientOf(tape, beta) : undefined;
      device.run("add_layer_norm_backward", [z, gamma, mean, rstd, dy, dx, dResidual, dGamma, dBeta], params);
      if (dx !== undefined) tape.add(x, dx);
      if (residual !== undefined && dResidual !== undefined) tape.add(residual, dResidual);
    },
  });
  return y;
}

/** y anew from z, which is dropout(x) + residual. The statistics are written again, with the values that they have. */
function remakeOf(y: Tensor, z: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, rstd: Tensor, eps: number): Tensor {
  const made = y.device.empty(y.shape, y.dtype);
  const tensors = [z, undefined, gamma, beta, made, undefined, mean, rstd];
  y.device.run("add_layer_norm_forward", tensors, [eps, 0, 0, 0, 0, 0]);
  return made;
}

/** y = LayerNorm(x) (Ba et al. 2016): {@link addLayerNorm} without a residual. */
export function layerNorm(x: Tensor, gamma: Tensor, beta: Tensor, options: LayerNormOptions = {}): Tensor {
  return addLayerNorm(x, undefined, gamma, beta, options);
}
