// Split slicing, shuffle and train_test_split against answers of Hugging Face `datasets` (fixtures/, made by
// python/make_dataset_fixtures.py).

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "ava";
import { Dataset } from "../src/data/dataset.js";
import { resolveSplit } from "../src/data/split-slices.js";
import { DatasetError } from "../src/errors.js";

interface Fixture {
  splits: { expression: string; rows: number; ranges: [string, number, number][] | null }[];
  shuffles: { rows: number; seed: number; sha256: string }[];
  train_test_splits: {
    labels: number[];
    sizes: { test_size?: number; train_size?: number };
    stratify: boolean;
    seed: number;
    answer: { train: string; test: string } | null;
  }[];
}

const fixture: Fixture = JSON.parse(
  readFileSync(new URL("fixtures/hugging-face-datasets.json", import.meta.url), "utf8"),
);

function digest(rows: unknown[]): string {
  return createHash("sha256").update(rows.join(",")).digest("hex");
}

test("every split expression means the rows that Hugging Face gives, or is refused as there", (t) => {
  for (const { expression, rows, ranges } of fixture.splits) {
    const counts = new Map([
      ["train", rows],
      ["test", 2 * rows + 1],
    ]);
    const message = `${expression} of ${rows} rows`;
    if (ranges === null) {
      const error = t.throws(() => resolveSplit(expression, counts), { instanceOf: DatasetError }, message);
      t.is(error?.code, "BAD_SPLIT", message);
    } else {
      const ours = resolveSplit(expression, counts).map(({ split, start, end }) => [split, start, end]);
      // A range that runs backwards is empty for both; ours says so with equal bounds.
      const theirs = ranges.map(([split, start, end]) => [split, start, Math.max(start, end)]);
      t.deepEqual(ours, theirs, message);
    }
  }
});

test("shuffle(seed) gives Hugging Face's order", (t) => {
  for (const { rows, seed, sha256 } of fixture.shuffles) {
    const dataset = Dataset.fromColumns({ row: Array.from({ length: rows }, (_, i) => i) });
    t.is(digest(dataset.shuffle(seed).column("row")), sha256, `${rows} rows, seed ${seed}`);
  }
});

test("trainTestSplit gives Hugging Face's rows, stratified or not", (t) => {
  for (const { labels, sizes, stratify, seed, answer } of fixture.train_test_splits) {
    const dataset = Dataset.fromColumns({ row: labels.map((_, i) => i), label: labels });
    const options = { testSize: sizes.test_size, trainSize: sizes.train_size, stratify, seed };
    const message = `${labels.length} rows, ${JSON.stringify(options)}`;
    if (answer === null) {
      t.throws(() => dataset.trainTestSplit(options), { instanceOf: DatasetError }, message);
      continue;
    }
    const { train, test: held } = dataset.trainTestSplit(options);
    t.deepEqual({ train: digest(train.column("row")), test: digest(held.column("row")) }, answer, message);
  }
});
