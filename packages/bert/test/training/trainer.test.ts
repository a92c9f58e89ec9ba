import { mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDevice } from "@node-bert/core-native";
import test from "ava";
import type { TrainingArguments } from "../../src/training/arguments.js";
import {
  CheckpointError,
  NotFiniteError,
  TrainingArgumentError,
  TrainingDataError,
} from "../../src/training/errors.js";
import type { TrainingEvent } from "../../src/training/events.js";
import { Trainer, type TrainerOptions } from "../../src/training/trainer.js";
import { cpu, equalRows, fixtureModel, fixtureRows, normalisedError, quiet, readWeights } from "./support.js";

const folder = () => mkdtemp(join(tmpdir(), "node-bert-trainer-"));

/** Trains tiny on its rows and gives the final weights. */
async function trained(args: Partial<TrainingArguments>, dropout = 0.1) {
  using model = await fixtureModel("tiny", { dropout });
  using trainer = new Trainer({ model, train: await fixtureRows("tiny"), args, callbacks: quiet });
  const result = await trainer.train();
  return { weights: await readWeights(model), result };
}

test.serial("the same seed gives bit-identical weights, another seed others", async (t) => {
  const args = { batchSize: 4, epochs: 2, learningRate: 1e-3, seed: 5 };
  const first = await trained(args);
  const second = await trained(args);
  t.deepEqual(second.weights, first.weights);
  t.deepEqual(second.result.log, first.result.log);
  const other = await trained({ ...args, seed: 6 });
  t.notDeepEqual(other.weights, first.weights);
});

test.serial("dropout is on while training, as strong as the model says", async (t) => {
  const args = { batchSize: 8, maxSteps: 5, learningRate: 0, loggingSteps: 1, order: "sequential" } as const;
  const [none, some, much] = [await trained(args, 0), await trained(args, 0.1), await trained(args, 0.6)];
  const distance = ({ result }: typeof some) =>
    result.log.reduce((sum, { loss }, i) => sum + Math.abs(loss - none.result.log[i].loss), 0);
  t.true(distance(some) > 0);
  t.true(distance(much) > 2 * distance(some));
});

test.serial("several threads give the same bits twice", async (t) => {
  const run = async () => {
    using device = openDevice("cpu", { threads: 2 });
    using model = await fixtureModel("odd", { device, dropout: 0.1 });
    using trainer = new Trainer({ model, train: await fixtureRows("odd"), args: { maxSteps: 4 }, callbacks: quiet });
    await trainer.train();
    return await readWeights(model);
  };
  t.deepEqual(await run(), await run());
});

test.serial("every trainable tensor moves, frozen ones stay and cost no optimizer state", async (t) => {
  using model = await fixtureModel("tiny");
  const before = await readWeights(model);
  using all = new Trainer({
    model,
    train: await fixtureRows("tiny"),
    args: { maxSteps: 3, learningRate: 1e-3 },
    callbacks: quiet,
  });
  await all.train();
  const after = await readWeights(model);
  for (const [name, values] of after) t.notDeepEqual(values, before.get(name), name);

  using other = await fixtureModel("tiny");
  other.parameters.setTrainable("last-1");
  const events: TrainingEvent[] = [];
  using last = new Trainer({
    model: other,
    train: await fixtureRows("tiny"),
    args: { maxSteps: 3, learningRate: 1e-3 },
  });
  for await (const event of last.run()) events.push(event);
  const moved = new Set<string>();
  for (const [name, values] of await readWeights(other))
    if (values.some((value, i) => value !== before.get(name)?.[i])) moved.add(name);
  const trainable = [...other.parameters].filter((parameter) => parameter.trainable);
  t.deepEqual([...moved].sort(), trainable.map(({ name }) => name).sort());
  const started = events[0].type === "started" ? events[0] : events.find((event) => event.type === "started");
  t.is(
    started?.trainableParameters,
    trainable.reduce((sum, { size }) => sum + size, 0),
  );
});

