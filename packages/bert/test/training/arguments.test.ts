import test from "ava";
import { resolveArguments, type TrainingArguments } from "../../src/training/arguments.js";
import { TrainingArgumentError } from "../../src/training/errors.js";

test("defaults are Hugging Face's", (t) => {
  const args = resolveArguments();
  t.like(args, {
    batchSize: 8,
    evalBatchSize: 8,
    gradientAccumulation: 1,
    epochs: 3,
    maxSteps: -1,
    learningRate: 5e-5,
    scheduler: "linear",
    warmupSteps: 0,
    weightDecay: 0,
    adamBeta1: 0.9,
    adamBeta2: 0.999,
    adamEpsilon: 1e-8,
    maxGradientNorm: 1,
    seed: 42,
    loggingSteps: 500,
    evalStrategy: "none",
  });
});

test("evalSteps follows loggingSteps, and undefined means the default", (t) => {
  const args = resolveArguments({ loggingSteps: 10, epochs: undefined });
  t.is(args.evalSteps, 10);
  t.is(args.epochs, 3);
});

const unknown: [string, RegExp][] = [
  ["learningrate", /Did you mean "learningRate"/],
  ["learnigRate", /Did you mean "learningRate"/],
  ["learning_rate", /Did you mean "learningRate"/],
  ["per_device_train_batch_size", /Did you mean "batchSize"/],
  ["perDeviceTrainBatchSize", /Did you mean "batchSize"/],
  ["num_train_epochs", /Did you mean "epochs"/],
  ["evaluation_strategy", /Did you mean "evalStrategy"/],
  ["evaluationStrategy", /Did you mean "evalStrategy"/],
  ["max_grad_norm", /Did you mean "maxGradientNorm"/],
  ["per_device_eval_batch_size", /Did you mean "evalBatchSize"/],
  ["fp16", /precision when the model is loaded/],
  ["report_to", /nothing is sent anywhere/],
  ["somethingElseEntirely", /Known are: batchSize, /],
];

for (const [key, message] of unknown)
  test(`unknown: ${key}`, (t) => {
    const error = t.throws(() => resolveArguments({ [key]: 1 } as Partial<TrainingArguments>), {
      instanceOf: TrainingArgumentError,
      message,
    });
    t.is(error?.code, "ERR_TRAINING_ARGUMENT");
  });

const invalid: [Partial<Record<keyof TrainingArguments, unknown>>, RegExp][] = [
  [{ batchSize: 0 }, /batchSize is 0, expected an integer of at least 1/],
  [{ batchSize: 2.5 }, /batchSize is 2.5/],
  [{ batchSize: "8" }, /batchSize is "8"/],
  [{ epochs: 0 }, /epochs is 0, expected a number above 0/],
  [{ epochs: Number.NaN }, /epochs is NaN/],
  [{ maxSteps: 0 }, /maxSteps is 0/],
  [{ learningRate: -1 }, /learningRate is -1/],
  [{ warmupRatio: 1.5 }, /warmupRatio is 1.5, expected a number from 0 to 1/],
  [{ adamBeta2: 1 }, /adamBeta2 is 1/],
  [{ scheduler: "liner" }, /scheduler is "liner".*Did you mean "linear"/],
  [{ order: "random" }, /order is "random", expected one of "shuffled", "sequential"/],
  [{ evalStrategy: "no" }, /evalStrategy is "no"/],
  [{ strict: 1 }, /strict is 1, expected true or false/],
  [{ loadBestModelAtEnd: true }, /needs evaluations to choose by/],
  [{ saveStrategy: "epoch" }, /outputDir is not set/],
];

for (const [given, message] of invalid)
  test(`refused: ${JSON.stringify(given)}`, (t) => {
    t.throws(() => resolveArguments(given as Partial<TrainingArguments>), {
      instanceOf: TrainingArgumentError,
      message,
    });
  });
