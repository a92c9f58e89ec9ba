import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import test from "ava";
import { Dataset, DatasetError, StreamingDataset } from "../src/index.js";
import { temporaryFolder } from "./helpers.js";

const ROWS = Array.from({ length: 10 }, (_, i) => ({ text: `t${i}`, label: i % 2 === 0 ? "even" : "odd" }));
const dataset = Dataset.fromRows(ROWS);

function code(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return error instanceof DatasetError ? error.code : String(error);
  }
  return undefined;
}

test("rows, columns, iteration, JSON Lines", (t) => {
  t.is(dataset.length, 10);
  t.deepEqual(dataset.columnNames, ["text", "label"]);
  t.deepEqual([...dataset], ROWS);
  t.deepEqual(dataset.row(-1), ROWS[9]);
  t.deepEqual(dataset.column("label").slice(0, 2), ["even", "odd"]);
  t.deepEqual(dataset.labelNames, ["even", "odd"]);
  t.deepEqual([...dataset.take(3).labels()], [0, 1, 0]);
  t.is(dataset.take(1).toJSONL(), '{"text":"t0","label":"even"}\n');
  t.is(inspect(dataset), "Dataset(dataset) { rows: 10, columns: text, label, labels: even | odd }");
  t.is(
    code(() => dataset.row(10)),
    "ROW_OUT_OF_RANGE",
  );
  t.is(
    code(() => dataset.row(0.5)),
    "ROW_OUT_OF_RANGE",
  );
  t.is(
    code(() => dataset.column("nope")),
    "MISSING_COLUMN",
  );
});

test("select, slice, filter and take compose without copying texts", (t) => {
  const odd = dataset.filter((row) => row.label === "odd");
  t.deepEqual(odd.texts(), ["t1", "t3", "t5", "t7", "t9"]);
  t.deepEqual(odd.select([4, 0, -2]).texts(), ["t9", "t1", "t7"]);
  t.deepEqual(odd.slice(1, -1).texts(), ["t3", "t5", "t7"]);
  t.deepEqual(odd.slice(3).take(1).texts(), ["t7"]);
  t.is(odd.take(0).length, 0);
  t.is(odd.take(99).length, 5);
  t.deepEqual(odd.labelNames, ["even", "odd"], "a selection with one class keeps the numbers of the classes");
  t.deepEqual([...odd.take(2).labels()], [1, 1]);
  t.is(
    code(() => odd.select([5])),
    "ROW_OUT_OF_RANGE",
  );
});

test("columns are inferred, said, and chosen", (t) => {
  const report = Dataset.fromRows([{ idx: 1, sentence: "a", labels: 0, note: "n" }]).columnReport;
  t.deepEqual(report, {
    text: { column: "sentence", reason: 'named "sentence"' },
    label: { column: "labels", reason: 'named "labels"' },
    ignored: ["idx", "note"],
  });
  const odd = Dataset.fromRows([{ body_of_it: "a", stars: 3 }]);
  t.is(odd.textColumn, "body_of_it");
  t.is(odd.labelColumn, undefined);
  t.is(
    code(() => odd.labels()),
    "MISSING_COLUMN",
  );
  t.deepEqual([...odd.withOptions({ labelColumn: "stars" }).labels()], [3]);
  t.is(
    code(() => odd.withOptions({ labelColumn: "nope" })),
    "MISSING_COLUMN",
  );
  const two = Dataset.fromRows([{ premise: "a", hypothesis: "b" }]);
  t.throws(() => two.texts(), { message: /no column is plainly the text; the columns are "premise", "hypothesis"/ });
  t.is(two.withOptions({ textColumn: "premise" }).texts()[0], "a");
});

