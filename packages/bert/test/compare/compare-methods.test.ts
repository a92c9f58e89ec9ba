import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { type CompareOptions, compareMethods } from "../../src/compare/compare-methods.js";
import { cachedFeatures } from "../../src/compare/feature-cache.js";
import { linearProbe } from "../../src/compare/probe.js";
import { TrainingArgumentError } from "../../src/training/errors.js";
import { type EncodedRows, takeRows } from "../../src/training/rows.js";
import { Trainer } from "../../src/training/trainer.js";
import { cpu, fixtureModel, fixtureRows, normalisedError, quiet } from "../training/support.js";

const folder = () => mkdtemp(join(tmpdir(), "node-bert-compare-"));
const half = (from: number) => Int32Array.from({ length: 20 }, (_, row) => from + row);

async function options(more: Partial<CompareOptions> = {}): Promise<CompareOptions> {
  const rows = await fixtureRows("tiny");
  return {
    loadModel: ({ seed }) => fixtureModel("tiny", { seed }),
    train: takeRows(rows, half(0)),
    test: takeRows(rows, half(20)),
    args: { batchSize: 4, epochs: 1, learningRate: 1e-3 },
    lastLayers: 1,
    ...more,
  };
}

test.serial("compares an untrained head, a probe, the last layers and everything on the same rows", async (t) => {
  const live = cpu.memory().liveTensors;
  const seen: string[] = [];
  const methods = await compareMethods(await options({ onMethod: ({ name }) => seen.push(name) }));
  t.deepEqual(seen, ["untrained", "probe", "last-k", "full"]);
  t.deepEqual(
    methods.map(({ name }) => name),
    seen,
  );
  const [untrained, probe, last, full] = methods;
  t.is(untrained.trainableParameters, 0);
  t.is(probe.trainableParameters, 33);
  using model = await fixtureModel("tiny");
  const { total } = model.parameters.count();
  t.is(last.trainableParameters, model.parameters.setTrainable("last-1"));
  t.is(full.trainableParameters, total);
  for (const method of methods) {
    t.is(method.eval.rows, 20);
    t.true(method.peakMemoryBytes > 4 * total, `${method.name}: ${method.peakMemoryBytes} bytes`);
  }
  t.true(full.peakMemoryBytes > last.peakMemoryBytes && last.peakMemoryBytes > untrained.peakMemoryBytes);
  t.is(full.train?.steps, 5);
  model.dispose();
  t.is(cpu.memory().liveTensors, live, "a model, an optimizer or a batch was left behind");
});

test.serial("the untrained head's row is what predicting without training gives", async (t) => {
  const [untrained] = await compareMethods(await options({ methods: ["untrained"] }));
  const [again] = await compareMethods(await options({ methods: ["untrained"] }));
  t.deepEqual(again.eval, untrained.eval);
  t.is(untrained.predictions?.length, 8);
  using model = await fixtureModel("tiny");
  using trainer = new Trainer({ model, callbacks: quiet });
  const test = (await options()).test as EncodedRows;
  const predictions = await trainer.predict(takeRows(test, [0, 1, 2, 3, 4, 5, 6, 7]));
  untrained.predictions?.forEach(({ actual, ...prediction }, b) => {
    t.deepEqual(prediction, predictions[b]);
    t.is(actual, model.id2label[test.labels?.[b] ?? -1]);
  });
});

test.serial("several seeds give a mean and a deviation; methods keep their order", async (t) => {
  const given = await options({ methods: ["full", "probe"], seeds: [1, 2, 3] });
  const [probe, full] = await compareMethods(given);
  t.is(probe.name, "probe");
  t.is(probe.seeds, undefined);
  t.deepEqual(full.seeds?.seeds, [1, 2, 3]);
  t.is(full.seeds?.accuracy.values.length, 3);
  t.is(full.seeds?.loss.values[0], full.eval.loss);
  t.not(full.seeds?.loss.deviation, 0);
});

test.serial("partial asks the loader for what is not to be pretrained", async (t) => {
  const requests: unknown[] = [];
  const given = await options({ methods: ["partial"], reinitialize: "last-1" });
  const load = given.loadModel;
  given.loadModel = (request) => {
    requests.push(request);
    return load(request);
  };
  const [partial] = await compareMethods(given);
  t.deepEqual(requests, [{ method: "partial", seed: 42, reinitialize: "last-1", keepLayers: undefined }]);
  t.regex(partial.description, /last-1 from random values/);
});

