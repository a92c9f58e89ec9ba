import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import test from "ava";
import { parquetWriteBuffer } from "hyparquet-writer";
import { loadDataset } from "../src/index.js";
import { failsWith, temporaryFolder, writeFiles } from "./helpers.js";

const ROWS = [
  { text: 'a "quoted", joy\nover two lines', label: 1 },
  { text: "ein Käse 🧀", label: 0 },
  { text: "", label: 1 },
];
const JSONL = ROWS.map((row) => JSON.stringify(row)).join("\n");
const CSV = `text,label\r\n"a ""quoted"", joy\nover two lines",1\r\nein Käse 🧀,0\r\n"",1\r\n`;

function parquetFile(rows: { text: string; label: number }[], options: object = {}): Uint8Array {
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: "text", data: rows.map(({ text }) => text), type: "STRING" },
        { name: "label", data: rows.map(({ label }) => BigInt(label)), type: "INT64" },
      ],
      ...options,
    }),
  );
}

test("every format gives the same rows, gzipped or not", async (t) => {
  const folder = await temporaryFolder(t);
  const files: Record<string, string | Uint8Array> = {
    "rows.jsonl": JSONL,
    "rows.ndjson": `\ufeff${JSONL}\n\n`,
    "rows.json": JSON.stringify(ROWS, null, 2),
    "lines.json": JSONL,
    "nested.json": JSON.stringify({ version: 1, data: ROWS }),
    "columns.json": JSON.stringify({ text: ROWS.map(({ text }) => text), label: ROWS.map(({ label }) => label) }),
    "rows.csv": CSV,
    "rows.parquet": parquetFile(ROWS),
    "rows.csv.gz": CSV,
    "rows.jsonl.gz": JSONL,
    "rows.json.gz": JSON.stringify(ROWS),
  };
  await writeFiles(folder, files);
  for (const name of Object.keys(files)) {
    const dataset = await loadDataset(join(folder, name), { split: "train" });
    t.deepEqual(dataset.toArray(), ROWS, name);
    t.is(dataset.textColumn, "text", name);
    t.is(dataset.labelColumn, "label", name);
    t.deepEqual([...dataset.labels()], [1, 0, 1], name);
    const all = await loadDataset(join(folder, name));
    t.deepEqual(Object.keys(all), ["train"], name);
    const streamed = await loadDataset(join(folder, name), { split: "train[1:]", streaming: true });
    const rows = [];
    for await (const row of streamed) rows.push(row);
    t.deepEqual(rows, ROWS.slice(1), name);
  }
});

test("TSV: tabs are not quoted, and labels may be words", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, { "rows.tsv": 'label\tsentence\npos\t" an open quote\nneg\ta , b\n' });
  const dataset = await loadDataset(join(folder, "rows.tsv"), { split: "train" });
  t.deepEqual(dataset.texts(), ['" an open quote', "a , b"]);
  await writeFiles(folder, { "rows.tsv.gz": 'label\tsentence\npos\t" an open quote\nneg\ta , b\n' });
  const gzipped = await loadDataset(join(folder, "rows.tsv.gz"), { split: "train" });
  t.is(gzipped.fingerprint, dataset.fingerprint);
  t.deepEqual(dataset.labelNames, ["neg", "pos"]);
  t.deepEqual([...dataset.labels()], [1, 0]);
});

test("CSV: without a header, with another separator, numerals that are no numbers", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, { "rows.csv": "007;1\n1e3;0\n" });
  const options = { split: "train", columnNames: ["text", "label"], delimiter: ";" };
  const dataset = await loadDataset(join(folder, "rows.csv"), options);
  t.deepEqual(dataset.toArray(), [
    { text: "007", label: 1 },
    { text: "1e3", label: 0 },
  ]);
});

test("plain text: a row per line", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, { "lines.txt": "one\r\n\ntwo\u2028still two\u0085\nthree", "lines.txt.gz": "one" });
  const dataset = await loadDataset(join(folder, "lines.txt"), { split: "train" });
  t.deepEqual(dataset.texts(), ["one", "", "two\u2028still two\u0085", "three"]);
  t.is(dataset.labelColumn, undefined);
  t.deepEqual((await loadDataset(join(folder, "lines.txt.gz"), { split: "train" })).texts(), ["one"]);
  const sliced = await loadDataset(join(folder, "lines.txt"), { split: "train[1:3]" });
  t.deepEqual(sliced.texts(), ["", "two\u2028still two\u0085"]);
});

