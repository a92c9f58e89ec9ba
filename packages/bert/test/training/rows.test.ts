import test from "ava";
import type { SequenceClassifier } from "../../src/model/types.js";
import { alignLabels, checkLabels, describeLengths, lengthReport } from "../../src/training/check-labels.js";
import { TrainingDataError } from "../../src/training/errors.js";
import { type EncodedRows, encodeRows, takeRows } from "../../src/training/rows.js";
import { splitRows } from "../../src/training/split-rows.js";

/** Rows of the given lengths; the ids count up from 1. */
function rowsOf(lengths: number[], labels: number[], originalLengths = lengths): EncodedRows {
  const cuSeqlens = new Int32Array(lengths.length + 1);
  lengths.forEach((length, b) => {
    cuSeqlens[b + 1] = cuSeqlens[b] + length;
  });
  const tokens = cuSeqlens[lengths.length];
  return {
    inputIds: Int32Array.from({ length: tokens }, (_, i) => i + 1),
    tokenTypeIds: new Int32Array(tokens),
    cuSeqlens,
    originalLengths: Int32Array.from(originalLengths),
    labels: Int32Array.from(labels),
  };
}

const encoder = {
  vocabSize: 100,
  save: async () => [],
  encodeBatch: (texts: readonly string[] | readonly (readonly [string, string])[]) =>
    rowsOf(
      texts.map((text) => text.length),
      [],
    ),
};
const dataset = (texts: string[], labels: number[], labelColumn: string | undefined = "label") => ({
  length: texts.length,
  textColumn: "text",
  labelColumn,
  labelNames: ["neg", "pos"],
  texts: () => texts,
  labels: () => Int32Array.from(labels),
});
const options = { maxLength: 16, truncation: "head" as const, split: "train" };

test("rows are packed in any order", (t) => {
  const taken = takeRows(rowsOf([1, 2, 3], [0, 1, 0]), [2, 0]);
  t.deepEqual([...taken.inputIds], [4, 5, 6, 1]);
  t.deepEqual([...taken.cuSeqlens], [0, 3, 4]);
  t.deepEqual([...(taken.labels as Int32Array)], [0, 0]);
});

test("many texts are tokenized in parts and come out as one", async (t) => {
  const texts = Array.from({ length: 1100 }, (_, i) => "x".repeat(1 + (i % 5)));
  const rows = await encodeRows(
    dataset(
      texts,
      texts.map(() => 0),
    ),
    encoder,
    options,
  );
  t.is(rows.cuSeqlens.length, 1101);
  texts.forEach((text, b) => {
    if (rows.cuSeqlens[b + 1] - rows.cuSeqlens[b] !== text.length) t.fail(`row ${b}`);
  });
});

test("an empty split, a missing label column, no tokenizer and rows that are too long are named", async (t) => {
  await t.throwsAsync(encodeRows(dataset([], []), encoder, options), {
    instanceOf: TrainingDataError,
    message: /train split has no rows/,
  });
  const unlabelled = { ...dataset(["a"], [0]), labelColumn: undefined };
  await t.throwsAsync(encodeRows(unlabelled, encoder, options), { message: /no label column/ });
  await t.throwsAsync(encodeRows(dataset(["a"], [0]), undefined, options), { message: /no tokenizer/ });
  await t.throwsAsync(encodeRows(rowsOf([3, 17], [0, 0]), undefined, options), {
    message: /Row 1 .* has 17 tokens, expected 1 to 16/,
  });
});

test("a label that is no class is named with its row", (t) => {
  t.throws(() => checkLabels(rowsOf([1, 1], [0, 2]), 2, "train", false), {
    message: /Row 1 .* label 2, expected 0 to 1/,
  });
  t.throws(() => checkLabels(rowsOf([1, 1], [0, -1]), 2, "train", false), { message: /-1 marks rows without a label/ });
});

