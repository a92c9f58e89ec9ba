// Schedules against transformers' (fixtures/schedules.json, made by python/make_metric_fixtures.py).
import { readFileSync } from "node:fs";
import test from "ava";
import { type SchedulerName, scheduleFactor } from "../../src/training/schedule.js";

interface Case {
  scheduler: string;
  warmupSteps: number;
  steps: number;
  factors: number[];
}

const fixtures = JSON.parse(readFileSync(new URL("fixtures/schedules.json", import.meta.url), "utf8")) as {
  cases: Case[];
};

for (const { scheduler, warmupSteps, steps, factors } of fixtures.cases)
  test(`${scheduler}, ${warmupSteps} of ${steps} steps warm-up: equal to transformers`, (t) => {
    const name = scheduler.replace("_with_warmup", "") as SchedulerName;
    for (let k = 0; k < steps; k++) {
      const factor = scheduleFactor(name, k, warmupSteps, steps);
      t.true(Math.abs(factor - factors[k]) < 1e-15, `step ${k + 1}: ${factor}, expected ${factors[k]}`);
    }
  });
