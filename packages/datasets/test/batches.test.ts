import test from "ava";
import { BatchRandom } from "../src/collate/random.js";
import { BatchSampler, type BatchSamplerOptions, packedPositions, packRows } from "../src/index.js";
import { testSeed } from "./helpers.js";

const LENGTHS = Int32Array.from({ length: 1003 }, (_, i) => 5 + ((i * 7919) % 300));
const VARIANTS: BatchSamplerOptions[] = [
  { rows: 1003, batchSize: 8 },
  { rows: 1003, batchSize: 8, order: "shuffled" },
  { lengths: LENGTHS, batchSize: 8, order: "grouped-by-length" },
  { lengths: LENGTHS, tokenBudget: 1000 },
  { lengths: LENGTHS, tokenBudget: 1000, order: "shuffled" },
  { lengths: LENGTHS, tokenBudget: 1000, batchSize: 5, order: "grouped-by-length" },
];

test("every epoch holds every row once, whatever the order", (t) => {
  for (const options of VARIANTS) {
    const sampler = new BatchSampler({ ...options, seed: 3 });
    for (const epoch of [0, 1, 7]) {
      const rows = sampler.batches(epoch).flatMap((batch) => [...batch]);
      t.deepEqual(
        rows.sort((a, b) => a - b),
        Array.from({ length: 1003 }, (_, i) => i),
        JSON.stringify(options.order),
      );
    }
  }
});

test("limits hold: batch size, token budget, dropLast", (t) => {
  for (const options of VARIANTS) {
    for (const batch of new BatchSampler(options).batches(0)) {
      t.true(batch.length <= (options.batchSize ?? Number.POSITIVE_INFINITY));
      const tokens = batch.reduce((sum, row) => sum + LENGTHS[row], 0);
      t.true(tokens <= (options.tokenBudget ?? Number.POSITIVE_INFINITY));
    }
  }
  t.is(new BatchSampler({ rows: 10, batchSize: 4 }).steps(0), 3);
  t.is(new BatchSampler({ rows: 10, batchSize: 4, dropLast: true }).steps(0), 2);
  t.is(new BatchSampler({ rows: 8, batchSize: 4, dropLast: true }).steps(0), 2);
  t.is(new BatchSampler({ rows: 0, batchSize: 4 }).steps(0), 0);
  const long = new BatchSampler({ lengths: [5, 500, 5], tokenBudget: 100 });
  t.deepEqual(
    long.batches(0).map((batch) => [...batch]),
    [[0], [1], [2]],
    "a row beyond the budget is a batch of its own",
  );
});

test("an order depends on seed and epoch alone", (t) => {
  const seed = testSeed(t);
  for (const options of VARIANTS) {
    const plan = (epoch: number, s = seed) => JSON.stringify(new BatchSampler({ ...options, seed: s }).batches(epoch));
    t.is(plan(4), plan(4));
    if (options.order !== undefined) {
      t.not(plan(4), plan(5));
      t.not(plan(4), plan(4, seed + 1));
    } else t.is(plan(4), plan(5));
  }
});

test("a run goes on from two integers as if it had never stopped", (t) => {
  for (const options of VARIANTS) {
    const whole = [...new BatchSampler({ ...options, seed: 9 }).iterate({ epoch: 0, step: 0 }, 3)];
    for (const stop of [0, 1, 57, whole.length / 3, whole.length - 2].map(Math.floor)) {
      const { next } = whole[stop];
      const resumed = [...new BatchSampler({ ...options, seed: 9 }).iterate(next, 3)];
      t.deepEqual(resumed, whole.slice(stop + 1));
    }
    const { epoch, step, rows } = whole[20];
    t.deepEqual(new BatchSampler({ ...options, seed: 9 }).batch({ epoch, step }), rows);
  }
});

test("grouping by length saves padding, and starts with the longest", (t) => {
  const padding = (order: BatchSamplerOptions["order"]) =>
    new BatchSampler({ lengths: LENGTHS, batchSize: 8, order }).batches(0).reduce((sum, batch) => {
      const lengths = [...batch].map((row) => LENGTHS[row]);
      return sum + Math.max(...lengths) * lengths.length - lengths.reduce((a, b) => a + b, 0);
    }, 0);
  t.true(padding("grouped-by-length") < padding("shuffled") / 10);
  const [first] = new BatchSampler({ lengths: LENGTHS, batchSize: 8, order: "grouped-by-length" }).batches(0);
  t.is(Math.max(...[...first].map((row) => LENGTHS[row])), Math.max(...LENGTHS));
});

test("shuffles are fair", (t) => {
  const seed = testSeed(t);
  const places = 6;
  const counts = new Float64Array(places * places);
  const rounds = 6000;
  for (let epoch = 0; epoch < rounds; epoch++) {
    const order = new BatchRandom(seed, epoch).shuffle(Uint32Array.from({ length: places }, (_, i) => i));
    for (let i = 0; i < places; i++) counts[i * places + order[i]] += 1;
  }
  // Chi-square with 25 degrees of freedom: beyond 65 once in a hundred thousand seeds.
  const expected = rounds / places;
  const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  t.true(chi < 65, `chi-square ${chi}`);
});

test("options that make no sense are refused", (t) => {
  const bad: BatchSamplerOptions[] = [
    { rows: 4 },
    { batchSize: 4 },
    { rows: 4, batchSize: 0 },
    { rows: 4, batchSize: 1.5 },
    { rows: 4, tokenBudget: 10 },
    { rows: 4, batchSize: 2, order: "grouped-by-length" },
    { rows: 4, lengths: [1], batchSize: 2 },
    { lengths: [1], tokenBudget: 5, dropLast: true },
    { rows: 4, batchSize: 2, seed: -1 },
  ];
  for (const options of bad) t.throws(() => new BatchSampler(options), { code: "BAD_OPTION" }, JSON.stringify(options));
  t.throws(() => new BatchSampler({ rows: 4, batchSize: 2 }).batch({ epoch: 0, step: 2 }), { code: "BAD_OPTION" });
});

test("packRows gathers sequences with everything they carry", (t) => {
  const encoding = {
    inputIds: Int32Array.of(1, 2, 3, 4, 5, 6),
    tokenTypeIds: Int32Array.of(0, 0, 1, 0, 1, 1),
    cuSeqlens: Int32Array.of(0, 3, 3, 4, 6),
    originalLengths: Int32Array.of(3, 0, 9, 2),
    offsets: Int32Array.from({ length: 12 }, (_, i) => i),
    wordIds: Int32Array.of(-1, 0, 1, -1, 0, 1),
  };
  t.deepEqual(packRows(encoding, [3, 1, 2, 3]), {
    inputIds: Int32Array.of(5, 6, 4, 5, 6),
    tokenTypeIds: Int32Array.of(1, 1, 0, 1, 1),
    cuSeqlens: Int32Array.of(0, 2, 2, 3, 5),
    originalLengths: Int32Array.of(2, 0, 9, 2),
    offsets: Int32Array.of(8, 9, 10, 11, 6, 7, 8, 9, 10, 11),
    wordIds: Int32Array.of(0, 1, -1, 0, 1),
  });
  t.is(packRows(encoding, []).inputIds.length, 0);
  t.throws(() => packRows(encoding, [4]), { code: "ROW_OUT_OF_RANGE" });
  t.deepEqual(packedPositions(encoding.cuSeqlens), Int32Array.of(0, 1, 2, 0, 0, 1));
});
