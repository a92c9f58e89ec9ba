import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Tape } from "@node-bert/core-native";
import test from "ava";
import { BertForMaskedLM, type MaskingTokenizer, Pretrainer, parseConfig } from "../../src/index.js";
import { MaskedLMObjective } from "../../src/pretraining/masked-lm-objective.js";
import { maskTokens } from "../../src/pretraining/masking.js";
import { takeRows } from "../../src/training/rows.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { cpu, quiet, readWeights } from "../training/support.js";

const WORDS = 60;
/** Words are "w0" … "w59", their ids from 5 on; every tenth continues the word before it. */
const tokenizer: MaskingTokenizer = {
  vocabSize: 5 + WORDS,
  padTokenId: 0,
  unkTokenId: 1,
  clsTokenId: 2,
  sepTokenId: 3,
  maskTokenId: 4,
  idToToken: (id) => (id < 5 ? "[X]" : (id - 5) % 10 === 9 ? `##w${id - 5}` : `w${id - 5}`),
  encodeBatch: (texts) => {
    const rows = (texts as readonly string[]).map((text) => [
      2,
      ...text.split(" ").map((word) => 5 + Number(word.slice(1))),
      3,
    ]);
    const cuSeqlens = new Int32Array(rows.length + 1);
    rows.forEach((row, b) => {
      cuSeqlens[b + 1] = cuSeqlens[b] + row.length;
    });
    const inputIds = Int32Array.from(rows.flat());
    return {
      inputIds,
      tokenTypeIds: new Int32Array(inputIds.length),
      cuSeqlens,
      originalLengths: Int32Array.from(rows, (row) => row.length),
    };
  },
  save: async () => [],
};
/** Texts of two words in turn, so that there is something to learn: to look at the words around. */
const texts = Array.from({ length: 120 }, (_, i) =>
  Array.from({ length: 6 + (i % 30) }, (_, k) => `w${(i * 7 + 3 * (k % 2)) % WORDS}`).join(" "),
);
const config = parseConfig({
  vocab_size: tokenizer.vocabSize,
  hidden_size: 32,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 64,
  max_position_embeddings: 16,
});
const newModel = (precision: "fp32" | "bf16" = "fp32") =>
  BertForMaskedLM.fromConfig(config, { device: cpu, seed: 3, precision });
const args = {
  tokensPerBatch: 128,
  epochs: 2,
  learningRate: 2e-3,
  loggingSteps: 10,
  gradientAccumulation: 2,
  validationFraction: 0.1,
};
const bits = async (model: BertForMaskedLM) =>
  new Map([...(await readWeights(model))].map(([name, values]) => [name, Buffer.from(values.buffer)]));

test("it learns: held-out loss falls well below that of the letters alone, accuracy rises", async (t) => {
  using model = newModel();
  using pretrainer = new Pretrainer({
    model,
    tokenizer,
    texts,
    args: { ...args, epochs: 40, gradientAccumulation: 1 },
    callbacks: quiet,
  });
  const before = await pretrainer.evaluate();
  t.true(Math.abs(before.loss - Math.log(tokenizer.vocabSize)) < 0.3, `${before.loss}`);
  const result = await pretrainer.train();
  const after = await pretrainer.evaluate();
  t.log(
    `loss ${before.loss.toFixed(3)} to ${after.loss.toFixed(3)}, accuracy ${after.accuracy.toFixed(3)}, ${result.steps} steps`,
  );
  t.true(after.loss < before.loss - 1.5);
  t.true(after.accuracy > 0.5);
  t.is(after.perplexity, Math.exp(after.loss));
  t.deepEqual(await pretrainer.evaluate(), after, "judged the same way each time");
});

test("from an informed start it gets further in the same steps", async (t) => {
  const lossFrom = async (start: "random" | "informed") => {
    using model = newModel();
    using pretrainer = new Pretrainer({
      model,
      tokenizer,
      texts,
      args: { ...args, epochs: 10, gradientAccumulation: 1 },
      callbacks: quiet,
    });
    if (start === "informed") await pretrainer.startInformed();
    await pretrainer.train();
    return (await pretrainer.evaluate()).loss;
  };
  const [random, informed] = [await lossFrom("random"), await lossFrom("informed")];
  t.log(`held-out loss ${random.toFixed(3)} from random values, ${informed.toFixed(3)} informed`);
  t.true(informed < random - 0.2);
});

test("held-out texts are whole texts that are not trained on; given ones are taken", async (t) => {
  using model = newModel();
  using own = new Pretrainer({ model, tokenizer, texts, heldOut: texts.slice(0, 2), args, callbacks: quiet });
  t.is((await own.evaluate()).sequences, 2);
  using carved = new Pretrainer({ model, tokenizer, texts, args, callbacks: quiet });
  let trained = 0;
  for await (const event of carved.run()) {
    if (event.type === "step" && event.epoch <= 1) trained += event.tokens;
  }
  const { tokens } = await carved.evaluate();
  const sequences = texts
    .map((text) => text.split(" ").length)
    .reduce((sum, words) => sum + words + 2 * Math.ceil(words / 14), 0);
  t.is(trained + tokens, sequences, "an epoch and what is held out are all windows of all texts");
});