test("one class, or more than 95 % of one, is warned of, and refused under strict", (t) => {
  const one = rowsOf([1, 1, 1], [1, 1, 1]);
  const [notice] = checkLabels({ ...one, labelNames: ["neg", "pos"] }, 2, "test", false);
  t.is(notice.level, "warning");
  t.regex(notice.message, /All 3 rows of the test split are "pos".*--eval-rows .* 3 --stratify/);
  t.throws(() => checkLabels(one, 2, "test", true), { instanceOf: TrainingDataError });
  const share = (positives: number) => {
    const labels = Array.from({ length: 100 }, (_, i) => (i < positives ? 1 : 0));
    return checkLabels(
      rowsOf(
        labels.map(() => 1),
        labels,
      ),
      2,
      "train",
      false,
    ).length;
  };
  t.is(share(95), 0);
  t.is(share(96), 1);
  t.is(share(50), 0);
});

test("class names: default ones fit anything, known ones are numbered as by the model, strange ones are named with a row", (t) => {
  const rowsNamed = (labelNames: string[], labels: number[]) => ({
    ...rowsOf(
      labels.map(() => 1),
      labels,
    ),
    labelNames,
  });
  const model = (id2label: string[]) => ({ id2label }) as unknown as SequenceClassifier;
  const rows = rowsNamed(["neg", "pos"], [0, 1]);
  const aligned = (id2label: string[], given = rows) => {
    const { rows: result, notices } = alignLabels(given, model(id2label), "test");
    return { labels: [...result.labels!], names: result.labelNames, codes: notices.map(({ code }) => code) };
  };
  t.deepEqual(aligned(["LABEL_0", "LABEL_1"]), { labels: [0, 1], names: ["neg", "pos"], codes: [] });
  t.deepEqual(aligned(["NEG", "POS"]), { labels: [0, 1], names: ["NEG", "POS"], codes: [] });
  t.deepEqual(aligned(["pos", "neg"]), { labels: [1, 0], names: ["pos", "neg"], codes: [] });
  t.deepEqual(aligned(["bad", "good"]), { labels: [0, 1], names: ["neg", "pos"], codes: ["LABEL_NAMES"] });
  const onlyPositive = rowsNamed(["pos"], [0, 0]);
  t.deepEqual(aligned(["neg", "pos"], onlyPositive), { labels: [1, 1], names: ["neg", "pos"], codes: [] });
  t.deepEqual(aligned(["neg", "pos"], rowsNamed(["neg", "pos"], [0, -1])).labels, [0, -1]);
  t.deepEqual([...rows.labels!], [0, 1], "the rows given stay as they are");
  for (const [id2label, given] of [
    [["a", "b", "c"], rows],
    [["LABEL_0", "LABEL_1"], onlyPositive],
    [["pos", "neutral"], rows],
  ] as const)
    t.throws(() => alignLabels(given, model([...id2label]), "test"), {
      instanceOf: TrainingDataError,
      message: /^Row 0 of the test split has the class ".*", which is none of the model's \(.*numLabels: \d/,
    });
  t.throws(() => alignLabels(rowsNamed(["meh", "neg", "pos"], [2, 1, 0]), model(["neg", "pos"]), "test"), {
    message: /^Row 2 of the test split has the class "meh"/,
  });
});

test("what truncation cuts and what packing saves", (t) => {
  const report = lengthReport(rowsOf([4, 8, 8], [0, 0, 0], [4, 8, 20]), 8);
  t.is(report.truncatedRows, 1 / 3);
  t.is(report.droppedTokens, 1 - 20 / 32);
  t.is(report.paddingAvoided, 1 - 20 / 24);
  t.regex(describeLengths(report, "train").message, /33\.3 % of rows are truncated to 8, dropping 37\.5 % of tokens/);
});

test("validation rows are a share of each class, chosen by the seed, and no row is in both parts", (t) => {
  const labels = Int32Array.from({ length: 200 }, (_, i) => (i < 160 ? 0 : 1));
  const { train, validation } = splitRows(labels, 0.1, 42);
  t.is(validation.filter((row) => labels[row] === 0).length, 16);
  t.is(validation.filter((row) => labels[row] === 1).length, 4);
  t.is(new Set([...train, ...validation]).size, 200);
  t.deepEqual(splitRows(labels, 0.1, 42), { train, validation });
  t.notDeepEqual(splitRows(labels, 0.1, 43).validation, validation);
  t.throws(() => splitRows(Int32Array.of(0, 1), 0.1, 1), { instanceOf: TrainingDataError, message: /too few/ });
});
