import test from "ava";
import {
  BertForSequenceClassification,
  BertModel,
  ConfigError,
  type FromPretrainedOptions,
  InputError,
  ParameterError,
  parseConfig,
} from "../../src/index.js";
import { quiet, testDevice } from "../support/devices.js";
import { modelFolder, readReference } from "../support/fixture.js";

const device = testDevice("cpu");
const load = (options: FromPretrainedOptions = {}, folder = "mini") =>
  BertForSequenceClassification.fromPretrained(modelFolder(folder), { device, ...quiet, ...options });

async function read(model: BertForSequenceClassification, name: string): Promise<number[]> {
  return Array.from(await model.parameters.get(name).tensor.read());
}

test("labels: from the config, counted, named", async (t) => {
  const labels = async (options: FromPretrainedOptions, folder?: string) => {
    using model = await load(options, folder);
    t.is(model.numLabels, model.id2label.length);
    t.is(model.parameters.get("classifier.bias").size, model.numLabels);
    return [...model.id2label];
  };
  t.deepEqual(await labels({}, "tiny"), ["neg", "pos"]);
  t.deepEqual(await labels({ numLabels: 2 }, "tiny"), ["neg", "pos"]);
  t.deepEqual(await labels({}, "mini-bare"), ["LABEL_0", "LABEL_1"]);
  t.deepEqual(await labels({ numLabels: 3 }), ["LABEL_0", "LABEL_1", "LABEL_2"]);
  t.deepEqual(await labels({ id2label: ["a", "b", "c"] }), ["a", "b", "c"]);
  t.deepEqual(await labels({ id2label: { 0: "no", 1: "yes" } }), ["no", "yes"]);
});

test("options out of range are refused", async (t) => {
  const refused = (options: FromPretrainedOptions, message: RegExp, instanceOf: typeof InputError = InputError) =>
    t.throwsAsync(load(options), { instanceOf, message });
  await refused({ numLabels: 0 }, /numLabels is 0, expected an integer of at least 1/);
  await refused({ numLabels: 1 }, /1 label, expected at least 2: regression/, ConfigError as never);
  await refused({ numLabels: 3, id2label: ["a"] }, /id2label has 1 names, expected numLabels \(3\)/);
  await refused({ id2label: { 1: "a" } }, /id2label has no name for class 0/);
  await refused({ dropout: 1 }, /dropout is 1/);
  await refused({ keepLayers: 3 }, /keepLayers is 3, expected 1 to 2/);
  await refused({ keepLayers: 0 }, /keepLayers is 0/);
  await refused({ reinitialize: "all" }, /reinitialize is "all", expected "last-<k>"/);
  await refused({ reinitialize: "last-3" }, /last-3 asks for 3 layers, expected at most 2/, ParameterError as never);
  await refused({ seed: 1.5 }, /seed is 1.5, expected an integer of at least 0/);
  await refused({ precision: "fp16" as never }, /precision is "fp16", which the device cpu does not compute in/);
  await t.throwsAsync(load({ device: testDevice("reference"), precision: "bf16" }), { message: /computes in float64/ });
});

test("a task that is not single-label classification is refused, unless new labels are asked for", async (t) => {
  const config = parseConfig({ problem_type: "regression", num_labels: 2, num_hidden_layers: 1, vocab_size: 5 });
  t.throws(() => BertForSequenceClassification.fromConfig(config, { device }), {
    instanceOf: ConfigError,
    message: /problem_type is "regression", expected "single_label_classification"/,
  });
});

test("new parameters depend on the seed and their names alone", async (t) => {
  const weights = async (options: FromPretrainedOptions) => {
    using model = await load(options, "mini-bare");
    t.deepEqual(await read(model, "classifier.bias"), [0, 0]);
    return read(model, "classifier.weight");
  };
  const first = await weights({ seed: 1 });
  t.deepEqual(await weights({ seed: 1 }), first);
  t.notDeepEqual(await weights({ seed: 2 }), first);
  t.deepEqual(await weights({ seed: 1, reinitialize: "last-1" }), first);
  const deviation = Math.sqrt(first.reduce((sum, x) => sum + x * x, 0) / first.length);
  t.true(deviation > 0.01 && deviation < 0.03, `standard deviation ${deviation}, expected about 0.02`);
});

