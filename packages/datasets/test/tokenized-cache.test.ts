import { spawn } from "node:child_process";
import { readdir, readFile, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { writeBeside } from "../src/cache/cache-folder.js";
import { BatchSampler, Dataset, packRows, tokenizeCached } from "../src/index.js";
import { temporaryFolder } from "./helpers.js";
import { LettersTokenizer } from "./letters-tokenizer.js";

const TEXTS = Array.from({ length: 3000 }, (_, i) => `${"review ".repeat(i % 13)}${i}`);
const rows = Dataset.fromRows(TEXTS.map((text, i) => ({ text: i === 7 ? "" : text, label: i % 2 })));

test("what is read is what the tokenizer made, in any order, with 16 or 32 bits, with offsets or without", async (t) => {
  for (const vocabSize of [30_522, 119_547]) {
    for (const withOffsets of [false, true]) {
      const cacheDir = await temporaryFolder(t);
      const tokenizer = new LettersTokenizer(vocabSize);
      const encoding = { maxLength: 60, withOffsets };
      const whole = tokenizer.encodeBatch(rows.texts(), encoding);
      const cached = await tokenizeCached(rows, tokenizer, { cacheDir, encoding });
      t.deepEqual(await cached.slice(0, rows.length), whole);
      t.deepEqual(await cached.slice(5, 9), packRows(whole, [5, 6, 7, 8]));
      for (const { rows: batch } of new BatchSampler({
        lengths: cached.lengths,
        batchSize: 64,
        order: "shuffled",
      }).iterate()) {
        t.deepEqual(await cached.pack(batch), packRows(whole, batch));
      }
      t.is(cached.length, 3000);
      t.deepEqual(cached.originalLengths, whole.originalLengths);
      await t.throwsAsync(cached.pack([3000]), { code: "ROW_OUT_OF_RANGE" });
      await cached.close();
    }
  }
});

test("made once for the same rows, tokenizer and options; anew when one of them differs", async (t) => {
  const cacheDir = await temporaryFolder(t);
  const tokenizer = new LettersTokenizer();
  const open = async (what: Dataset, by: LettersTokenizer, encoding: object) => {
    const cached = await tokenizeCached(what, by, { cacheDir, encoding });
    await cached.close();
    return (await readdir(cacheDir)).length;
  };
  t.is(await open(rows, tokenizer, { maxLength: 60 }), 1);
  const calls = tokenizer.calls;
  t.is(await open(Dataset.fromRows(rows.toArray()), tokenizer, { maxLength: 60 }), 1);
  t.is(tokenizer.calls, calls, "not tokenized again");
  t.is(await open(rows, new LettersTokenizer(), { maxLength: 60 }), 1, "an equal tokenizer is the same");
  t.is(await open(rows, tokenizer, { maxLength: 61 }), 2);
  t.is(await open(rows, new LettersTokenizer(30_522, 1), { maxLength: 60 }), 3);
  t.is(await open(rows.shuffle(1), tokenizer, { maxLength: 60 }), 4);
  t.is(await open(rows.take(2999), tokenizer, { maxLength: 60 }), 5);
});

test("a damaged, cut, foreign or empty file is made again", async (t) => {
  const cacheDir = await temporaryFolder(t);
  const tokenizer = new LettersTokenizer();
  const first = await tokenizeCached(rows, tokenizer, { cacheDir });
  const whole = await first.slice(0, rows.length);
  await first.close();
  const good = await readFile(first.path);
  const damages: [string, (bytes: Buffer) => Buffer][] = [
    ["empty", () => Buffer.alloc(0)],
    ["short", (bytes) => bytes.subarray(0, 10)],
    ["cut by one byte", (bytes) => bytes.subarray(0, -1)],
    ["cut in half", (bytes) => bytes.subarray(0, bytes.length / 2)],
    ["longer", (bytes) => Buffer.concat([bytes, Buffer.from("x")])],
    ["rubbish", (bytes) => Buffer.alloc(bytes.length, 7)],
    ["another key", (bytes) => Buffer.from(bytes.toString("latin1").replace(/"key":"./, '"key":"!'), "latin1")],
    [
      "another version",
      (bytes) => Buffer.from(bytes.toString("latin1").replace('"version":1', '"version":2'), "latin1"),
    ],
    ["other counts", (bytes) => Buffer.from(bytes.toString("latin1").replace('"rows":3000', '"rows":2999'), "latin1")],
    ["a huge trailer", (bytes) => Buffer.from(bytes).fill(0xff, bytes.length - 12, bytes.length - 8)],
  ];
  for (const at of [9, 1000, good.length - 20_000, good.length - 400]) {
    damages.push([`byte ${at} flipped`, (bytes) => Buffer.from(bytes).fill(bytes[at] ^ 1, at, at + 1)]);
  }
  for (const [name, damage] of damages) {
    await writeFile(first.path, damage(good));
    const calls = tokenizer.calls;
    const again = await tokenizeCached(rows, tokenizer, { cacheDir });
    t.false(again.fromCache, name);
    t.true(tokenizer.calls > calls, name);
    t.deepEqual(await again.slice(0, rows.length), whole, name);
    await again.close();
    t.deepEqual(await readFile(first.path), good, `${name}: the same bytes again`);
  }
  t.deepEqual(await readdir(cacheDir), [first.path.slice(cacheDir.length + 1)], "nothing partial is left");
});

test("trustCache skips the checksum, never the structure and the key", async (t) => {
  const cacheDir = await temporaryFolder(t);
  const tokenizer = new LettersTokenizer();
  const first = await tokenizeCached(rows, tokenizer, { cacheDir });
  await first.close();
  await truncate(first.path, 5000);
  const again = await tokenizeCached(rows, tokenizer, { cacheDir, trustCache: true });
  t.false(again.fromCache);
  const trusted = await tokenizeCached(rows, tokenizer, { cacheDir, trustCache: true });
  t.true(trusted.fromCache);
  t.deepEqual(await trusted.slice(0, 10), await again.slice(0, 10));
  await again.close();
  await trusted.close();
});

test("two processes that write at once: both are right, and one file remains", async (t) => {
  const cacheDir = await temporaryFolder(t);
  const child = fileURLToPath(new URL("tokenized-cache-child.ts", import.meta.url));
  const children = [0, 1, 2].map(() =>
    spawn(process.execPath, ["--import=tsx", child, cacheDir], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  const outputs = await Promise.all(
    children.map(
      (each) =>
        new Promise<string>((resolve) => {
          let output = "";
          each.stdout.on("data", (text) => {
            output += text;
          });
          each.on("close", (exit) => resolve(`${exit} ${output}`));
        }),
    ),
  );
  t.regex(outputs[0], /^0 [0-9a-f]{64}$/);
  t.is(new Set(outputs).size, 1);
  t.is((await readdir(cacheDir)).length, 1);
});

test("what cannot be written is an error that names the file, and leaves nothing", async (t) => {
  const cacheDir = await temporaryFolder(t);
  await writeFile(join(cacheDir, "file"), "");
  await t.throwsAsync(tokenizeCached(rows, new LettersTokenizer(), { cacheDir: join(cacheDir, "file/x") }));
  const failing = new LettersTokenizer();
  failing.encodeBatch = () => {
    throw new Error("tokenizer failed");
  };
  await t.throwsAsync(tokenizeCached(rows, failing, { cacheDir }), { message: "tokenizer failed" });
  t.deepEqual(await readdir(cacheDir), ["file"]);
  const overflowing = new LettersTokenizer();
  const { encodeBatch } = overflowing;
  overflowing.encodeBatch = (texts) => encodeBatch.call(overflowing, [...texts, "one more"]);
  await t.throwsAsync(tokenizeCached(rows, overflowing, { cacheDir }), {
    code: "BAD_OPTION",
    message: /1025 sequences of 1024 texts/,
  });
  t.deepEqual(await readdir(cacheDir), ["file"]);
  if (process.platform !== "linux") return;
  const full = writeBeside(join(cacheDir, "a.tokens"), async (partial) => {
    await symlink("/dev/full", partial);
    await writeFile(partial, "x".repeat(100_000));
  });
  await t.throwsAsync(full, { code: "CACHE_IO", message: /a\.tokens: the disk is full/ });
  t.deepEqual(await readdir(cacheDir), ["file"]);
});
