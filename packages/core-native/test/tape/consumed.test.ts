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
for (const { name, dtype } of [...runs, { name: "reference", dtype: "f64" as const }])
  test.serial(`${name} in ${dtype}: the same bits`, async (t) => {
    const device = testDevice(name);
    t.deepEqual(await results(device, dtype, true), await results(device, dtype, false));
  });

test.serial("a layer keeps one tensor (N, F) less", async (t) => {
  const memory = async (consumesX: boolean) => {
    using device = openDevice("cpu");
    const [L, rows, width] = [4, 64, 4096];
    const weights = device.full([width, width], 1e-3);
    weights.requiresGrad = true;
    const before = device.memory().bytesInUse;
    device.scope(() => {
      const tape = new Tape();
      tape.record(() => {
        let hidden = device.full([rows, width], 1);
        for (let layer = 0; layer < L; layer++)
          hidden = linear(linear(hidden, weights, undefined, "gelu"), weights, undefined, "none", { consumesX });
        return hidden;
      });
      tape.dispose();
    });
    await device.synchronize();
    return (device.memory().peakBytesInUse - before) / (rows * width * 4) / L;
  };
  const [kept, repeated] = [await memory(false), await memory(true)];
  t.true(kept - repeated > 0.7, `${kept} tensors a layer, ${repeated} when it is computed again`);
});

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
  test.serial(`${name} in ${dtype}: the same bits without the result of a LayerNorm`, async (t) => {
    const device = testDevice(name);
    t.deepEqual(await residualBlock(device, dtype, true), await residualBlock(device, dtype, false));
  });

test.serial("a layer keeps one tensor (N, H) less", async (t) => {
  const memory = async (forgets: boolean) => {
    using device = openDevice("cpu");
    const [L, rows, width] = [8, 256, 1024];
    const weights = device.full([width, width], 1e-3);
    const [gamma, beta] = [device.full([width], 1), device.zeros([width])];
    weights.requiresGrad = true;
    const before = device.memory().bytesInUse;
    device.scope(() => {
      const tape = new Tape();
      tape.record(() => {
        let hidden = device.full([rows, width], 1);
        for (let layer = 0; layer < L; layer++) {
          const next = addLayerNorm(linear(hidden, weights), hidden, gamma, beta, { overwriteX: true });
          if (forgets) forget(hidden);
          hidden = next;
        }
        return hidden;
      });
      tape.dispose();
    });
    await device.synchronize();
    return (device.memory().peakBytesInUse - before) / (rows * width * 4) / L;
  };
  const [kept, remade] = [await memory(false), await memory(true)];
  t.true(kept - remade > 0.6, `${kept} tensors a layer, ${remade} when it is made again`);
});
