import { join } from "node:path";
import test from "ava";
import {
  classBalance,
  Dataset,
  duplicateReport,
  loadDataset,
  overlapReport,
  paddingReport,
  reportDataset,
  truncationReport,
} from "../src/index.js";
import { DATA_FOLDER, hasRealData } from "./helpers.js";

function labelled(labels: (number | null)[], texts = labels.map((_, i) => `t${i}`)): Dataset {
  return Dataset.fromColumns(
    { text: texts, label: labels },
    { labelNames: ["neg", "pos"], source: { name: "d", split: "train[:1%]" } },
  );
}

test("class balance, and warnings for one class, for more than 95 %, and for no labels", (t) => {
  const even = classBalance(labelled([0, 1, 1, -1]));
  t.deepEqual(even, {
    rows: 4,
    unlabelled: 1,
    classes: [
      { label: 0, name: "neg", rows: 1, share: 1 / 3 },
      { label: 1, name: "pos", rows: 2, share: 2 / 3 },
    ],
    warning: undefined,
  });
  const one = classBalance(labelled(new Array(250).fill(0))).warning;
  t.is(one?.kind, "one-class");
  t.regex(
    one?.message ?? "",
    /d train\[:1%\]: all 250 rows are of the class "neg".*--shuffle, or --stratify with --train-rows 250/,
  );
  const share = (negatives: number) =>
    classBalance(labelled(Array.from({ length: 1000 }, (_, i) => (i < negatives ? 0 : 1)))).warning;
  t.is(share(950), undefined);
  t.is(share(951)?.kind, "lopsided");
  t.regex(share(951)?.message ?? "", /95\.1 % of the 1000 rows/);
  t.is(share(1000)?.kind, "one-class");
  t.is(classBalance(labelled([-1, -1])).warning?.kind, "no-labels");
});

test("truncation and padding shares", (t) => {
  const lengths = [10, 20, 30, 40];
  const report = truncationReport(lengths, 25);
  t.like(report, {
    rows: 4,
    tokens: 100,
    mean: 25,
    median: 30,
    longest: 40,
    rowsCut: 2,
    shareCut: 0.5,
    tokensDropped: 20,
    shareDropped: 0.2,
  });
  t.regex(report.warning ?? "", /cuts 50\.0 % of the rows and drops 20\.0 % of the tokens.*head-tail/);
  t.is(truncationReport(lengths, 40).warning, undefined);
  const padding = paddingReport(lengths, 25, 2);
  t.like(padding, { tokens: 80, paddedToMaxLength: 100, paddedToLongest: 90 });
  t.true(Math.abs(padding.shareToMaxLength - 0.2) < 1e-12 && Math.abs(padding.shareToLongest - 1 / 9) < 1e-12);
  t.is(paddingReport([], 25).shareToMaxLength, 0);
  t.throws(() => truncationReport(lengths, 0), { code: "BAD_OPTION" });
});

test("duplicates, contradictions and overlap", (t) => {
  const train = labelled([0, 1, 1, 0, 1], ["a", "b", "a", "c", "b"]);
  t.deepEqual(duplicateReport(train), {
    rows: 5,
    duplicates: 2,
    share: 0.4,
    texts: 2,
    contradictions: 1,
    examples: [
      [0, 2],
      [1, 4],
    ],
  });
  const held = labelled([1, 1, 0, -1], ["c", "a", "z", "b"]);
  t.deepEqual(overlapReport(train, held), {
    rows: 4,
    shared: 3,
    share: 0.75,
    contradictions: 1,
    examples: [
      { test: 0, train: 3 },
      { test: 1, train: 0 },
      { test: 3, train: 1 },
    ],
  });
});

test("a whole report says what deserves a look", (t) => {
  const train = labelled([0, 0, 0], ["a", "a", "b"]);
  const held = Dataset.fromRows([{ text: "b", label: 1, idx: 3 }]);
  const report = reportDataset(
    { train, test: held },
    { countTokens: (texts) => texts.map(() => 200), maxLengths: [128] },
  );
  t.deepEqual(
    report.splits.map(({ split, rows, truncation }) => [split, rows, truncation?.[0].shareCut]),
    [
      ["train", 3, 1],
      ["test", 1, 1],
    ],
  );
  t.is(report.overlaps[0].report.shared, 1);
  t.is(report.warnings.length, 5);
  t.regex(
    report.warnings.join("\n"),
    /all 3 rows.*\n.*1 rows repeat.*\n.*all 1 rows.*\n.*ignored columns: idx.*\n.*1 of 1 texts are in train too/,
  );
});

test("IMDb: the figures that are known of it", async (t) => {
  if (!hasRealData(t, "imdb/plain_text")) return;
  const { train, test: held } = await loadDataset(join(DATA_FOLDER, "imdb"), {
    split: { train: "train", test: "test" },
  });
  t.is(duplicateReport(train).duplicates, 96);
  t.is(overlapReport(train, held).shared, 123);
  t.deepEqual(
    classBalance(train).classes.map(({ rows }) => rows),
    [12_500, 12_500],
  );
  const slice = await loadDataset(join(DATA_FOLDER, "imdb"), { split: "train[:1%]" });
  t.is(classBalance(slice).warning?.kind, "one-class");
});
