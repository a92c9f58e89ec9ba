// Dropout masks: Philox against published vectors, equal bits on every device, the right rate, and no pattern between steps, ops, rows or columns. What
// fused ops drop is in dropout-masks.test.ts.
import test from "ava";
import type { Device } from "../../src/index.js";
import { type DropoutParams, dropoutParams, randomDropout } from "../../src/self-test/op-case.js";
import { activationTypes, DEVICE_NAMES, referenceDevice, testDevice } from "../support/devices.js";
import { dropoutBits, dropoutFactor, philox } from "../support/philox.js";
import { randomFor } from "../support/random.js";

const DEVICES = ["reference", ...DEVICE_NAMES];

// Known answers of philox4x32-10 from Random123's kat_vectors: counter, key, output.
const KNOWN: [number[], number[], number[]][] = [
  [
    [0, 0, 0, 0],
    [0, 0],
    [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  ],
  [
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

/** What each element of a (rows, columns) matrix of ones becomes. */
async function factors(
  device: Device,
  rows: number,
  columns: number,
  dropout: DropoutParams,
  dtype: "f32" | "bf16" | "f64" = "f32",
) {
  const x = device.full([rows, columns], 1, dtype);
  device.run("dropout", [x, x], dropoutParams(dropout));
  const values = await x.read();
  x.dispose();
  return values;
}

test("Philox gives the published vectors", (t) => {
  for (const [counter, key, expected] of KNOWN) t.deepEqual(philox(counter, key), expected);
});

for (const name of DEVICES) {
  test.serial(`${name}: the 16 bits of each element are those of Philox's first published vector`, async (t) => {
    // Counter and key are 0 for row 0 of op 0, step 0, seed 0. An element's bits are found by bisection: it is dropped when bits < p * 65536.
    const low = new Array(8).fill(0);
    const high = new Array(8).fill(65535);
    for (let round = 0; round < 16; round++) {
      for (let column = 0; column < 8; column++) {
        if (low[column] === high[column]) continue;
        const middle = (low[column] + high[column] + 1) >> 1;
        const dropout = { p: middle / 65536, seedLow: 0, seedHigh: 0, step: 0, op: 0 };
        const dropped = (await factors(testDevice(name), 1, 8, dropout))[column] === 0;
        if (dropped) high[column] = middle - 1;
        else low[column] = middle;
      }
    }
    const words = [0, 2, 4, 6].map((column) => low[column] + low[column + 1] * 65536);
    t.deepEqual(words, KNOWN[0][2]);
  });
}

for (const name of DEVICES) {
  for (const dtype of activationTypes(name)) {
    test.serial(`${name} ${dtype}: masks are the ones of the definition, bit for bit`, async (t) => {
      const random = randomFor("dropout masks");
      for (const p of [1 / 65536, 0.1, 0.5, 0.9]) {
        const dropout = randomDropout(random, p);
        const [rows, columns] = [37, 61];
        const got = Array.from(await factors(testDevice(name), rows, columns, dropout, dtype), (value) => value !== 0);
        const expected = got.map((_, i) => dropoutFactor(dropout, Math.floor(i / columns), i % columns) !== 0);
        t.deepEqual(got, expected);
      }
    });
  }
}

for (const name of DEVICES) {
  test.serial(`${name}: kept elements are scaled by exactly 65536 / (65536 - threshold)`, async (t) => {
    for (const p of [0.1, 0.25, 0.5]) {
      const scale = Math.fround(65536 / (65536 - Math.floor(p * 65536 + 0.5)));
      const values = await factors(testDevice(name), 33, 64, randomDropout(randomFor(`scale ${p}`), p));
      t.deepEqual([...new Set(values)].sort(), [0, scale]);
    }
  });
}

test.serial("the rate is p and neighbours are independent", async (t) => {
  const random = randomFor("dropout statistics");
  const [rows, columns] = [400, 500];
  const count = rows * columns;
  for (const p of [0.1, 0.5]) {
    const dropout = randomDropout(random, p);
    const mask = async (change: Partial<DropoutParams>) =>
      Array.from(await factors(referenceDevice(), rows, columns, { ...dropout, ...change }), (value) =>
        value === 0 ? 1 : 0,
      );
    const base = await mask({});
    const rate = base.reduce((sum, bit) => sum + bit, 0) / count;
    t.true(Math.abs(rate - p) < 5 * Math.sqrt((p * (1 - p)) / count), `rate ${rate} for p ${p}`);

    const others: Record<string, number[]> = {
      "next step": await mask({ step: (dropout.step + 1) >>> 0 }),
      "next op": await mask({ op: (dropout.op + 1) >>> 0 }),
      "next seed": await mask({ seedLow: (dropout.seedLow + 1) >>> 0 }),
      "high word of the seed": await mask({ seedHigh: (dropout.seedHigh ^ 1) >>> 0 }),
      "next column": [...base.slice(1), base[0]],
      "next block of columns": [...base.slice(8), ...base.slice(0, 8)],
      "next row": [...base.slice(columns), ...base.slice(0, columns)],
    };
    for (const [what, other] of Object.entries(others)) {
      const both = base.reduce((sum, bit, i) => sum + bit * other[i], 0) / count;
      const deviation = Math.sqrt((p * p * (1 - p * p)) / count);
      t.true(Math.abs(both - p * p) < 6 * deviation, `${what}: both dropped ${both}, independent would be ${p * p}`);
    }
  }
});

test.serial("a dropout op takes a new mask each time and the same one for equal seed and step", async (t) => {
  const device = referenceDevice();
  const draw = async (seed: number, step: number) => {
    device.setDropoutState(seed, step);
    return [device.nextDropout(0.1), device.nextDropout(0.1)].map(([p, seedLow, seedHigh, at, op]) =>
      Array.from({ length: 64 }, (_, column) => dropoutBits({ p, seedLow, seedHigh, step: at, op }, 0, column)),
    );
  };
  const first = await draw(2 ** 40 + 5, 7);
  t.notDeepEqual(first[0], first[1]);
  t.deepEqual(await draw(2 ** 40 + 5, 7), first);
  t.notDeepEqual(await draw(2 ** 40 + 5, 8), first);
  t.notDeepEqual(await draw(5, 7), first);
});