test.serial("batches of 8 equal 2 × 4 accumulated, an incomplete accumulation and batch included", async (t) => {
  // 37 rows: 4 steps of 8 and one of 5, which is 4 + 1.
  const train = await fixtureRows(
    "tiny",
    Int32Array.from({ length: 37 }, (_, row) => row),
  );
  const run = async (args: Partial<TrainingArguments>) => {
    using model = await fixtureModel("tiny");
    const common = { epochs: 2, learningRate: 1e-3, loggingSteps: 1 };
    using trainer = new Trainer({ model, train, args: { ...common, ...args }, callbacks: quiet });
    return { log: (await trainer.train()).log, weights: await readWeights(model) };
  };
  const whole = await run({ batchSize: 8 });
  const parts = await run({ batchSize: 4, gradientAccumulation: 2 });
  t.is(whole.log.length, 10);
  t.is(parts.log.length, 10);
  whole.log.forEach((entry, i) => {
    t.true(Math.abs(parts.log[i].loss / entry.loss - 1) < 1e-5, `step ${i + 1}: ${parts.log[i].loss}, ${entry.loss}`);
    t.true(Math.abs(parts.log[i].gradientNorm / entry.gradientNorm - 1) < 1e-4, `step ${i + 1}: gradient norm`);
  });
  for (const [name, values] of parts.weights) {
    // The gradient of a key bias is rounding noise, which AdamW turns into a walk without effect.
    if (name.endsWith("key.bias")) continue;
    const error = normalisedError(values, whole.weights.get(name) ?? []);
    t.true(error < 1e-4, `${name}: normalised error ${error}`);
  }
});

test.serial("from the third step on nothing is allocated", async (t) => {
  using model = await fixtureModel("tiny", { dropout: 0.1 });
  const train = equalRows(64, 24, model.config.vocabSize);
  using trainer = new Trainer({ model, train, args: { batchSize: 4, epochs: 1 } });
  const allocations: number[] = [];
  const live: number[] = [];
  for await (const event of trainer.run())
    if (event.type === "step") {
      allocations.push(cpu.memory().allocations);
      live.push(cpu.memory().liveTensors);
    }
  t.is(allocations.length, 16);
  t.is(new Set(allocations.slice(3)).size, 1, `allocations after each step: ${allocations.join(", ")}`);
  t.is(new Set(live.slice(2, -1)).size, 1, `tensors after each step: ${live.join(", ")}`);
});

test.serial("with rows of many lengths nothing is allocated from the second epoch on", async (t) => {
  using model = await fixtureModel("tiny", { dropout: 0.1 });
  using trainer = new Trainer({ model, train: await fixtureRows("tiny"), args: { batchSize: 4, epochs: 4 } });
  const allocations: number[] = [];
  for await (const event of trainer.run()) if (event.type === "step") allocations.push(cpu.memory().allocations);
  t.is(new Set(allocations.slice(10)).size, 1, `allocations after each step: ${allocations.join(", ")}`);
});

test.serial("events come in order; the first, the last and each epoch's last step are logged", async (t) => {
  using model = await fixtureModel("tiny");
  using trainer = new Trainer({ model, train: await fixtureRows("tiny"), args: { batchSize: 8, epochs: 2 } });
  const events: TrainingEvent[] = [];
  for await (const event of trainer.run()) events.push(event);
  const types = events.map((event) => event.type).filter((type) => type !== "notice");
  t.is(types[0], "started");
  t.is(types.at(-1), "finished");
  t.is(types.filter((type) => type === "step").length, 10);
  t.deepEqual(
    events.flatMap((event) => (event.type === "log" ? [event.step] : [])),
    [1, 5, 10],
  );
  t.deepEqual(
    events.flatMap((event) => (event.type === "epochEnd" ? [event.epoch] : [])),
    [1, 2],
  );
  const finished = events.at(-1);
  if (finished?.type !== "finished") return t.fail();
  const { result } = finished;
  t.like(result, { rows: 40, steps: 10, epochs: 2, interrupted: false });
  t.is(result.log.length, 3);
  t.true(result.tokens < result.paddedTokens && result.tokens > 0);
  t.true(result.seconds > 0 && result.samplesPerSecond > 0 && result.tokensPerSecond > 0);
  t.true(result.peakMemoryBytes > 2 ** 20);
});

