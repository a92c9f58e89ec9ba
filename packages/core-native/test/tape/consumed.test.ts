// A GELU that its reader consumes is computed again in backward: less memory, the same bits.
import test from "ava";
import { type Device, linear, openDevice, Tape, type Tensor } from "../../src/index.js";
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
