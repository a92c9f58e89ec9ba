// Ten AdamW steps against PyTorch's (test/fixtures/*/trajectory-*.json): loss, rate and gradient norm at each step, and the final weights.

import { openDevice } from "@node-bert/core-native";
import test from "ava";
import { SafetensorsFile } from "../../src/safetensors/open-file.js";
import type { LogEntry } from "../../src/training/events.js";
import { Trainer } from "../../src/training/trainer.js";
import { fixtureJson, fixtureModel, fixturePath, fixtureRows, normalisedError, quiet } from "./support.js";

interface Trajectory {
  settings: {
    learningRate: number;
    weightDecay: number;
    maxGradientNorm: number;
    scheduler: "linear" | "constant";
    warmupSteps: number;
    batchSize: number;
    steps: number;
    adamBeta1: number;
    adamBeta2: number;
    adamEpsilon: number;
  };
  steps: LogEntry[];
}

const DEVICES = [
  { name: "cpu", lossTolerance: 1e-5, weightTolerance: 1e-6 },
  { name: "reference", lossTolerance: 1e-7, weightTolerance: 1e-7 },
];

for (const { name, lossTolerance, weightTolerance } of DEVICES)
  for (const folder of ["tiny", "odd"] as const)
    for (const run of ["decay", "plain"])
      test(`${folder}, ${run} on ${name}: ten steps are PyTorch's`, async (t) => {
        const { settings, steps } = fixtureJson<Trajectory>(`${folder}/trajectory-${run}.json`);
        const { steps: maxSteps, ...rest } = settings;
        const { learningRate, weightDecay, maxGradientNorm, scheduler, warmupSteps, batchSize } = rest;
        const { adamBeta1, adamBeta2, adamEpsilon } = rest;
        using device = openDevice(name);
        using model = await fixtureModel(folder, { device });
        const train = await fixtureRows(folder);
        using trainer = new Trainer({
          model,
          train,
          callbacks: quiet,
          args: {
            learningRate,
            weightDecay,
            maxGradientNorm,
            scheduler,
            warmupSteps,
            batchSize,
            adamBeta1,
            adamBeta2,
            adamEpsilon,
            maxSteps,
            order: "sequential",
            loggingSteps: 1,
          },
        });
        const { log } = await trainer.train();
        t.is(log.length, 10);
        let worst = 0;
        steps.forEach((expected, i) => {
          t.is(log[i].step, expected.step);
          t.true(Math.abs(log[i].learningRate - expected.learningRate) <= 1e-12 * expected.learningRate);
          const lossError = Math.abs(log[i].loss / expected.loss - 1);
          const normError = Math.abs(log[i].gradientNorm / expected.gradientNorm - 1);
          worst = Math.max(worst, lossError, normError);
          t.true(lossError <= lossTolerance, `step ${i + 1}: loss ${log[i].loss}, PyTorch ${expected.loss}`);
          t.true(
            normError <= lossTolerance,
            `step ${i + 1}: norm ${log[i].gradientNorm}, PyTorch ${expected.gradientNorm}`,
          );
        });
        t.log(`worst relative error of loss and gradient norm: ${worst.toExponential(1)}`);
        if (folder !== "tiny" || run !== "decay") return;

        const file = await SafetensorsFile.open(fixturePath("tiny/trajectory-decay.safetensors"));
        let worstWeight = 0;
        for (const { name: parameter, tensor } of model.parameters) {
          // The gradient of a key bias is rounding noise, which AdamW turns into a walk without effect.
          if (parameter.endsWith("attention.self.key.bias")) continue;
          const bytes = await file.readBytes(parameter);
          const error = normalisedError(
            await tensor.read(),
            new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4),
          );
          worstWeight = Math.max(worstWeight, error);
          t.true(error <= weightTolerance, `${parameter}: normalised error ${error}`);
        }
        await file.close();
        t.log(`worst normalised error of a final weight: ${worstWeight.toExponential(1)}`);
      });
