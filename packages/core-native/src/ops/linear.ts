import { OpError } from "../errors.js";
import { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";
import { gradientOf } from "./gradient-of.js";

/** Activation of {@link linear}: `gelu` is the exact one, x Φ(x) (Hendrycks & Gimpel 2016), as BERT has it. */
export type Activation = "none" | "gelu" | "tanh" | "relu";

const ACTIVATION_NUMBER: Readonly<Record<Activation, number>> = { none: 0, gelu: 1, tanh: 2, relu: 3 };

/**
 * y = activation(x Wᵀ + b), as `torch.nn.functional.linear`.
 * @param x (N, K)
 * @param weight (M, K), of x's type; beside bf16 it may be f32 where the device {@link Device.roundsWeights | rounds weights}: no copy is needed then
 * @param bias (M), optional
 * @param options.consumesX x has no other reader: where a tape records and x is a GELU, its memory is free at once, and backward computes it again
 * @returns (N, M)
 * @throws {OpError} when shapes, types or devices do not fit
 */
export function linear(
  x: Tensor,
  weight: Tensor,
  bias?: Tensor,
  activation: Activation = "none",
  options: { consumesX?: boolean } = {},
): Tensor {
  const { device } = x;
  const number = ACTIVATION_NUMBER[activation];
  if (number === undefined)
    throw new OpError("ERR_INVALID_OP", `linear: activation is ${activation}, expected none, gelu, tanh or relu`);
  const shape = [x.shape[0], weight.shape[0]];
  const y = device.empty(shape, x.dtype);
  const tape = Tape.recording(x, weight, bias);
  const pre = tape !== undefined && activation === "gelu" ? device.empty(shape, x.dtype) : undefined;
  // Without a recording tape the weight is not about to change.
  device.run("linear_forward", [x, weight, bias, y, pre], [number, tape === undefined ? 1 : 0]);
  if (tape === undefined) return y;

  const saved = activation === "none" ? undefined : (pre ?? y);
  // A GPU's GELU is of the product before it was rounded: computing it again would give other bits.
  const canRepeat = options.consumesX && x.owner === "tape" && !device.name.startsWith("cuda");
  const again = canRepeat ? x.activationOf : undefined;
  const kept = again?.before ?? x;
  if (again !== undefined) x.dispose();
  if (pre !== undefined) y.activationOf = { before: pre, activation: number };
  tape.append({
    output: y,
    inputs: [kept],
    extras: pre === undefined ? [] : [pre],
    backward: (dy) => {
      const accumulated = x.requiresGrad ? tape.gradient(x) : undefined;
      const dx = x.requiresGrad ? (accumulated ?? device.empty(x.shape, x.dtype)) : undefined;
      const dWeight = weight.requiresGrad ? gradientOf(tape, weight) : undefined;
      const dBias = bias?.requiresGrad ? gradientOf(tape, bias) : undefined;
      // dy has no other user, so it serves as scratch for the gradient before the activation.
      const dPre = saved === undefined ? undefined : dy;
      const params = [number, accumulated === undefined ? 0 : 1, again?.activation ?? 0];
      const remade = kept.disposed ? kept.remake?.() : undefined;
      device.run("linear_backward", [remade ?? kept, weight, saved, dy, dPre, dx, dWeight, dBias], params);
      remade?.dispose();
      if (dx !== undefined) tape.add(x, dx);
    },
  });
  return y;
}

/**
 * y = activation(x Wᵀ + b) with both operands of the product in 8 bits: x by token, quantized on the fly, W by output channel, quantized at first
 * use; symmetric, no calibration. For inference, on the CPU. The result is off by about 1 % (norm) for normally distributed operands.
 * @param x (N, K)
 * @param weight (M, K) in the device's float type; it may change, at the price of quantizing it again
 * @param bias (M), optional
 * @returns (N, M)
 * @throws {OpError} when shapes, types or devices do not fit, or when a tape would record it: it has no gradient
 */
export function linearInt8(x: Tensor, weight: Tensor, bias?: Tensor, activation: Activation = "none"): Tensor {
  const { device } = x;
  const number = ACTIVATION_NUMBER[activation];
  if (number === undefined)
    throw new OpError("ERR_INVALID_OP", `linearInt8: activation is ${activation}, expected none, gelu, tanh or relu`);
  if (Tape.recording(x, weight, bias) !== undefined)
    throw new OpError("ERR_INVALID_OP", "linearInt8: it has no gradient, expected no tape that records its arguments");
  const y = device.empty([x.shape[0], weight.shape[0]], x.dtype);
  device.run("linear_int8_forward", [x, weight, bias, y], [number]);
  return y;
}
