import test from "ava";
import { normalValues } from "../../src/loading/initialize.js";
import { philox } from "../../src/loading/philox.js";

/** The known answers of Random123's distribution for philox4x32-10. */
const KNOWN: [counter: number[], key: number[], words: number[]][] = [
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

for (const [counter, key, expected] of KNOWN)
  test(`known answer for counter ${counter[0].toString(16)}…`, (t) => {
    const words = new Uint32Array(4);
    philox(Uint32Array.from(counter), Uint32Array.from(key), words);
    t.deepEqual([...words], expected);
  });

test("any part of a parameter's stream can be drawn on its own", (t) => {
  const whole = normalValues(3, "w", 0, 1000, 0.02);
  t.deepEqual(normalValues(3, "w", 400, 101, 0.02), whole.slice(400, 501));
  t.notDeepEqual(normalValues(3, "v", 0, 1000, 0.02), whole);
  t.notDeepEqual(normalValues(2 ** 32 + 3, "w", 0, 1000, 0.02), whole);
});