test("dropout overrides all probabilities", async (t) => {
  using model = await load({ dropout: 0.25 });
  const { hiddenDropoutProb, attentionProbsDropoutProb, classifierDropout } = model.config;
  t.deepEqual([hiddenDropoutProb, attentionProbsDropoutProb, classifierDropout], [0.25, 0.25, undefined]);
});

test("keepLayers leaves the upper layers out", async (t) => {
  using whole = await load();
  using half = await load({ keepLayers: 1 });
  t.is(half.config.numHiddenLayers, 1);
  t.false(half.parameters.has("bert.encoder.layer.1.output.dense.bias"));
  const { input } = await readReference("mini/reference.safetensors");
  const states = (model: BertForSequenceClassification) => model.forward(input, { hiddenStates: true }).hiddenStates!;
  t.deepEqual(await states(half)[1].read(), await states(whole)[1].read());
});

test("reinitialize gives the last layers and the pooler new values, and nothing else", async (t) => {
  using whole = await load();
  using part = await load({ reinitialize: "last-1" });
  for (const name of whole.parameters.names()) {
    const isNew = /layer\.1\.|pooler/.test(name);
    const [before, after] = [await read(whole, name), await read(part, name)];
    if (isNew) t.notDeepEqual(after, before, name);
    else t.deepEqual(after, before, name);
  }
  t.true((await read(part, "bert.encoder.layer.1.output.LayerNorm.weight")).every((x) => x === 1));
  t.true((await read(part, "bert.encoder.layer.1.output.LayerNorm.bias")).every((x) => x === 0));
});

test("a model from a configuration alone has BERT's initial values", async (t) => {
  const config = parseConfig({
    vocab_size: 3000,
    hidden_size: 64,
    num_attention_heads: 4,
    num_hidden_layers: 1,
    intermediate_size: 128,
  });
  using model = BertModel.fromConfig(config, { device, seed: 5 });
  const words = await model.parameters.get("embeddings.word_embeddings.weight").tensor.read();
  t.true(
    words.subarray(0, 64).every((x) => x === 0),
    "the padding token's row",
  );
  let [sum, squares, fourth] = [0, 0, 0];
  for (const x of words.subarray(64)) {
    sum += x;
    squares += x ** 2;
    fourth += x ** 4;
  }
  const n = words.length - 64;
  const variance = squares / n;
  t.true(Math.abs(sum / n) < (5 * 0.02) / Math.sqrt(n), `mean ${sum / n}`);
  t.true(Math.abs(variance / 0.02 ** 2 - 1) < 5 * Math.sqrt(2 / n), `variance ${variance}`);
  t.true(Math.abs(fourth / n / variance ** 2 - 3) < 5 * Math.sqrt(96 / n), "kurtosis of a normal distribution");
  const query = await model.parameters.get("encoder.layer.0.attention.self.query.weight").tensor.read();
  const key = await model.parameters.get("encoder.layer.0.attention.self.key.weight").tensor.read();
  t.notDeepEqual(query, key);
});

test("precision auto says what it chose", async (t) => {
  const notices: string[] = [];
  using model = await load({ precision: "auto", onNotice: ({ message }) => notices.push(message) });
  t.regex(
    notices[0],
    new RegExp(`^precision ${model.precision}: matrix products run at \\d+ GFLOP/s in bf16 and \\d+ in fp32 here$`),
  );
  using exact = await load({ precision: "auto", device: testDevice("reference") });
  t.is(exact.precision, "fp64");
});

test("a name that is no folder and no repository", async (t) => {
  await t.throwsAsync(BertForSequenceClassification.fromPretrained("/nowhere/at/all"), {
    code: "HUB_NOT_FOUND",
    message: /no such folder/,
  });
});