test("several files, globs and dataFiles", async (t) => {
  const folder = await temporaryFolder(t);
  const row = (i: number) => JSON.stringify({ text: `t${i}`, label: i % 2 });
  await writeFiles(folder, { "a/1.jsonl": row(1), "a/2.jsonl": row(2), "b/3.jsonl": row(3), "b/c/4.jsonl": row(4) });
  const texts = async (name: string | string[], options = {}) =>
    (await loadDataset(name, { split: "train", ...options })).texts();
  t.deepEqual(await texts(join(folder, "a/*.jsonl")), ["t1", "t2"]);
  t.deepEqual(await texts(join(folder, "**/*.jsonl")), ["t1", "t2", "t3", "t4"]);
  t.deepEqual(await texts(join(folder, "{a,b}/[!1].jsonl")), ["t2", "t3"]);
  t.deepEqual(await texts([join(folder, "b/3.jsonl"), join(folder, "a/1.jsonl")]), ["t3", "t1"]);
  const dataFiles = { learn: ["a/*.jsonl", "b/3.jsonl"], check: "b/c/4.jsonl" };
  const { learn, check } = await loadDataset(folder, { dataFiles, split: { learn: "learn", check: "check" } });
  t.deepEqual(learn.texts(), ["t1", "t2", "t3"]);
  t.deepEqual(check.texts(), ["t4"]);
  await failsWith(t, texts(join(folder, "z/*.jsonl")), "DATASET_NOT_FOUND", /no file matches/);
  await failsWith(t, texts([join(folder, "z.jsonl")]), "DATASET_NOT_FOUND", "z.jsonl");
});

test("folders: shards, names, sub-folders, configurations, dataset cards", async (t) => {
  const folder = await temporaryFolder(t);
  const row = (i: number) => JSON.stringify({ text: `t${i}`, label: i % 2 });
  const splits = async (files: Record<string, string>, options = {}) => {
    const path = join(folder, String(Math.random()));
    await writeFiles(path, files);
    const loaded = await loadDataset(path, options);
    return Object.fromEntries(Object.entries(loaded).map(([split, rows]) => [split, rows.texts().join()]));
  };
  t.deepEqual(
    await splits({ "train.jsonl": row(1), "dev.jsonl": row(2), "my-test-set.jsonl": row(3), "LICENSE.txt": "x" }),
    {
      train: "t1",
      validation: "t2",
      test: "t3",
    },
  );
  t.deepEqual(await splits({ "train/b.jsonl": row(2), "train/a.jsonl": row(1), "test/x.jsonl": row(3) }), {
    train: "t1,t2",
    test: "t3",
  });
  const shards = {
    "plain/unsupervised-00000-of-00001.jsonl": row(5),
    "plain/train-00001-of-00002.jsonl": row(2),
    "plain/train-00000-of-00002.jsonl": row(1),
  };
  t.deepEqual(await splits(shards), { train: "t1,t2", unsupervised: "t5" });
  t.deepEqual(await splits({ "x.jsonl": row(1), "y.jsonl": row(2) }), { train: "t1,t2" });
  const two = { "one/train.jsonl": row(1), "two/train.jsonl": row(2) };
  t.deepEqual(await splits(two, { config: "two" }), { train: "t2" });
  await failsWith(t, splits(two), "BAD_OPTION", /several configurations: one, two/);
  await failsWith(t, splits(two, { config: "three" }), "BAD_OPTION", /no configuration "three"/);
  const card = `---
configs:
- config_name: small
  data_files:
  - split: learn
    path: data/a*
- config_name: large
  default: true
  data_files:
    learn: ["data/*"]
dataset_info:
- config_name: large
  features:
  - name: label
    dtype:
      class_label:
        names: {'0': bad, '1': good}
---
# Rows
`;
  const carded = { "README.md": card, "data/a.jsonl": row(1), "data/b.jsonl": row(2) };
  t.deepEqual(await splits(carded), { learn: "t1,t2" });
  t.deepEqual(await splits(carded, { config: "small" }), { learn: "t1" });
  const path = join(folder, "named");
  await writeFiles(path, carded);
  const { learn } = await loadDataset(path);
  t.deepEqual(learn.labelNames, ["bad", "good"]);
  await failsWith(t, splits({ "a.csv": "text\nx", "a.jsonl": row(1) }), "DATASET_UNSUPPORTED", /several formats/);
  await failsWith(t, splits({ "picture.png": "x" }), "DATASET_UNSUPPORTED", /no data files/);
  await failsWith(
    t,
    splits({ "README.md": "---\n: [\n---\n", "a.jsonl": row(1) }),
    "BAD_FILE",
    /README\.md: its header is not YAML/,
  );
});

