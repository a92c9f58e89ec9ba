import test from "ava";
import { randomFrom, shuffle } from "../../src/training/random.js";

test("the stream depends on every seed and on their order", (t) => {
  const first = (...seeds: number[]) => randomFrom(...seeds).uint32();
  const streams = [
    first(),
    first(0),
    first(1),
    first(0, 0),
    first(1, 0),
    first(0, 1),
    first(2 ** 32),
    first(2 ** 32 + 1),
  ];
  t.is(new Set(streams).size, streams.length);
  t.is(first(42, 3), first(42, 3));
});

test("draws are uniform: 60,000 throws of a die within 5 σ", (t) => {
  const random = randomFrom(1);
  const counts = new Array(6).fill(0);
  for (let i = 0; i < 60_000; i++) counts[random.below(6)]++;
  for (const count of counts) t.true(Math.abs(count - 10_000) < 5 * Math.sqrt((60_000 * 5) / 36), String(counts));
});

test("a shuffle keeps every item and depends on the seed", (t) => {
  const shuffled = (seed: number) => [
    ...shuffle(
      Int32Array.from({ length: 50 }, (_, i) => i),
      randomFrom(seed),
    ),
  ];
  const numbers = shuffled(3).sort((a, b) => a - b);
  t.deepEqual(
    numbers,
    Array.from({ length: 50 }, (_, i) => i),
  );
  t.deepEqual(shuffled(3), shuffled(3));
  t.notDeepEqual(shuffled(3), shuffled(4));
});
