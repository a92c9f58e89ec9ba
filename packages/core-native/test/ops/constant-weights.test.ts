// Copies of weights that backends keep (re-laid, quantized) are made again when the weight changes, whoever changes it.
import test from "ava";
import { type Device, linear, linearInt8, type Tensor } from "../../src/index.js";
import { DEVICE_NAMES, referenceDevice, testDevice } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const [N, K, M] = [33, 128, 96];
const random = randomFor("constant weights");
const X = Float32Array.from(random.normal(N * K));
const FIRST = Float32Array.from(random.normal(M * K));
const SECOND = Float32Array.from(random.normal(M * K));

type Change = (device: Device, weight: Tensor) => void;
const CHANGES: Record<string, Change> = {
  "an upload": (device, weight) => device.upload(weight, SECOND),
  "an op": (device, weight) => {
    using values = device.tensor(SECOND, [M, K]);
    device.run("convert", [values, weight], []);
  },
  "an op on a view of its last row, and one on the rest": (device, weight) => {
    const rest = (M - 1) * K;
    for (const [from, to] of [
      [rest, M * K],
      [0, rest],
    ]) {
      using values = device.tensor(SECOND.slice(from, to));
      using view = weight.view([to - from], from);
      device.run("convert", [values, view], []);
    }
  },
};

const PRODUCTS = DEVICE_NAMES.flatMap((name) => [
  { name, op: "linear", product: linear },
  ...(name.startsWith("cuda") ? [] : [{ name, op: "linearInt8", product: linearInt8 }]),
]);

for (const { name, op, product } of PRODUCTS) {
  for (const [what, change] of Object.entries(CHANGES)) {
    test.serial(`${op} on ${name} sees a weight changed by ${what}`, async (t) => {
      const device = testDevice(name);
      const results: Float32Array[] = [];
      for (const first of [FIRST, SECOND]) {
        using x = device.tensor(X, [N, K]);
        using weight = device.tensor(first, [M, K]);
        for (let repeat = 0; repeat < 2; repeat++) {
          using y = product(x, weight);
          results.push((await y.read()) as Float32Array);
        }
        if (first === SECOND) continue;
        change(device, weight);
        using y = product(x, weight);
        results.push((await y.read()) as Float32Array);
      }
      const [once, twice, changed, expected] = results;
      t.deepEqual(twice, once);
      t.deepEqual(changed, expected);
      t.notDeepEqual(changed, once);
    });
  }
}

for (const name of DEVICE_NAMES.filter((each) => !each.startsWith("cuda")))
  test.serial(`linearInt8 on ${name} is within 1.5 % of the product it stands for`, async (t) => {
    const read = async (device: Device, product: typeof linear) => {
      using x = device.tensor(X, [N, K]);
      using weight = device.tensor(FIRST, [M, K]);
      using y = product(x, weight);
      return (await y.read()) as Float32Array | Float64Array;
    };
    const exact = await read(referenceDevice(), linear);
    const quantized = await read(testDevice(name), linearInt8);
    let [error, size] = [0, 0];
    for (let i = 0; i < exact.length; i++) {
      error += (quantized[i] - exact[i]) ** 2;
      size += exact[i] ** 2;
    }
    const relative = Math.sqrt(error / size);
    t.true(relative > 1e-4 && relative < 0.015, `off by ${relative}`);
  });
