import { adamw, type Device, openDevice, Tape } from "@node-bert/core-native";
import test from "ava";
import { type BertConfig, BertForSequenceClassification, readConfig } from "../../src/index.js";
import { quiet, testDevice } from "../support/devices.js";
import { modelFolder, type Reference, readReference } from "../support/fixture.js";

type Model = BertForSequenceClassification;

function backward(model: Model, { input, labels }: Reference): void {
  model.device.scope(() => {
    const tape = new Tape();
    tape.backward(tape.record(() => model.loss({ ...input, labels })).loss);
  });
}

/** One step of AdamW over the ranges. */
function step(model: Model, device: Device): void {
  for (const { parameter, gradient, copy, decay, size } of model.parameters.trainableRanges()) {
    const [m, v] = [device.zeros([size]), device.zeros([size])];
    adamw(parameter, gradient, m, v, { learningRate: 1e-3, step: 1, weightDecay: decay ? 0.01 : 0, copy });
    m.dispose();
    v.dispose();
  }
}

async function readAll(model: Model): Promise<Map<string, ArrayLike<number>>> {
  const entries = [...model.parameters].map(async ({ name, tensor }) => [name, await tensor.read()] as const);
  return new Map(await Promise.all(entries));
}

function moved(before: Map<string, ArrayLike<number>>, after: Map<string, ArrayLike<number>>): string[] {
  return [...before]
    .filter(([name, old]) => Array.from(old).some((x, i) => x !== after.get(name)![i]))
    .map(([name]) => name);
}

const QKV = "bert.encoder.layer.1.attention.self";

for (const [selector, expected] of [
  ["all", () => true],
  ["head", (name: string) => name.startsWith("classifier.")],
  ["last-1", (name: string) => /layer\.1\.|pooler|classifier/.test(name)],
  ["last-0", (name: string) => /pooler|classifier/.test(name)],
  ["bert.embeddings", (name: string) => name.startsWith("bert.embeddings.")],
  ["layer\\.0\\..*LayerNorm", (name: string) => /layer\.0\..*LayerNorm/.test(name)],
  [`${QKV}.value`, (name: string) => name.startsWith(`${QKV}.value`)],
  [`${QKV}.query.bias`, (name: string) => name === `${QKV}.query.bias`],
] as const)
  for (const precision of ["fp32", "bf16"] as const)
    test(`trainable ${selector} in ${precision}: every trainable tensor moves and no other`, async (t) => {
      const device = testDevice("cpu");
      const data = await readReference("tiny/reference.safetensors");
      using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), {
        device,
        precision,
        ...quiet,
      });
      const trained = model.parameters.names().filter(expected);
      const count = model.parameters.setTrainable(selector);
      t.is(
        count,
        trained.reduce((sum, name) => sum + model.parameters.get(name).size, 0),
      );
      t.deepEqual(
        [...model.parameters].filter(({ trainable }) => trainable).map(({ name }) => name),
        trained,
      );
      const before = await readAll(model);
      model.train();
      backward(model, data);
      for (const { name, gradient } of model.parameters) t.is(gradient !== undefined, trained.includes(name), name);
      step(model, device);
      const after = await readAll(model);
      // Rows of embedding tables that the batch does not use keep still but for weight decay; a tensor moves if any element does.
      t.deepEqual(moved(before, after).sort(), [...trained].sort());
      t.deepEqual(
        model.parameters.trainableRanges().flatMap(({ names }) => names),
        trained,
      );
    });

test("gradients of a part are those of the whole", async (t) => {
  const device = testDevice("reference");
  const data = await readReference("tiny/reference.safetensors");
  using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), { device, ...quiet });
  const gradient = async (name: string) => {
    model.train();
    backward(model, data);
    return model.parameters.get(name).gradient!.read();
  };
  const names = ["classifier.weight", `${QKV}.value.weight`, "bert.encoder.layer.1.output.dense.bias"];
  for (const name of names) {
    model.parameters.setTrainable("all");
    model.parameters.zeroGradients();
    const whole = await gradient(name);
    model.parameters.setTrainable(name);
    t.deepEqual(await gradient(name), whole, name);
  }
});

test("frozen layers run without dropout, the others with it", async (t) => {
  const device = testDevice("cpu");
  const { input } = await readReference("tiny/reference.safetensors");
  using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), {
    device,
    dropout: 0.3,
    ...quiet,
  });
  const hidden = async (): Promise<ArrayLike<number>[]> => {
    device.setDropoutState(7, 1);
    const { hiddenStates, logits } = model.forward(input, { hiddenStates: true });
    return Promise.all([...hiddenStates!, logits].map((tensor) => tensor.read()));
  };
  const plain = await hidden();
  const sameWhen = async (...selectors: string[]) => {
    model.parameters.setTrainable(...selectors);
    const states = await hidden();
    return states.map((state, i) => Array.from(state).every((x, n) => x === plain[i][n]));
  };
  t.deepEqual(await sameWhen("all"), [true, true, true, true], "evaluation mode");
  model.train();
  t.deepEqual(await sameWhen("all"), [false, false, false, false]);
  t.deepEqual(await sameWhen("last-1"), [true, true, false, false]);
  t.deepEqual(await sameWhen("classifier"), [true, true, true, false]);
  t.deepEqual(await sameWhen("none"), [true, true, true, true]);
  model.parameters.setTrainable("all");
  t.deepEqual(await hidden(), await hidden(), "the same seed and step draw the same masks");
});

test("a frozen encoder is not recorded: training the head takes less memory than one layer more", async (t) => {
  using device = openDevice("cpu", { threads: 1 }); // of its own: memory is measured
  const data = await readReference("tiny/reference.safetensors");
  using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), { device, ...quiet });
  const peak = async (selector: string): Promise<number> => {
    model.parameters.setTrainable(selector);
    model.train();
    await device.synchronize();
    const before = device.memory().bytesInUse;
    device.resetPeakMemory();
    backward(model, data);
    await device.synchronize();
    return device.memory().peakBytesInUse - before;
  };
  const [head, last, all] = [await peak("head"), await peak("last-1"), await peak("all")];
  t.true(head < last && last < all, `${head}, ${last}, ${all} bytes`);
});

test("classifier_dropout, where the configuration has it, is the classifier's own", async (t) => {
  const device = testDevice("cpu");
  const { input } = await readReference("tiny/reference.safetensors");
  const config = await readConfig(modelFolder("tiny"));
  const changed = async (probabilities: Partial<BertConfig>): Promise<boolean[]> => {
    using model = BertForSequenceClassification.fromConfig({ ...config, ...probabilities }, { device });
    const states = async () => {
      const { hiddenStates, logits } = model.forward(input, { hiddenStates: true });
      return Promise.all([hiddenStates![2], logits].map((tensor) => tensor.read()));
    };
    const plain = await states();
    model.train();
    const dropped = await states();
    return plain.map((values, i) => Array.from(values).some((x, n) => x !== dropped[i][n]));
  };
  t.deepEqual(await changed({ classifierDropout: 0.5 }), [false, true]);
  t.deepEqual(await changed({ hiddenDropoutProb: 0.5, classifierDropout: undefined }), [true, true]);
  t.deepEqual(await changed({ classifierDropout: 0 }), [false, false]);
  t.deepEqual(await changed({ attentionProbsDropoutProb: 0.5 }), [true, true]);
});