for (const precision of ["fp32", "bf16"] as const)
  test(`${precision}: a resumed run goes on bit by bit, masks, order and dropout included`, async (t) => {
    const folder = temporaryFolder(t);
    using straight = newModel(precision);
    using one = new Pretrainer({ model: straight, tokenizer, texts, args, callbacks: quiet });
    const whole = await one.train();

    using halted = newModel(precision);
    using two = new Pretrainer({
      model: halted,
      tokenizer,
      texts,
      args: { ...args, outputDir: folder, saveStrategy: "steps", saveSteps: 7 },
      callbacks: quiet,
    });
    for await (const event of two.run()) if (event.type === "step" && event.step === 9) break;

    using resumed = newModel(precision);
    using three = new Pretrainer({ model: resumed, tokenizer, texts, args, callbacks: quiet });
    const rest = await three.train({ resumeFrom: join(folder, "checkpoint-7") });
    t.deepEqual(await bits(resumed), await bits(straight));
    t.deepEqual(rest.log.at(-1), whole.log.at(-1));
    t.deepEqual(await three.evaluate(), await one.evaluate());

    const other = new Pretrainer({
      model: newModel(precision),
      tokenizer,
      texts,
      args: { ...args, wholeWords: true },
      callbacks: quiet,
    });
    await t.throwsAsync(other.train({ resumeFrom: join(folder, "checkpoint-7") }), {
      message: /wholeWords was false, is true/,
    });
    const state = JSON.parse(readFileSync(join(folder, "checkpoint-7", "training.json"), "utf8"));
    t.is(state.args.maskProbability, 0.15);
  });

test("accumulated batches give the gradient of the mean over all predictions of the step", async (t) => {
  using model = BertForMaskedLM.fromConfig(
    { ...config, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 },
    { device: cpu, seed: 3 },
  );
  const encoded = tokenizer.encodeBatch(texts.slice(0, 8).map((text) => text.split(" ").slice(0, 12).join(" ")));
  const vocabulary = {
    size: tokenizer.vocabSize,
    maskId: 4,
    isSpecial: Uint8Array.from({ length: tokenizer.vocabSize }, (_, id) => (id < 5 ? 1 : 0)),
    continuesWord: new Uint8Array(tokenizer.vocabSize),
  };
  const masking = { probability: 0.3, wholeWords: false };
  const objective = new MaskedLMObjective(model, { ...encoded, labels: undefined }, undefined, {
    vocabulary,
    masking,
    seed: 1,
    evalTokensPerBatch: 100,
  });
  const halves = [Int32Array.of(0, 1, 2), Int32Array.of(3, 4, 5, 6, 7)];
  const batches = halves.map((rows, i) => objective.batch(rows, 1, i));
  const terms = batches[0].terms + batches[1].terms;
  t.not(batches[0].terms, batches[1].terms);
  model.train();
  const losses = await Promise.all(
    batches.map((batch) => cpu.scope(() => ({ reading: batch.loss().losses.read() })).reading),
  );
  const mean = losses.flatMap((values) => [...values]).reduce((a, b) => a + b, 0) / terms;
  for (const batch of batches)
    cpu.scope(() => {
      const tape = new Tape();
      const { loss } = tape.record(() => batch.loss());
      tape.backward(loss, cpu.full([1], batch.terms / terms));
    });
  const name = "cls.predictions.bias";
  const accumulated = (await model.parameters.get(name).gradient!.read()).slice();
  const epsilon = 1e-3;
  const bias = model.parameters.get(name).tensor;
  const values = (await bias.read()).slice() as Float32Array;
  for (const index of [4, 9, 20]) {
    const at = async (shift: number) => {
      bias.write(values.map((value, i) => (i === index ? value + shift : value)));
      const all = await Promise.all(
        batches.map((batch) => cpu.scope(() => ({ reading: batch.loss().losses.read() })).reading),
      );
      return all.flatMap((each) => [...each]).reduce((a, b) => a + b, 0) / terms;
    };
    const slope = ((await at(epsilon)) - (await at(-epsilon))) / (2 * epsilon);
    t.true(Math.abs(slope - accumulated[index]) < 2e-4, `${slope} ${accumulated[index]}`);
  }
  bias.write(values);
  t.true(Math.abs(mean - Math.log(tokenizer.vocabSize)) < 0.5);
  for (const [b, rows] of halves.entries()) {
    const { inputIds, cuSeqlens } = takeRows(objective.rows, rows);
    const { positions } = maskTokens(inputIds, vocabulary, masking, 1, [1, b]);
    const rowsOf = positions.map((n) => rows[[...cuSeqlens].filter((start) => start <= n).length - 1]);
    t.deepEqual(
      Array.from(positions, (_, term) => batches[b].rowOf(term)),
      [...rowsOf],
    );
  }
});

test("a step draws masks of its own", (t) => {
  const ids = Int32Array.of(2, ...Array.from({ length: 60 }, (_, i) => 5 + i), 3);
  const vocabulary = {
    size: 65,
    maskId: 4,
    isSpecial: Uint8Array.from({ length: 65 }, (_, id) => (id < 5 ? 1 : 0)),
    continuesWord: new Uint8Array(65),
  };
  const seen = new Set(
    [1, 2, 3].map((step) =>
      maskTokens(ids, vocabulary, { probability: 0.3, wholeWords: false }, 42, [step, 0]).positions.join(),
    ),
  );
  t.is(seen.size, 3);
});

test("what cannot be pretrained on is said", async (t) => {
  using model = newModel();
  const make = (options: object) => new Pretrainer({ model, tokenizer, texts, ...options });
  t.throws(() => make({ args: { batchSize: 4 } }), { message: /no training argument "batchSize"/ });
  t.throws(() => make({ args: { maskProbability: 0 } }), { message: /maskProbability is 0/ });
  t.throws(() => make({ args: { maxLength: 17 } }), { message: /maxLength is 17, expected at most 16/ });
  await t.throwsAsync(make({ texts: ["w1"] }).train(), { message: /too few to set/ });
});
