import type { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/**
 * Where a parameter's gradient is accumulated: its `.grad`, else a zeroed tensor that `tape.gradient(parameter)` gives after the pass.
 */
export function gradientOf(tape: Tape, parameter: Tensor): Tensor {
  if (parameter.grad !== undefined) return parameter.grad;
  let gradient = tape.gradient(parameter);
  if (gradient === undefined) {
    gradient = parameter.device.zeros(parameter.shape, parameter.device.floatType);
    tape.add(parameter, gradient);
  }
  return gradient;
}