test("labels: numbers, names, booleans, and what is none of them", (t) => {
  const labelled = (labels: unknown[], options = {}) =>
    Dataset.fromColumns({ text: labels.map(() => "x"), label: labels }, options);
  t.deepEqual([...labelled([2, 0n, 1]).labels()], [2, 0, 1]);
  t.deepEqual([...labelled([true, false]).labels()], [1, 0]);
  t.deepEqual(labelled([true, false]).labelNames, ["false", "true"]);
  t.deepEqual([...labelled(["pos", "neg"], { labelNames: ["pos", "neg"] }).labels()], [0, 1]);
  t.deepEqual([...labelled(["1", "0"], { labelNames: ["neg", "pos"] }).labels()], [1, 0]);
  t.deepEqual(labelled([0, 2]).classLabels(), ["0", "1", "2"]);
  const refused = (labels: unknown[], options = {}) =>
    t.throws(() => labelled(labels, options).labels(), { instanceOf: DatasetError, code: "UNKNOWN_LABEL" })?.message ??
    "";
  t.regex(
    refused(["pos", "meh"], { labelNames: ["neg", "pos"] }),
    /row 1, column "label": unknown label "meh"; expected one of \[neg, pos\]/,
  );
  t.regex(refused([0, 2], { labelNames: ["neg", "pos"] }), /row 1, column "label": unknown label 2/);
  t.regex(refused([0, 0.5]), /unknown label 0.5; expected a whole number from 0/);
  t.regex(refused([0, null]), /row 1, column "label": the row has no label/);
  t.regex(refused([-1]), /the row has no label \(-1\)/);
  t.deepEqual([...labelled([0, -1, null]).labels({ allowMissing: true })], [0, -1, -1]);
  t.throws(() => Dataset.fromColumns({ text: ["a", null], label: [0, 1] }).texts(), {
    message: /row 1, column "text": expected text but found nothing/,
  });
});

test("map: row by row and in batches, which may change the number of rows", async (t) => {
  const upper = await dataset.map((row, i) => ({ ...row, text: `${row.text}!${i}` }));
  t.deepEqual(upper.texts().slice(0, 2), ["t0!0", "t1!1"]);
  const sizes: number[] = [];
  const doubled = await dataset.map(
    async (rows, first) => {
      sizes.push(first);
      return rows.flatMap((row) => [row, row]);
    },
    { batched: true, batchSize: 4 },
  );
  t.deepEqual(sizes, [0, 4, 8]);
  t.is(doubled.length, 20);
  await t.throwsAsync(
    dataset.map((rows) => rows, { batched: true, batchSize: 0 }),
    { code: "BAD_OPTION" },
  );
});

test("map with a cacheKey runs once for the same rows, function and key, and sees damage", async (t) => {
  const cacheDir = await temporaryFolder(t);
  let runs = 0;
  const count = (rows: Dataset, cacheKey: string) =>
    rows.map(
      (row) => {
        runs += 1;
        return { ...row, when: new Date(0) };
      },
      { cacheKey, cacheDir },
    );
  const first = await count(dataset, "a");
  const second = await count(dataset, "a");
  t.is(runs, 10);
  t.deepEqual(second.toArray(), first.toArray());
  await count(dataset, "b");
  t.is(runs, 20);
  await count(dataset.take(5), "a");
  t.is(runs, 25);
  const files = await readdir(cacheDir);
  t.is(files.length, 3);
  for (const file of files)
    await writeFile(join(cacheDir, file), (await readFile(join(cacheDir, file), "utf8")).replace("t3", "t4"));
  t.deepEqual((await count(dataset, "a")).toArray(), first.toArray());
  t.is(runs, 35);
});

