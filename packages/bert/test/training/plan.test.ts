import test from "ava";
import { resolveArguments } from "../../src/training/arguments.js";
import { plannedSteps, planTraining, rowOrder } from "../../src/training/plan.js";
import { randomFrom } from "../../src/training/random.js";

/** Where rows of 10 tokens start. */
const equalLengths = (rows: number) => Int32Array.from({ length: rows + 1 }, (_, row) => 10 * row);
const rowsOf = (batches: readonly Int32Array[]) => batches.map((batch) => [...batch]);

test("an incomplete last batch and an incomplete last accumulation are steps, as in Hugging Face", (t) => {
  const args = resolveArguments({ batchSize: 2, gradientAccumulation: 2, epochs: 2, order: "sequential" });
  const plan = planTraining(args, equalLengths(5));
  t.like(plan, { batchesPerEpoch: 3, stepsPerEpoch: 2, steps: 4 });
  const steps = [...plannedSteps(args, plan)];
  t.deepEqual(rowsOf(steps[0].batches), [
    [0, 1],
    [2, 3],
  ]);
  t.deepEqual(rowsOf(steps[1].batches), [[4]]);
  t.deepEqual(rowsOf(steps[2].batches), rowsOf(steps[0].batches));
  t.deepEqual(
    steps.map(({ step, epoch, endsEpoch }) => [step, epoch, endsEpoch]),
    [
      [1, 0, false],
      [2, 0, true],
      [3, 1, false],
      [4, 1, true],
    ],
  );
});

test("fractions of an epoch are rounded up to steps, maxSteps wins, warm-up is a share of all steps", (t) => {
  const plan = (args: object) => planTraining(resolveArguments({ batchSize: 8, ...args }), equalLengths(250));
  t.is(plan({ epochs: 1 }).steps, 32);
  t.is(plan({ epochs: 0.5 }).steps, 16);
  t.is(plan({ epochs: 1.01 }).steps, 33);
  t.is(plan({ maxSteps: 7 }).steps, 7);
  t.is(plan({ epochs: 1, warmupRatio: 0.1 }).warmupSteps, 4);
  t.is(plan({ epochs: 1, warmupRatio: 0.1, warmupSteps: 2 }).warmupSteps, 2);
});

test("an epoch that is cut short still ends", (t) => {
  const args = resolveArguments({ batchSize: 1, maxSteps: 3 });
  const steps = [...plannedSteps(args, planTraining(args, equalLengths(10)))];
  t.deepEqual(
    steps.map(({ endsEpoch }) => endsEpoch),
    [false, false, true],
  );
});

test("the order is shuffled anew in each epoch, by the seed, and each row comes once", (t) => {
  const order = (seed: number, epoch: number) => [...rowOrder({ order: "shuffled", seed }, 40, epoch)];
  t.deepEqual(order(1, 0), order(1, 0));
  t.notDeepEqual(order(1, 0), order(1, 1));
  t.notDeepEqual(order(1, 0), order(2, 0));
  t.deepEqual(
    order(1, 0).sort((a, b) => a - b),
    Array.from({ length: 40 }, (_, i) => i),
  );
});

test("starting later gives the same steps", (t) => {
  const args = resolveArguments({ batchSize: 3, gradientAccumulation: 2, epochs: 3 });
  const plan = planTraining(args, equalLengths(20));
  const all = [...plannedSteps(args, plan)];
  const late = [...plannedSteps(args, plan, 6)];
  t.deepEqual(late, all.slice(5));
});

test("counted in tokens, batches of an epoch are about equal, each row comes once, and their number does not change", (t) => {
  const random = randomFrom(5);
  const lengths = Array.from({ length: 203 }, () => 3 + random.below(60));
  const cuSeqlens = Int32Array.from([0, ...lengths]);
  for (let row = 1; row < cuSeqlens.length; row++) cuSeqlens[row] += cuSeqlens[row - 1];
  const args = resolveArguments({ tokensPerBatch: 256, epochs: 3 });
  const plan = planTraining(args, cuSeqlens);
  t.is(plan.batchesPerEpoch, Math.ceil(cuSeqlens[203] / 256));
  const steps = [...plannedSteps(args, plan)];
  t.is(steps.length, 3 * plan.batchesPerEpoch);
  for (let epoch = 0; epoch < 3; epoch++) {
    const batches = steps.filter((step) => step.epoch === epoch).flatMap((step) => rowsOf(step.batches));
    t.deepEqual(
      batches.flat().sort((a, b) => a - b),
      Array.from(lengths, (_, row) => row),
    );
    for (const batch of batches) {
      const tokens = batch.reduce((sum, row) => sum + lengths[row], 0);
      t.true(tokens > 256 - 130 && tokens < 256 + 63, `${tokens}`);
    }
  }
});

test("counted in tokens, every batch has a row, however long the rows and few the tokens", (t) => {
  for (const tokensPerBatch of [1, 9, 11, 1000]) {
    const args = resolveArguments({ tokensPerBatch, epochs: 1 });
    const cuSeqlens = Int32Array.from([0, 100, 101, 102, 103]);
    const steps = [...plannedSteps(args, planTraining(args, cuSeqlens))];
    t.true(
      steps.every(({ batches }) => batches.length === 1 && batches[0].length > 0),
      `${tokensPerBatch}`,
    );
    t.is(steps.flatMap(({ batches }) => [...batches[0]]).length, 4);
  }
});
