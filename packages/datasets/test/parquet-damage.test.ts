// Parquet in the encodings that writers use, whole and damaged. Damage ends in an error that names the file, or in rows; it
// never keeps the process busy. fixtures/parquet is made by python/make_parquet_fixtures.py.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { parquetHeader } from "hyparquet/src/column.js";
import { parquetWriteBuffer } from "hyparquet-writer";
import { loadDataset } from "../src/index.js";
import { walkDelta, walkDeltaTexts, walkRuns } from "../src/loaders/parquet-runs.js";
import { walkStruct } from "../src/loaders/parquet-thrift.js";
import { failsWith, temporaryFolder, testSeed } from "./helpers.js";

const FOLDER = fileURLToPath(new URL("fixtures/parquet", import.meta.url));
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".parquet"));
const ROWS = readFileSync(join(FOLDER, "rows.jsonl"), "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => JSON.parse(line));
const LIMIT_MS = 100_000;

test("every encoding and codec gives the same rows, whole, in part and streamed", async (t) => {
  t.true(FILES.length >= 9);
  for (const name of FILES) {
    const path = join(FOLDER, name);
    t.deepEqual((await loadDataset(path, { split: "train" })).toArray(), ROWS, name);
    t.deepEqual((await loadDataset(path, { split: "train[95:105]" })).toArray(), ROWS.slice(95, 105), name);
    const streamed = [];
    for await (const row of await loadDataset(path, { split: "train[200:]", streaming: true })) streamed.push(row);
    t.deepEqual(streamed, ROWS.slice(200), name);
  }
});

test("damage at random places ends in time, with an error that names the file or with rows", async (t) => {
  t.timeout(LIMIT_MS + 60_000);
  const folder = await temporaryFolder(t);
  const child = fileURLToPath(new URL("parquet-damage-child.ts", import.meta.url));
  const files = FILES.map((name) => join(FOLDER, name));
  const args = ["--import=tsx", child, folder, String(testSeed(t)), "60", ...files];
  const result = spawnSync(process.execPath, args, { encoding: "utf8", timeout: LIMIT_MS, maxBuffer: 1 << 26 });
  const lines = result.stdout.split("\n").filter(Boolean);
  t.is(result.status, 0, `${result.error ?? result.stderr}; last: ${lines.at(-1)}`);
  const outcomes = lines.map((line) => JSON.parse(line)).filter(({ outcome }) => outcome !== undefined);
  t.is(outcomes.length, 60 * FILES.length);
  const counts: Record<string, number> = {};
  for (const { file, round, outcome, inPages } of outcomes) {
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    t.false(outcome.startsWith("raw"), `${file}, round ${round}: ${outcome}`);
    // With checksums wrong rows are impossible.
    if (file.includes("crc") && inPages) t.not(outcome, "other", `${file}, round ${round}`);
  }
  t.log(JSON.stringify(counts));
  t.true(counts.BAD_FILE! > 200 && counts.same! > 10);
});

test("a run of a billion values in a file of some bytes is an error at once", async (t) => {
  const folder = await temporaryFolder(t);
  const text = Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? `t${i}` : null));
  const columnData = [{ name: "text", data: text, type: "STRING" as const, encoding: "PLAIN" as const }];
  const bytes = Buffer.from(parquetWriteBuffer({ columnData, codec: "UNCOMPRESSED" }));
  // After the magic number the first page's header, then its levels, which begin with a run.
  const page = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 4 };
  const { type } = parquetHeader(page);
  Buffer.from([0xfe, 0xff, 0xff, 0xff, 0x0f]).copy(bytes, page.offset + (type === "DATA_PAGE" ? 4 : 0));
  await writeFile(join(folder, "run.parquet"), bytes);
  const start = performance.now();
  const loading = loadDataset(join(folder, "run.parquet"), { split: "train" });
  await failsWith(t, loading, "BAD_FILE", /run\.parquet.*column "text".*a run of \d+ values where 300 are left/);
  t.true(performance.now() - start < 5000);
});

test("a list that claims more elements than there are bytes is an error before room is made for it", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "list.parquet");
  // Field 2 of the footer, a list; of lists of lists: each claims 2^25 elements, for which V8 would take 256 MiB.
  const list = [0xf9, 0x80, 0x80, 0x80, 0x10];
  const footer = [0x29, ...Array(20).fill(list).flat()];
  const ending = Buffer.alloc(8, "____PAR1");
  ending.writeUInt32LE(footer.length);
  await writeFile(path, Buffer.concat([Buffer.from("PAR1"), Buffer.from(footer), ending]));
  const before = process.memoryUsage.rss();
  await failsWith(
    t,
    loadDataset(path, { split: "train" }),
    "BAD_FILE",
    /list\.parquet.*a list of 33554432 elements in \d+ bytes/,
  );
  t.true(process.memoryUsage.rss() - before < 200e6);
});