test("a slice of a parquet file reads only its row groups, and class names are those of the whole", async (t) => {
  const folder = await temporaryFolder(t);
  const rows = Array.from({ length: 1000 }, (_, i) => ({ text: `t${i}`, label: i < 500 ? "bad" : "good" }));
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: "text", data: rows.map(({ text }) => text), type: "STRING" },
      { name: "label", data: rows.map(({ label }) => label), type: "STRING" },
    ],
    rowGroupSize: 100,
  });
  await writeFiles(folder, { "rows.parquet": new Uint8Array(buffer) });
  const slice = await loadDataset(join(folder, "rows.parquet"), { split: "train[95:205]" });
  t.deepEqual(
    slice.texts(),
    rows.slice(95, 205).map(({ text }) => text),
  );
  t.deepEqual(slice.labelNames, ["bad", "good"]);
  const sum = await loadDataset(join(folder, "rows.parquet"), { split: "train[-2:]+train[:1%]" });
  t.deepEqual(sum.texts().slice(0, 3), ["t998", "t999", "t0"]);
  t.is(sum.length, 12);
  t.deepEqual(sum.labelNames, ["bad", "good"]);
  t.is(sum.labels()[0], 1);
});

test("splits of text labels loaded together agree on their classes", async (t) => {
  const folder = await temporaryFolder(t);
  await writeFiles(folder, { "train.csv": "text,label\na,x\nb,z\n", "test.csv": "text,label\nc,z\nd,y\n" });
  const { train, test: held } = await loadDataset(folder);
  t.deepEqual(train.labelNames, ["x", "y", "z"]);
  t.deepEqual([...train.labels()], [0, 2]);
  t.deepEqual([...held.labels()], [2, 1]);
});

test("the embedded reviews: 300 and 200 balanced rows, no text twice", async (t) => {
  const { train, test: held } = await loadDataset("reviews");
  t.deepEqual([train.length, held.length], [300, 200]);
  t.deepEqual(train.labelNames, ["neg", "pos"]);
  for (const split of [train, held])
    t.is(
      split.labels().reduce((sum, label) => sum + label, 0),
      split.length / 2,
    );
  t.is(new Set([...train.texts(), ...held.texts()]).size, 500);
});