test("fingerprints: of contents, not of objects", (t) => {
  const again = Dataset.fromRows(ROWS);
  t.is(again.fingerprint, dataset.fingerprint);
  t.is(dataset.select([0, 1]).fingerprint, Dataset.fromRows(ROWS.slice(0, 2)).fingerprint);
  const prints = [
    dataset,
    dataset.shuffle(1),
    dataset.take(9),
    Dataset.fromRows(ROWS.map((row) => ({ ...row, text: `${row.text} ` }))),
    Dataset.fromRows([{ text: "ab", label: "c" }]),
    Dataset.fromRows([{ text: "a", label: "bc" }]),
    Dataset.fromRows([{ text: "\ud800", label: 0 }]),
    Dataset.fromRows([{ text: "\ud801", label: 0 }]),
    Dataset.fromRows([{ text: "1", label: 0 }]),
    Dataset.fromRows([{ text: 1, label: 0 }]),
    dataset.renameColumn("label", "labels"),
  ].map(({ fingerprint }) => fingerprint);
  t.is(new Set(prints).size, prints.length);
});

test("concat and renameColumn", (t) => {
  const both = Dataset.concat([dataset.take(1), Dataset.fromRows([{ text: "u", extra: 1 }])]);
  t.deepEqual(both.toArray(), [
    { text: "t0", label: "even", extra: null },
    { text: "u", label: null, extra: 1 },
  ]);
  t.is(dataset.renameColumn("text", "sentence").textColumn, "sentence");
  t.is(
    code(() => dataset.renameColumn("nope", "x")),
    "MISSING_COLUMN",
  );
  t.is(
    code(() => Dataset.concat([])),
    "BAD_OPTION",
  );
  t.is(
    code(() => Dataset.fromColumns({ text: ["a"], label: [] })),
    "BAD_FILE",
  );
});

test("trainTestSplit refuses sizes that do not fit, and keeps shares when stratified", (t) => {
  for (const sizes of [
    { testSize: 0 },
    { testSize: 10 },
    { testSize: -1 },
    { testSize: 0.5, trainSize: 0.6 },
    { testSize: 1.5 },
  ]) {
    t.is(
      code(() => dataset.trainTestSplit(sizes)),
      "BAD_OPTION",
      JSON.stringify(sizes),
    );
  }
  t.is(
    code(() => dataset.trainTestSplit({ testSize: 1, stratify: true })),
    "BAD_OPTION",
  );
  t.is(
    code(() => dataset.shuffle(-1)),
    "BAD_OPTION",
  );
  const { train, test: held } = dataset.trainTestSplit({ testSize: 4, stratify: true, seed: 3 });
  t.is(
    held.labels().reduce((sum, label) => sum + label, 0),
    2,
  );
  t.deepEqual(
    [...train.texts(), ...held.texts()].sort(),
    ROWS.map(({ text }) => text),
  );
});

test("a stream reads only as far as it is asked, anew each time", async (t) => {
  let tables = 0;
  const stream = new StreamingDataset(async function* () {
    for (let i = 0; i < 10; i++) {
      tables += 1;
      yield Array.from({ length: 5 }, (_, j) => ({ n: 5 * i + j }));
    }
  });
  const collect = async (rows: StreamingDataset) => {
    const found: unknown[] = [];
    for await (const { n } of rows) found.push(n);
    return found;
  };
  t.deepEqual(await collect(stream.filter(({ n }) => (n as number) % 3 === 0).take(3)), [0, 3, 6]);
  t.is(tables, 2);
  t.deepEqual(await collect(stream.skip(7).take(4)), [7, 8, 9, 10]);
  t.deepEqual(await collect(stream.map(({ n }, i) => ({ n: (n as number) * 10 + i })).take(2)), [0, 11]);
  t.deepEqual(await collect(stream.take(0)), []);
  const shuffled = await collect(stream.shuffle(1, { bufferSize: 8 }));
  t.deepEqual(
    [...shuffled].sort((a, b) => (a as number) - (b as number)),
    Array.from({ length: 50 }, (_, i) => i),
  );
  t.notDeepEqual(shuffled, await collect(stream));
  t.deepEqual(shuffled, await collect(stream.shuffle(1, { bufferSize: 8 })));
  const sizes: number[] = [];
  for await (const batch of stream.batches(20)) sizes.push(batch.length);
  t.deepEqual(sizes, [20, 20, 10]);
});