test("thrift: what is whole is walked to its end, and what cannot be is refused", (t) => {
  // Field 1: true; 2: 300; 3: 8 bytes; 4: "ab"; 5: [1, 2]; 6: {1: 7} ; a field with its number apart; the end.
  const whole = [
    0x11, 0x15, 0xd8, 4, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x18, 2, 97, 98, 0x19, 0x25, 2, 4, 0x1c, 0x13, 7, 0, 0x05, 80, 1,
    0,
  ];
  const good = reader(...whole, 99);
  walkStruct(good);
  t.is(good.offset, whole.length);
  const refused = (message: RegExp, ...bytes: number[]) => t.throws(() => walkStruct(reader(...bytes)), { message });
  refused(/3 bytes where 2 are left/, 0x18, 3, 97, 98);
  refused(/-1 bytes where 0 are left/, 0x18, 0xff, 0xff, 0xff, 0xff, 0x0f);
  refused(/a list of 14 elements in 1 bytes/, 0x19, 0xe5, 1);
  refused(/type 11/, 0x1b, 0);
  refused(/more than 64 deep/, ...Array(70).fill(0x1c));
  refused(/more than 64 deep/, 0x19, ...Array(70).fill(0x19));
  t.throws(() => walkStruct(reader(0x15, 0x80)), { instanceOf: RangeError });
});

const reader = (...bytes: number[]) => ({ view: new DataView(Uint8Array.from(bytes).buffer), offset: 0 });

test("runs: what is whole is walked to its end, and counts that cannot be are refused", (t) => {
  // Three times 1, then eight packed bits 10110010 (from the lowest) of which six are used.
  const hybrid = reader(6, 1, 3, 0b01001101);
  t.is(walkRuns(hybrid, 1, 9, 1), 3 + 3);
  t.is(hybrid.offset, 4);
  const wide = reader(3, 0b11_011_010, 0b1_001_000_1, 0b111_110_10);
  t.is(walkRuns(wide, 3, 8, 2), 1);
  const refused = (walk: () => unknown, message: RegExp) => t.throws(walk, { message });
  refused(() => walkRuns(reader(0xfe, 0xff, 0xff, 0xff, 0x0f, 1), 1, 9), /a run of 2147483647 values where 9 are left/);
  refused(() => walkRuns(reader(0xff, 0xff, 0xff, 0xff, 0x0f, 1), 0, 9), /a run of -8 values/);
  refused(() => walkRuns(reader(0x81, 0x80, 0x80, 0x40, 1), 0, 9), /a run of 536870912/);
  refused(() => walkRuns(reader(2, 0), 33, 1), /33 bits/);
  t.throws(() => walkRuns(reader(0, 1, 0, 1), 1, 9), { instanceOf: RangeError });
});

test("delta blocks: what is whole is walked to its end, and shapes that cannot be are refused", (t) => {
  // Blocks of 128 in 4 parts; five values from 7 on, each one more.
  const even = reader(0x80, 1, 4, 5, 14, 2, 0, 0, 0, 0);
  walkDelta(even, 5);
  t.is(even.offset, 10);
  const refused = (walk: () => unknown, message: RegExp) => t.throws(walk, { message });
  refused(() => walkDelta(reader(0x80, 1, 0, 5, 14, 2), 5), /delta blocks of 128 values in 0 parts/);
  refused(() => walkDelta(reader(0x80, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 5, 14, 2), 5), /in -1 parts/);
  refused(() => walkDelta(reader(0x80, 1, 4, 5, 14, 2, 65, 0, 0, 0), 5), /65 bits/);
  refused(() => walkDelta(reader(0x80, 1, 4, 5, ...Array(11).fill(0x80), 1), 5), /more than ten bytes/);
  // Two texts: the second shares 9 bytes with the first, which has 1.
  const prefixes = [0x80, 1, 4, 2, 0, 18, 0, 0, 0, 0];
  const suffixes = [0x80, 1, 4, 2, 2, 0, 0, 0, 0, 0];
  refused(() => walkDeltaTexts(reader(...prefixes, ...suffixes, 97, 97), 2), /shares 9 bytes with one of 1/);
});