test("the embedded reviews: no template twice, so that no test review is nearly one that was trained on", async (t) => {
  const { train, test: held } = await loadDataset("reviews");
  const triples = ([...train.texts(), ...held.texts()] as string[]).map((text) => {
    const words = text.toLowerCase().match(/[a-z']+/g) ?? [];
    return new Set(words.slice(2).map((word, i) => `${words[i]} ${words[i + 1]} ${word}`));
  });
  t.true(triples.every(({ size }) => size > 5));
  for (let a = 0; a < triples.length; a++)
    for (let b = 0; b < a; b++) {
      const shared = [...triples[a]!].filter((triple) => triples[b]!.has(triple)).length;
      const share = shared / Math.min(triples[a]!.size, triples[b]!.size);
      if (share > 0.25) t.fail(`rows ${a} and ${b} share ${(100 * share).toFixed(0)} % of their word triples`);
    }
  t.pass();
});

test("broken files name file and line or row", async (t) => {
  const folder = await temporaryFolder(t);
  const load = async (name: string, content: string | Buffer | Uint8Array, options = {}) => {
    await writeFiles(folder, { [name]: content });
    return loadDataset(join(folder, name), { split: "train", ...options });
  };
  await failsWith(t, load("a.jsonl", '{"text": "x"}\n{"text": \n'), "BAD_FILE", "a.jsonl, line 2: not JSON");
  await failsWith(
    t,
    load("b.jsonl", '{"text": "x"}\n\n["x"]\n'),
    "BAD_FILE",
    "b.jsonl, line 3: expected an object",
    "an array",
  );
  await failsWith(
    t,
    load("c.csv", "text,label\nx,1\ny\n"),
    "BAD_FILE",
    "c.csv, line 3: 1 cells where the header has 2",
  );
  await failsWith(t, load("d.csv", 'text,label\nx,1\n"open,1\n'), "BAD_FILE", "d.csv", "never closed");
  await failsWith(
    t,
    load("e.csv", 'text,label\nx,1\na"b"c",1\n"a"b,1\n'),
    "BAD_FILE",
    /e\.csv, line \d: broken quotes/,
  );
  await failsWith(
    t,
    load("f.csv", "text,text\nx,1\n"),
    "BAD_FILE",
    'f.csv, line 1: the header names the column "text" twice',
  );
  await failsWith(t, load("g.tsv", "text\tlabel\nx\t1\ty\n"), "BAD_FILE", "g.tsv, line 2: 3 cells");
  await failsWith(t, load("h.json", '[{"text": "x"},\n {"text" "y"}]'), "BAD_FILE", /h\.json, line 2: not JSON/);
  await failsWith(t, load("i.json", '"text"'), "BAD_FILE", "i.json: no rows found");
  await failsWith(t, load("j.json", '{"a": [], "b": {}}', { field: "c" }), "BAD_FILE", 'no key "c"');
  await failsWith(t, load("k.json", '[{"text": "x"}, 3]'), "BAD_FILE", "k.json, row 1: expected an object");
  const latin = Buffer.from("text,label\ncaf\xe9,1\n", "latin1");
  await failsWith(t, load("l.csv", latin), "BAD_TEXT_ENCODING", "l.csv, line 2: not UTF-8");
  await failsWith(
    t,
    load("m.jsonl", Buffer.concat([Buffer.from('{"text": "é"}\n{"text": "'), Buffer.from([0xc3])])),
    "BAD_TEXT_ENCODING",
    "line 2",
  );
  await failsWith(t, load("n.txt", Buffer.from("\ufefftext", "utf16le")), "BAD_TEXT_ENCODING", "UTF-16");
  await failsWith(t, load("o.csv", ""), "EMPTY_SPLIT", "o.csv: no rows");
  await failsWith(t, load("p.csv", "text,label\n"), "EMPTY_SPLIT");
  await failsWith(
    t,
    load("q.jsonl", "{}\n", { split: "test" }),
    "BAD_SPLIT",
    'There is no split "test". The splits are: train',
  );
  await failsWith(
    t,
    load("r.jsonl", '{"text":"x"}\n', { split: "train[:0]" }),
    "EMPTY_SPLIT",
    'split "train[:0]" has no rows',
  );
  await failsWith(t, load("s.docx", "x"), "DATASET_UNSUPPORTED", "s.docx: unknown kind of file");
  await failsWith(t, loadDataset(join(folder, "nope.csv")), "DATASET_NOT_FOUND", "nope.csv: no such file");
});

test("gzip that is cut or damaged is named", async (t) => {
  const folder = await temporaryFolder(t);
  const whole = gzipSync(Array.from({ length: 5000 }, (_, i) => `{"text":"row ${i * 7919}"}`).join("\n"));
  await writeFile(join(folder, "cut.jsonl.gz"), whole.subarray(0, whole.length / 2));
  await failsWith(t, loadDataset(join(folder, "cut.jsonl.gz")), "BAD_FILE", "cut.jsonl.gz: the gzip data ends early");
  await writeFile(join(folder, "not.jsonl.gz"), '{"text": "plain"}');
  await failsWith(
    t,
    loadDataset(join(folder, "not.jsonl.gz")),
    "BAD_FILE",
    "not.jsonl.gz: this is not intact gzip data",
  );
});

test("parquet that is cut, damaged, or holds text that is not UTF-8 is named", async (t) => {
  const folder = await temporaryFolder(t);
  const rows = Array.from({ length: 3000 }, (_, i) => ({
    text: `a review of film number ${i * 7919} that was long`,
    label: i % 2,
  }));
  const whole = Buffer.from(parquetFile(rows));
  const load = async (name: string, bytes: Buffer) => {
    await writeFile(join(folder, name), bytes);
    return loadDataset(join(folder, name), { split: "train" });
  };
  t.is((await load("whole.parquet", whole)).length, 3000);
  await failsWith(t, load("empty.parquet", Buffer.alloc(0)), "BAD_FILE", "empty.parquet: broken parquet");
  await failsWith(
    t,
    load("text.parquet", Buffer.from("not a parquet file at all")),
    "BAD_FILE",
    "text.parquet: broken parquet",
  );
  await failsWith(
    t,
    load("cut.parquet", whole.subarray(0, whole.length - 100)),
    "BAD_FILE",
    "cut.parquet: broken parquet",
  );
  const damaged = Buffer.from(whole);
  damaged.fill(0xff, 20, 400);
  await failsWith(t, load("damaged.parquet", damaged), "BAD_FILE", /damaged\.parquet.*broken parquet/);
  const bytes = rows.map(({ text }) => Buffer.from(text));
  bytes[1234] = Buffer.from("caf\xe9 noir", "latin1");
  const binary = parquetWriteBuffer({
    columnData: [{ name: "text", data: bytes }],
    schema: [
      { name: "root", num_children: 1 },
      { name: "text", type: "BYTE_ARRAY", repetition_type: "REQUIRED", converted_type: "UTF8" },
    ],
  });
  await failsWith(
    t,
    load("latin.parquet", Buffer.from(binary)),
    "BAD_TEXT_ENCODING",
    'latin.parquet, row 1234, column "text": not UTF-8',
  );
});
