// What backward computes again instead of keeping it: a GELU that its reader consumes, a LayerNorm that was forgotten. Less memory, the same bits.
import test from "ava";
import { addLayerNorm, type Device, forget, linear, openDevice, Tape, type Tensor } from "../../src/index.js";
import { DEVICE_NAMES, testDevice } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const [N, H, F] = [33, 31, 130];
const random = randomFor("consumed");
const [x, w1, b1, w2, cotangent] = [N * H, F * H, F, H * F, N * H].map((size) =>
  Float32Array.from(random.normal(size)),
);

/** Output and gradients of W₂ gelu(W₁ x + b). */
async function results(device: Device, dtype: Tensor["dtype"], consumesX: boolean) {
  const made = device.scope(() => {
    const input = device.tensor(x, [N, H], dtype);
    const [up, down] = [device.tensor(w1, [F, H], dtype), device.tensor(w2, [H, F], dtype)];
    const bias = device.tensor(b1);
    for (const leaf of [input, up, down, bias]) leaf.requiresGrad = true;
    const tape = new Tape();
    const y = tape.record(() => linear(linear(input, up, bias, "gelu"), down, undefined, "none", { consumesX }));
    tape.backward(y, device.tensor(cotangent, [N, H]));
    return [y, ...[input, up, down, bias].map((leaf) => tape.gradient(leaf) as Tensor)];
  });
  return Promise.all(made.map((each) => each.read()));
}

const runs = DEVICE_NAMES.flatMap((name) =>
  ["f32", "bf16"].map((dtype) => ({ name, dtype: dtype as Tensor["dtype"] })),
);

/** Output and gradients of a residual block: n + W₂ (W₁ n + b), n = LayerNorm(x + residual). */
async function residualBlock(device: Device, dtype: Tensor["dtype"], forgets: boolean) {
  const made = device.scope(() => {
    const [input, residual] = [device.tensor(x, [N, H], dtype), device.tensor(cotangent, [N, H], dtype)];
    const [up, down] = [device.tensor(w1, [F, H], dtype), device.tensor(w2, [H, F], dtype)];
    const [gamma, beta, bias] = [device.full([H], 0.7), device.full([H], 0.1), device.tensor(b1)];
    const leaves = [input, residual, up, down, gamma, beta, bias];
    for (const leaf of leaves) leaf.requiresGrad = true;
    const tape = new Tape();
    device.setDropoutState(3, 1);
    const y = tape.record(() => {
      const normal = addLayerNorm(input, residual, gamma, beta, { dropout: 0.2 });
      const sum = addLayerNorm(linear(linear(normal, up, bias), down), normal, gamma, beta);
      if (forgets) forget(normal);
      return sum;
    });
    tape.backward(y, device.tensor(cotangent, [N, H]));
    return [y, ...leaves.map((leaf) => tape.gradient(leaf) as Tensor)];
  });
  return Promise.all(made.map((each) => each.read()));
}

for (const { name, dtype } of [...runs, { name: "reference", dtype: "f64" as const }])
  for (const [what, compute] of [
    ["a GELU", results],
    ["a LayerNorm", residualBlock],
  ] as const)
    test.serial(`${name} in ${dtype}: the same bits without the result of ${what}`, async (t) => {
      const device = testDevice(name);
      t.deepEqual(await compute(device, dtype, true), await compute(device, dtype, false));
    });

/** How many tensors (rows, width) a tape keeps of each of L layers. */
async function keptTensors(L: number, rows: number, width: number, layer: (x: Tensor, weight: Tensor) => Tensor) {
  using device = openDevice("cpu");
  const weight = device.full([width, width], 1e-3);
  weight.requiresGrad = true;
  const before = device.memory().bytesInUse;
  device.scope(() => {
    const tape = new Tape();
    tape.record(() => {
      let hidden = device.full([rows, width], 1);
      for (let i = 0; i < L; i++) hidden = layer(hidden, weight);
      return hidden;
    });
    tape.dispose();
  });
  await device.synchronize();
  return (device.memory().peakBytesInUse - before) / (rows * width * 4) / L;
}

test.serial("a layer keeps one tensor less when a GELU is consumed", async (t) => {
  const memory = (consumesX: boolean) =>
    keptTensors(4, 64, 4096, (x, weight) =>
      linear(linear(x, weight, undefined, "gelu"), weight, undefined, "none", { consumesX }),
    );
  const [kept, repeated] = [await memory(false), await memory(true)];
  t.true(kept - repeated > 0.7, `${kept} tensors a layer, ${repeated} when it is computed again`);
});

test.serial("a layer keeps one tensor less when a LayerNorm is forgotten", async (t) => {
  const memory = (forgets: boolean) =>
    keptTensors(8, 256, 1024, (x, weight) => {
      const [gamma, beta] = [x.device.full([1024], 1), x.device.zeros([1024])];
      const y = addLayerNorm(linear(x, weight), x, gamma, beta, { overwriteX: true });
      if (forgets) forget(x);
      return y;
    });
  const [kept, remade] = [await memory(false), await memory(true)];
  t.true(kept - remade > 0.6, `${kept} tensors a layer, ${remade} when it is made again`);
});