test.serial("tokens and padded tokens are those of the batches", async (t) => {
  using model = await fixtureModel("tiny");
  const train = await fixtureRows("tiny", [0, 1, 2, 3, 4]);
  using trainer = new Trainer({
    model,
    train,
    args: { batchSize: 2, epochs: 1, order: "sequential" },
    callbacks: quiet,
  });
  const { tokens, paddedTokens } = await trainer.train();
  const lengths = [...train.originalLengths];
  t.is(tokens, train.inputIds.length);
  t.is(paddedTokens, 2 * Math.max(lengths[0], lengths[1]) + 2 * Math.max(lengths[2], lengths[3]) + lengths[4]);
});

test.serial("a resumed run goes on bit by bit, dropout and order included", async (t) => {
  const args = {
    batchSize: 4,
    epochs: 3,
    learningRate: 1e-3,
    warmupSteps: 3,
    scheduler: "cosine",
    weightDecay: 0.01,
  } as const;
  const whole = await trained(args, 0.2);
  const outputDir = await folder();

  using model = await fixtureModel("tiny", { dropout: 0.2 });
  const train = await fixtureRows("tiny");
  using first = new Trainer({
    model,
    train,
    args: { ...args, outputDir, saveStrategy: "steps", saveSteps: 13 },
    callbacks: quiet,
  });
  for await (const event of first.run()) if (event.type === "saved") break;
  t.deepEqual(await readdir(outputDir), ["checkpoint-13"]);

  using fresh = await fixtureModel("tiny", { dropout: 0.2 });
  using second = new Trainer({ model: fresh, train, args, callbacks: quiet });
  const result = await second.train({ resumeFrom: join(outputDir, "checkpoint-13") });
  t.deepEqual(await readWeights(fresh), whole.weights);
  t.is(result.steps, 30);
  t.deepEqual(
    result.log.filter(({ step }) => step > 13),
    whole.result.log.filter(({ step }) => step > 13),
  );
});

test.serial(
  "leaving the loop while a step is under way leaves a state that can be saved and gone on from",
  async (t) => {
    const args = { batchSize: 4, epochs: 2, learningRate: 1e-3 };
    const whole = await trained(args);
    const path = join(await folder(), "left");
    using model = await fixtureModel("tiny", { dropout: 0.1 });
    const train = await fixtureRows("tiny");
    using first = new Trainer({ model, train, args, callbacks: quiet });
    for await (const event of first.run()) if (event.type === "step" && event.step === 5) break;
    t.false(model.training);
    await first.saveCheckpoint(path);
    using fresh = await fixtureModel("tiny", { dropout: 0.1 });
    using second = new Trainer({ model: fresh, train, args, callbacks: quiet });
    const result = await second.train({ resumeFrom: path });
    t.deepEqual(await readWeights(fresh), whole.weights);
    t.deepEqual(result.log, whole.result.log);
  },
);

test.serial("leaving the loop at a step that is followed by a checkpoint counts it once", async (t) => {
  const outputDir = await folder();
  using model = await fixtureModel("tiny");
  const args = { batchSize: 8, epochs: 1, loggingSteps: 1, outputDir, saveStrategy: "steps", saveSteps: 3 } as const;
  using first = new Trainer({ model, train: await fixtureRows("tiny"), args });
  for await (const event of first.run()) if (event.type === "step" && event.step === 3) break;
  const path = join(outputDir, "left");
  await first.saveCheckpoint(path);
  using fresh = await fixtureModel("tiny");
  using second = new Trainer({ model: fresh, train: await fixtureRows("tiny"), args, callbacks: quiet });
  const { log } = await second.train({ resumeFrom: path });
  t.deepEqual(
    log.map(({ step }) => step),
    [1, 2, 3, 4, 5],
  );
});

