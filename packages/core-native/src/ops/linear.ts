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
 * @param weight (M, K), of x's type
 * @param bias (M), optional
 * @returns (N, M)
 * @throws {OpError} when shapes, types or devices do not fit
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, activation: Activation = "none"): Tensor {
  const { device } = x;
  const number = ACTIVATION_NUMBER[activation];
  if (number === undefined)
    throw new OpError("ERR_INVALID_OP", `linear: activation is ${activation}, expected none, gelu, tanh or relu`);
  const shape = [x.shape[0], weight.shape[0]];
  const y = device.empty(shape, x.dtype);
  const tape = Tape.recording(x, weight, bias);
  const pre = tape !== undefined && activation === "gelu" ? device.empty(shape, x.dtype) : undefined;
  device.run("linear_forward", [x, weight, bias, y, pre], [number]);
  if (tape === undefined) return y;

  const saved = activation === "none" ? undefined : (pre ?? y);
  tape.append({
    output: y,
    inputs: [x],
    extras: pre === undefined ? [] : [pre],
    backward: (dy) => {
      const accumulated = x.requiresGrad ? tape.gradient(x) : undefined;
      const dx = x.requiresGrad ? (accumulated ?? device.empty(x.shape, x.dtype)) : undefined;
      const dWeight = weight.requiresGrad ? gradientOf(tape, weight) : undefined;
      const dBias = bias?.requiresGrad ? gradientOf(tape, bias) : undefined;
      // dy has no other user, so it serves as scratch for the gradient before the activation.
      const dPre = saved === undefined ? undefined : dy;
      const params = [number, accumulated === undefined ? 0 : 1];
      device.run("linear_backward", [x, weight, saved, dy, dPre, dx, dWeight, dBias], params);
      if (dx !== undefined) tape.add(x, dx);
    },
  });
  return y;
}
