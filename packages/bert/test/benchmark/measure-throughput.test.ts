import test from "ava";
import { measureThroughput } from "../../src/benchmark/measure-throughput.js";
import { fixtureModel, readWeights } from "../training/support.js";

test("inference and training are measured, and training leaves the weights as they are", async (t) => {
  using model = await fixtureModel("tiny", { dropout: 0.1 });
  const before = await readWeights(model);
  for (const work of ["inference", "training"] as const) {
    const started = performance.now();
    const measured = await measureThroughput(model, { work, batchSize: 2, length: 8, seconds: 0.05 });
    const elapsed = (performance.now() - started) / 1000;
    const { secondsPerBatch, sequencesPerSecond } = measured;
    t.deepEqual([measured.work, measured.batchSize, measured.length, measured.precision], [work, 2, 8, "fp32"]);
    t.true(secondsPerBatch.n >= 3);
    t.true(0 < secondsPerBatch.p10 && secondsPerBatch.p10 <= secondsPerBatch.median);
    t.true(secondsPerBatch.median <= secondsPerBatch.p90 && secondsPerBatch.p90 <= elapsed);
    t.true(
      sequencesPerSecond.median >= 2 / secondsPerBatch.p90 && sequencesPerSecond.median <= 2 / secondsPerBatch.p10,
    );
    t.false(model.training);
  }
  t.deepEqual(await readWeights(model), before);
});

test("sizes that the model cannot take are refused", async (t) => {
  using model = await fixtureModel("tiny", {});
  const measure = (batchSize: number, length: number) =>
    measureThroughput(model, { work: "inference", batchSize, length });
  await t.throwsAsync(measure(0, 8), { message: /batchSize is 0, expected/ });
  await t.throwsAsync(measure(1, 49), { message: /length is 49, expected an integer from 1 to 48/ });
});
