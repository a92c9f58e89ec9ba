import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import test from "ava";
import { loadDataset } from "../src/index.js";
import { aclImdbTarball, type Entry, tar } from "./acl-imdb-files.js";
import { DATA_FOLDER, failsWith, hasRealData, temporaryFolder, writeFiles } from "./helpers.js";

const IDS = [0, 1, 127, 128, 129, 255, 256];
const ORDER = [127, 1, 0, 255, 129, 128, 256];

test("a tarball, gzipped or not, and a folder give the Hub's rows in the Hub's order", async (t) => {
  const folder = await temporaryFolder(t);
  const archive = aclImdbTarball(IDS);
  const names = ["train/neg", "train/pos", "train/unsup", "test/neg", "test/pos"];
  const files = Object.fromEntries(
    names.flatMap((name) => IDS.map((id) => [`f/aclImdb/${name}/${id}_7.txt`, `${name} ${id}`])),
  );
  await writeFiles(folder, {
    "a.tar": archive,
    "b.tar.gz": archive,
    "c.tgz": gzipSync(archive),
    "d/aclImdb_v1.tar.gz": archive,
    ...files,
  });
  for (const path of ["a.tar", "b.tar.gz", "c.tgz", "d", "f", "f/aclImdb"]) {
    const { train, test: held, unsupervised } = await loadDataset(join(folder, path));
    t.deepEqual(
      train.texts(),
      ["neg", "pos"].flatMap((name) => ORDER.map((id) => `train/${name} ${id}`)),
      path,
    );
    t.deepEqual([...train.labels()], [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    t.deepEqual(train.labelNames, ["neg", "pos"]);
    t.is(held.length, 14);
    t.deepEqual(
      [...unsupervised.labels({ allowMissing: true })],
      ORDER.map(() => -1),
    );
    t.throws(() => unsupervised.labels(), {
      code: "UNKNOWN_LABEL",
      message: /unsupervised, row 0, column "label": the row has no label/,
    });
  }
  const slice = await loadDataset("imdb", { dataDir: join(folder, "a.tar"), split: "train[5:9]" });
  t.deepEqual(slice.texts(), ["train/neg 128", "train/neg 256", "train/pos 127", "train/pos 1"]);
});

test("archives that reach outside themselves or claim absurd sizes are refused", async (t) => {
  const folder = await temporaryFolder(t);
  const good: Entry = { name: "aclImdb/train/pos/0_7.txt", content: "good" };
  const cases: [string, Entry, RegExp][] = [
    [
      "dots",
      { name: "aclImdb/../../evil.txt", content: "x" },
      /entry "aclImdb\/\.\.\/\.\.\/evil\.txt" leaves the archive's folder/,
    ],
    ["absolute", { name: "/etc/evil.txt", content: "x" }, /has an absolute path/],
    ["drive", { name: "C:\\evil.txt", content: "x" }, /has an absolute path/],
    ["symlink", { name: "aclImdb/train/pos/1_7.txt", type: "2", link: "/etc/passwd" }, /is a symlink/],
    ["hardlink", { name: "aclImdb/train/pos/1_7.txt", type: "1", link: "aclImdb/train/pos/0_7.txt" }, /is a link/],
    ["device", { name: "aclImdb/train/pos/1_7.txt", type: "3" }, /is a character-device/],
    ["huge", { name: "aclImdb/train/pos/1_7.txt", claims: 8 ** 11 - 1 }, /claims a size of 8589934591 bytes/],
    ["big review", { name: "aclImdb/train/pos/1_7.txt", claims: 17 * 1024 * 1024 }, /claims a size/],
  ];
  for (const [name, entry, message] of cases) {
    await writeFiles(folder, { [`${name}.tar`]: tar([good, entry]) });
    await failsWith(t, loadDataset(join(folder, `${name}.tar`)), "BAD_ARCHIVE", `${name}.tar: refused`, message);
  }
});

test("archives that are cut, damaged or of something else are named", async (t) => {
  const folder = await temporaryFolder(t);
  const archive = aclImdbTarball(IDS);
  const gzipped = gzipSync(archive);
  const damaged = Buffer.from(archive);
  damaged.fill(0xee, 512 * 3, 512 * 4);
  await writeFiles(folder, {
    "cut.tar": archive.subarray(0, 5000),
    "damaged.tar": damaged,
    "other.tar": tar([{ name: "readme.txt", content: "x" }]),
    "text.tar": "this is no archive at all, but it is longer than nothing".repeat(40),
    "latin.tar": tar([{ name: "aclImdb/train/pos/0_7.txt" }]),
  });
  await writeFile(join(folder, "cut.tar.gz"), gzipped.subarray(0, gzipped.length / 2));
  const load = (name: string) => loadDataset(join(folder, name));
  await failsWith(t, load("cut.tar"), "BAD_ARCHIVE", "cut.tar: damaged tar archive");
  await failsWith(t, load("damaged.tar"), "BAD_ARCHIVE", "damaged.tar");
  await failsWith(t, load("other.tar"), "DATASET_UNSUPPORTED", "other.tar: no reviews found");
  await failsWith(t, load("text.tar"), "BAD_ARCHIVE", "text.tar");
  await failsWith(t, load("cut.tar.gz"), "BAD_FILE", "cut.tar.gz: the gzip data ends early");
});

test("the original tarball and the Hub's parquet have the same rows in the same order", async (t) => {
  if (!hasRealData(t, "imdb/aclImdb-first-100.tar.gz")) return;
  const tarball = await loadDataset(join(DATA_FOLDER, "imdb/aclImdb-first-100.tar.gz"));
  const hub = await loadDataset(join(DATA_FOLDER, "imdb"));
  t.deepEqual(
    Object.entries(hub).map(([split, rows]) => [split, rows.length]),
    [
      ["train", 25_000],
      ["test", 25_000],
      ["unsupervised", 50_000],
    ],
  );
  // The archive's first hundred ids of a folder are 99..0; in the Hub's first block of 128 those are rows 28..127.
  for (const [split, starts] of Object.entries({ train: [28, 12_528], test: [28, 12_528], unsupervised: [28] })) {
    const rows = starts.flatMap((start) => Array.from({ length: 100 }, (_, i) => start + i));
    t.deepEqual(tarball[split].texts(), hub[split].select(rows).texts(), split);
    const labels = (dataset: typeof tarball.train) => [...dataset.labels({ allowMissing: true })];
    t.deepEqual(labels(tarball[split]), labels(hub[split].select(rows)), split);
  }
  const bytes = hub.train.texts().reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  t.is(bytes, 33_132_823);
});

test("SST-2 as tab-separated files: the Hub's names for splits and columns", async (t) => {
  if (!hasRealData(t, "sst2/train.tsv")) return;
  const splits = await loadDataset("sst2", { dataDir: join(DATA_FOLDER, "sst2") });
  t.deepEqual(
    Object.entries(splits).map(([split, { length, textColumn }]) => [split, length, textColumn]),
    [
      ["train", 67_349, "sentence"],
      ["validation", 872, "sentence"],
      ["test", 1_821, "sentence"],
    ],
  );
  t.deepEqual(splits.train.labelNames, ["negative", "positive"]);
  t.deepEqual(splits.train.row(0), { label: 0, sentence: "hide new secretions from the parental units" });
  const same = await loadDataset("glue", { config: "sst2", dataDir: join(DATA_FOLDER, "sst2"), split: "validation" });
  t.is(same.fingerprint, splits.validation.fingerprint);
});