test.serial("bf16: the same seed gives the same bits, and resuming is exact", async (t) => {
  const args = { batchSize: 4, epochs: 2, learningRate: 1e-3 };
  const path = join(await folder(), "bf16");
  const train = await fixtureRows("tiny");
  const run = async (stopAt: number, resumeFrom?: string) => {
    using model = await fixtureModel("tiny", { dropout: 0.1, precision: "bf16" });
    using trainer = new Trainer({ model, train, args, callbacks: quiet });
    for await (const event of trainer.run({ resumeFrom })) if (event.type === "step" && event.step === stopAt) break;
    if (stopAt < 20) await trainer.saveCheckpoint(path);
    return await readWeights(model);
  };
  const whole = await run(20);
  t.deepEqual(await run(20), whole);
  await run(7);
  t.deepEqual(await run(20, path), whole);
});

test.serial("a checkpoint of other rows, arguments or parameters is refused", async (t) => {
  const path = join(await folder(), "kept");
  const train = await fixtureRows("tiny");
  const args = { batchSize: 4, maxSteps: 4 };
  using model = await fixtureModel("tiny");
  using trainer = new Trainer({ model, train, args, callbacks: quiet });
  await t.throwsAsync(trainer.saveCheckpoint(path), { instanceOf: TrainingDataError });
  await trainer.train();
  await trainer.saveCheckpoint(path);
  const resume = async (data: typeof train, changed: Partial<TrainingArguments>, selector = "all", from = path) => {
    using other = await fixtureModel("tiny");
    other.parameters.setTrainable(selector);
    using resumed = new Trainer({ model: other, train: data, args: { ...args, ...changed }, callbacks: quiet });
    await resumed.train({ resumeFrom: from });
  };
  await t.throwsAsync(resume(train, { learningRate: 1e-4 }), {
    instanceOf: CheckpointError,
    message: /learningRate was 0\.00005, is 0\.0001/,
  });
  await t.throwsAsync(resume(await fixtureRows("tiny", [1, 2, 3]), {}), {
    instanceOf: CheckpointError,
    message: /other training rows/,
  });
  await t.throwsAsync(resume(train, {}, "head"), {
    instanceOf: CheckpointError,
    message: /other parameters were trained/,
  });
  await t.throwsAsync(resume(train, {}, "all", "nowhere"), {
    instanceOf: CheckpointError,
    message: /nowhere.*training\.json/,
  });
});

test.serial("only the newest checkpoints are kept", async (t) => {
  const outputDir = await folder();
  await trained({ batchSize: 8, epochs: 1, outputDir, saveStrategy: "steps", saveSteps: 1, saveTotalLimit: 2 });
  t.deepEqual((await readdir(outputDir)).sort(), ["checkpoint-4", "checkpoint-5"]);
});

test.serial("an abort ends after the step under way and says what was kept", async (t) => {
  const outputDir = await folder();
  const abort = new AbortController();
  using model = await fixtureModel("tiny");
  const notices: string[] = [];
  using trainer = new Trainer({
    model,
    train: await fixtureRows("tiny"),
    args: { batchSize: 4, epochs: 5, outputDir },
    callbacks: {
      ...quiet,
      onStep: ({ step }) => {
        if (step === 6) abort.abort();
      },
      onNotice: ({ message }) => notices.push(message),
    },
  });
  const result = await trainer.train({ signal: abort.signal });
  t.true(result.interrupted);
  t.is(result.steps, 7);
  t.regex(notices.at(-1) ?? "", /Stopped after step 7 of 50: everything needed to go on is in .*checkpoint-7/);
  t.deepEqual(await readdir(outputDir), ["checkpoint-7"]);
});

test.serial("a loss that is not a number stops the training, naming step and rows", async (t) => {
  using model = await fixtureModel("tiny");
  model.parameters.get("classifier.weight").tensor.write(new Float32Array(64).fill(Number.NaN));
  const train = await fixtureRows("tiny");
  using trainer = new Trainer({ model, train, args: { batchSize: 4, order: "sequential" }, callbacks: quiet });
  const error = await t.throwsAsync(trainer.train(), { instanceOf: NotFiniteError });
  t.is((error as NotFiniteError).step, 1);
  t.deepEqual((error as NotFiniteError).rows, [0, 1, 2, 3]);
  await t.throwsAsync(trainer.saveCheckpoint(await folder()), { instanceOf: CheckpointError, message: /not usable/ });
  t.regex(error?.message ?? "", /step 1: the loss became NaN.*rows of that step: 0, 1, 2, 3\./);
});