test.serial("an aborted comparison gives the methods that are done", async (t) => {
  const abort = new AbortController();
  const given = await options({ signal: abort.signal, onMethod: ({ name }) => name === "probe" && abort.abort() });
  const methods = await compareMethods(given);
  t.deepEqual(
    methods.map(({ name }) => name),
    ["untrained", "probe"],
  );
});

test.serial("what makes no sense is refused before anything is loaded", async (t) => {
  const refused = async (more: Partial<CompareOptions>, message: RegExp) => {
    const given = await options({ ...more, loadModel: () => t.fail() as never });
    await t.throwsAsync(compareMethods(given), { instanceOf: TrainingArgumentError, message });
  };
  await refused({ methods: ["partial"] }, /needs reinitialize/);
  await refused({ methods: ["best" as never] }, /no method "best"/);
  await refused({ lastLayers: 0 }, /lastLayers is 0/);
  await refused({ seeds: [] }, /at least one seed/);
  await refused({ args: { epochs: -1 } }, /epochs is -1/);
});

test.serial("warnings that every method would repeat are given once", async (t) => {
  const messages: string[] = [];
  const given = await options({ methods: ["last-k", "full"] });
  given.onEvent = (event) => event.type === "notice" && messages.push(event.message);
  await compareMethods(given);
  t.is(new Set(messages).size, messages.length);
  t.true(messages.length > 0);
});

test.serial("pooled features are Hugging Face's hidden states, averaged or of the first token", async (t) => {
  using model = await fixtureModel("tiny");
  const rows = await fixtureRows("tiny", [3, 1, 4]);
  const { hiddenStates } = model.eval().forward(rows, { hiddenStates: true });
  const hidden = (await hiddenStates?.at(-1)?.read()) as Float32Array;
  const width = model.config.hiddenSize;
  const expected = { mean: new Float64Array(3 * width), cls: new Float64Array(3 * width) };
  for (let b = 0; b < 3; b++) {
    const [from, to] = [rows.cuSeqlens[b], rows.cuSeqlens[b + 1]];
    for (let h = 0; h < width; h++) {
      for (let n = from; n < to; n++) expected.mean[b * width + h] += hidden[n * width + h] / (to - from);
      expected.cls[b * width + h] = hidden[from * width + h];
    }
  }
  for (const pooling of ["mean", "cls"] as const) {
    const { features } = await cachedFeatures(model, rows, { pooling, tokensPerBatch: 20 }, undefined);
    const error = normalisedError(features, expected[pooling]);
    t.true(error < 1e-6, `${pooling}: normalised error ${error}`);
  }
});

test.serial(
  "features are computed once for the same content, anew for any other, and a damaged file is replaced",
  async (t) => {
    const cache = await folder();
    using model = await fixtureModel("tiny");
    const rows = await fixtureRows("tiny");
    const features = { pooling: "mean" } as const;
    const first = await cachedFeatures(model, rows, features, cache);
    const second = await cachedFeatures(model, rows, features, cache);
    t.deepEqual([first.cached, second.cached], [false, true]);
    t.deepEqual(second.features, first.features);
    t.false((await cachedFeatures(model, rows, { ...features, pooling: "cls" }, cache)).cached);
    t.false((await cachedFeatures(model, await fixtureRows("tiny", [1, 2]), features, cache)).cached);

    const [file] = await readdir(cache);
    const intact = await readFile(join(cache, file));
    for (const name of await readdir(cache)) await writeFile(join(cache, name), intact.subarray(0, intact.length - 1));
    t.false((await cachedFeatures(model, rows, features, cache)).cached);

    const bias = model.parameters.get("bert.encoder.layer.0.output.dense.bias").tensor;
    bias.write(new Float32Array(bias.size).fill(0.5));
    t.false((await cachedFeatures(model, rows, features, cache)).cached, "other weights, old features");
  },
);

test.serial("the probe reports training and evaluation rows, and depends on no seed", async (t) => {
  using model = await fixtureModel("tiny");
  const rows = await fixtureRows("tiny");
  const probe = await linearProbe(model, takeRows(rows, half(0)), takeRows(rows, half(20)));
  t.true(probe.classifier.converged);
  t.is(probe.train.rows, 20);
  t.is(probe.evaluation.rows, 20);
  t.true(probe.train.accuracy >= probe.evaluation.accuracy);
});
