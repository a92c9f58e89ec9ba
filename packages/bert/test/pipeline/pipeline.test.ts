import test from "ava";
import { BertForSequenceClassification, extractFeatures, InputError, pipeline } from "../../src/index.js";
import { tokenBatches } from "../../src/token-batches.js";
import { assertClose, valuesOf } from "../support/close.js";
import { DEVICES, quiet, TOLERANCE, testDevice } from "../support/devices.js";
import { modelFolder, readReference } from "../support/fixture.js";
import { FixtureEncoder, TEXTS } from "../support/text-encoder.js";

const load = (device = testDevice("cpu")) =>
  BertForSequenceClassification.fromPretrained(modelFolder("tiny"), { device, ...quiet });
const texts = TEXTS.map(({ text }) => text) as string[];

for (const deviceName of DEVICES)
  test(`texts are classified as by Hugging Face, in input order, on ${deviceName}`, async (t) => {
    using model = await load(testDevice(deviceName));
    const classify = pipeline("text-classification", { model, tokenizer: new FixtureEncoder() });
    for (const tokensPerBatch of [1, 40, 4096]) {
      const predictions = await classify(texts, { tokensPerBatch });
      t.is(predictions.length, TEXTS.length);
      for (const [i, { logits, scores }] of TEXTS.entries()) {
        const shape = [2];
        const { label, score, logits: ours } = predictions[i];
        assertClose(t, `text ${i}`, { shape, data: ours }, { shape, data: logits }, TOLERANCE[deviceName].forward);
        t.is(label, scores[0] > scores[1] ? "neg" : "pos");
        t.true(Math.abs(score - Math.max(...scores)) < 1e-6);
      }
    }
  });

test("one text, no text, class names given later", async (t) => {
  using model = await load();
  model.setLabels(["bad", "good"]);
  const classify = pipeline("text-classification", { model, tokenizer: new FixtureEncoder() });
  const one = await classify(texts[0]);
  t.is(one.length, 1);
  t.is(one[0].label, TEXTS[0].scores[0] > 0.5 ? "bad" : "good");
  t.deepEqual(await classify([]), []);
  t.throws(() => model.setLabels(["a"]), { instanceOf: InputError, message: /1 label names, expected 2/ });
});

test("features: one vector for each text, the same in any batches", async (t) => {
  using model = await load();
  const tokenizer = new FixtureEncoder();
  const extract = pipeline("feature-extraction", { model, tokenizer });
  for (const pooling of ["mean", "cls", "pooler"] as const) {
    const features = await extract(texts, { pooling, tokensPerBatch: 30 });
    t.is(features.length, texts.length);
    const all = model.pool(tokenizer.encodeBatch(texts), pooling);
    const data = features.flatMap((vector) => [...vector]);
    assertClose(t, pooling, { shape: all.shape, data }, await valuesOf(all), 1e-6);
    all.dispose();
  }
});

test("features are computed without dropout, also between training steps", async (t) => {
  const device = testDevice("cpu");
  const { input } = await readReference("tiny/reference.safetensors");
  using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), {
    device,
    dropout: 0.5,
    ...quiet,
  });
  const before = await extractFeatures(model, input);
  model.train();
  t.deepEqual(await extractFeatures(model, input), before);
  t.true(model.training);
});

test("progress is told, and an abort ends the work", async (t) => {
  using model = await load();
  const { input } = await readReference("tiny/reference.safetensors");
  const count = input.cuSeqlens.length - 1;
  const done: [number, number][] = [];
  await extractFeatures(model, input, { tokensPerBatch: 1, onProgress: (rows, of) => done.push([rows, of]) });
  t.deepEqual(
    done,
    Array.from({ length: count }, (_, i) => [i + 1, count]),
  );
  const controller = new AbortController();
  const aborted = extractFeatures(model, input, {
    tokensPerBatch: 1,
    signal: controller.signal,
    onProgress: () => controller.abort(new Error("enough")),
  });
  await t.throwsAsync(aborted, { message: "enough" });
});

test("batches: longest first, at most so many tokens, every sequence once", (t) => {
  const lengths = [3, 7, 1, 20, 7, 2];
  const cuSeqlens = new Int32Array(7);
  lengths.forEach((length, b) => {
    cuSeqlens[b + 1] = cuSeqlens[b] + length;
  });
  const inputIds = Int32Array.from({ length: 40 }, (_, n) => n);
  const batches = tokenBatches({ inputIds, cuSeqlens }, 10);
  t.deepEqual(
    batches.map(({ rows }) => [...rows]),
    [[3], [1], [4, 0], [5, 2]],
  );
  for (const { rows, input } of batches)
    rows.forEach((row, b) => {
      const ids = input.inputIds.subarray(input.cuSeqlens[b], input.cuSeqlens[b + 1]);
      t.deepEqual(ids, inputIds.subarray(cuSeqlens[row], cuSeqlens[row + 1]));
    });
  t.throws(() => tokenBatches({ inputIds, cuSeqlens }, 0), { instanceOf: InputError });
});

test("what does not fit is refused before anything is computed", async (t) => {
  using model = await load();
  const tokenizer = new FixtureEncoder();
  const classify = pipeline("text-classification", { model, tokenizer });
  const refused = (call: Promise<unknown>, message: RegExp) => t.throwsAsync(call, { instanceOf: InputError, message });
  await refused(
    classify(texts, { maxLength: 1000 }),
    /maxLength is 1000, expected 3 to 48: the model has no more positions/,
  );
  await refused(classify(texts, { maxLength: 2 }), /maxLength is 2/);
  await refused(classify([3] as never), /Text 0 is 3, expected a string/);
  await refused(classify(["a", ["b"]] as never), /Text 1 is \["b"\], expected a string, or a pair of strings/);
  const large = Object.assign(new FixtureEncoder(), { vocabSize: 30522 });
  const other = pipeline("text-classification", { model, tokenizer: large });
  await refused(other(texts), /tokenizer has 30522 tokens, but the model embeds 96 \(vocab_size of config.json\)/);
  t.throws(() => pipeline("translation" as never, { model, tokenizer }), { message: /There is no task "translation"/ });
});