test.serial("a rate that is far too high is caught as well", async (t) => {
  const error = await t.throwsAsync(trained({ learningRate: 1e38, maxGradientNorm: 0 }), {
    instanceOf: NotFiniteError,
  });
  t.true((error as NotFiniteError).step > 1);
});

test.serial(
  "evaluations while training use validation rows carved from the training rows, and choose the best weights",
  async (t) => {
    using model = await fixtureModel("tiny");
    const train = await fixtureRows("tiny");
    const evaluations: { step: number; loss: number }[] = [];
    using trainer = new Trainer({
      model,
      train,
      args: {
        batchSize: 4,
        epochs: 6,
        learningRate: 5e-3,
        evalStrategy: "epoch",
        validationFraction: 0.2,
        loadBestModelAtEnd: true,
      },
      callbacks: { ...quiet, onEvaluated: ({ step, evaluation }) => evaluations.push({ step, loss: evaluation.loss }) },
    });
    const result = await trainer.train();
    t.is(result.rows, 32);
    t.is(evaluations.length, 6);
    const best = evaluations.reduce((least, each) => (each.loss < least.loss ? each : least));
    t.deepEqual(result.best, { step: best.step, metric: best.loss });
    t.not(best.step, evaluations.at(-1)?.step, "the last is the best: the test would prove nothing");
  },
);

test.serial(
  "evaluate and predict agree, do not train, and leave the model in training mode as they found it",
  async (t) => {
    using model = await fixtureModel("tiny", { dropout: 0.5 });
    const test = await fixtureRows("tiny");
    using trainer = new Trainer({ model, test, callbacks: quiet });
    const before = await readWeights(model);
    const evaluation = await trainer.evaluate();
    const predictions = await trainer.predict(test);
    const right = predictions.filter(({ label }, b) => label === model.id2label[test.labels?.[b] ?? -1]).length;
    t.is(evaluation.rows, 40);
    t.is(right / 40, evaluation.accuracy);
    for (const { score, logits } of predictions) t.true(score >= 0.5 && score <= 1 && logits.length === 2);
    t.deepEqual(await readWeights(model), before);
    model.train();
    t.deepEqual(await trainer.evaluate(), evaluation);
    t.true(model.training);
  },
);

test.serial("options that would be ignored in silence are refused", async (t) => {
  using model = await fixtureModel("tiny");
  const refused = (option: object, message: RegExp) =>
    t.throws(() => new Trainer({ model, ...option } as TrainerOptions), { instanceOf: TrainingArgumentError, message });
  refused({ eval: 1 }, /no option "eval". Did you mean validation/);
  refused({ trainDataset: 1 }, /Did you mean train\?/);
  refused({ tokeniser: 1 }, /Did you mean tokenizer/);
  refused({ learningRate: 1 }, /Did you mean args: \{ learningRate \}/);
  refused({ computeMetrics: 1 }, /always computed/);
});

test.serial("what cannot be trained or evaluated is said", async (t) => {
  using model = await fixtureModel("tiny");
  const train = await fixtureRows("tiny");
  using nothing = new Trainer({ model, callbacks: quiet });
  await t.throwsAsync(nothing.train(), { instanceOf: TrainingDataError, message: /no training rows/ });
  await t.throwsAsync(nothing.evaluate(), { instanceOf: TrainingDataError, message: /no test rows/ });
  t.throws(() => new Trainer({ model, train, args: { maxLength: 1000 } }), {
    instanceOf: TrainingArgumentError,
    message: /maxLength is 1000, expected at most 48/,
  });
  model.parameters.setTrainable("none");
  using frozen = new Trainer({ model, train, callbacks: quiet });
  await t.throwsAsync(frozen.train(), { instanceOf: TrainingArgumentError, message: /frozen/ });
});
