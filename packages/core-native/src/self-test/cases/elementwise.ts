import type { OpCase } from "../op-case.js";
import type { Random } from "../random.js";

/** y (size) = value everywhere. */
export function fillCase(size: number, value: number): OpCase {
  return {
    label: `(${size}) with ${value}`,
    tensors: { y: { type: "x", shape: [size] } },
    forward: { op: "fill", order: ["y"], params: [value], writes: ["y"] },
    cotangents: {},
    gradients: {},
  };
}

/** From statistics to activations (a working copy of weights), or to bf16. */
export function convertCase(random: Random, size: number, to: "x" | "h"): OpCase {
  return {
    label: `(${size}) s to ${to}`,
    tensors: {
      x: { type: "s", shape: [size], data: random.normal(size) },
      y: { type: to, shape: [size] },
    },
    forward: { op: "convert", order: ["x", "y"], params: [], writes: ["y"] },
    cotangents: {},
    gradients: {},
  };
}

/** y = a + b. */
export function addCase(random: Random, shape: readonly number[]): OpCase {
  const size = shape.reduce((product, dimension) => product * dimension, 1);
  return {
    label: `(${shape.join(", ")})`,
    tensors: {
      a: { type: "x", shape, data: random.normal(size) },
      b: { type: "x", shape, data: random.normal(size) },
      y: { type: "x", shape },
    },
    forward: { op: "add", order: ["a", "b", "y"], params: [], writes: ["y"] },
    cotangents: {},
    gradients: {},
  };
}
