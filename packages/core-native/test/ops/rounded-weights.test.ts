// bf16 products with f32 weights are those with the weights rounded to bf16 beforehand, to the bit, whichever way the device multiplies.
import test from "ava";
import { type Activation, type Device, linear, Tape, type Tensor } from "../../src/index.js";
import { DEVICE_NAMES, testDevice } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const random = randomFor("rounded weights");
const SHAPES = [
  [1, 1, 1],
  [3, 31, 2], // our own loops
  [33, 127, 65],
  [130, 256, 192],
];

/** Outputs of two evaluations (the second may use a copy of the weight), one training pass, and its gradients. */
async function results(device: Device, weight: Tensor, shape: number[], data: Float32Array[], activation: Activation) {
  const [N, K, M] = shape;
  const [xs, biases, cotangent] = data;
  weight.grad = device.zeros([M, K], "f32");
  const made = device.scope(() => {
    const x = device.tensor(xs, [N, K], "bf16");
    const bias = device.tensor(biases, [M], "f32");
    const evaluated = [0, 1].map(() => linear(x, weight, bias, activation));
    x.requiresGrad = true;
    weight.requiresGrad = true;
    const tape = new Tape();
    const y = tape.record(() => linear(x, weight, bias, activation));
    tape.backward(y, device.tensor(cotangent, [N, M], "bf16"));
    return [...evaluated, y, tape.gradient(x) as Tensor, weight.grad as Tensor];
  });
  return Promise.all(made.map((each) => each.read()));
}

for (const name of new Set(["reference", ...DEVICE_NAMES.filter((each) => !each.startsWith("cuda"))]))
  for (const shape of SHAPES)
    for (const activation of ["none", "gelu", "tanh"] as const)
      test.serial(`${name}: (${shape.join(", ")}) ${activation}`, async (t) => {
        const device = testDevice(name);
        const [N, K, M] = shape;
        const data = [N * K, M, N * M].map((size) => Float32Array.from(random.normal(size)));
        const values = Float32Array.from(random.normal(M * K));
        using wide = device.tensor(values, [M, K], "f32");
        using narrow = device.tensor(values, [M, K], "bf16");
        t.deepEqual(
          await results(device, wide, shape, data, activation),
          await results(device, narrow, shape, data, activation),
        );
        device.upload(
          wide,
          values.map((value) => -value),
        );
        device.upload(
          narrow,
          values.map((value) => -value),
        );
        t.deepEqual(
          await results(device, wide, shape, data, activation),
          await results(device, narrow, shape, data, activation),
          "after the weight has changed",
        );
      });

for (const name of DEVICE_NAMES.filter((each) => each.startsWith("cuda")))
  test.serial(`${name} refuses f32 weights beside bf16`, async (t) => {
    const device = testDevice(name);
    using x = device.zeros([2, 2], "bf16");
    using weight = device.zeros([2, 2], "f32");
    using y = linear(x, weight);
    await t.throwsAsync(y.read(), { message: /does not round weights/ });
  });
