// The built package: the threads run its files.

import { execFileSync } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { type BatchEncoding, BertTokenizer, BertTokenizerPool } from "@node-bert/datasets";
import test, { type ExecutionContext } from "ava";
import { randomFrom, randomString } from "./strings.js";

const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
const tokenizer = BertTokenizer.fromVocabulary(
  ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...letters, ...letters.map((letter) => `##${letter}`)],
  { modelMaxLength: 512 },
);
const random = randomFrom(11);
const generated = Array.from({ length: 2000 }, () => randomString(random));
/** Halves of a pair at the ends of neighbours, nothing, blanks, and a text longer than a part. */
const awkward = ["a\ud83d", "\ude00b", "", "\udc00", " \t\n", "", "zz ".repeat(50_000), "\ud800", "[MASK]\u0000"];
const texts = [...generated.slice(0, 1000), ...awkward, ...generated.slice(1000), ""];
const pairs = texts.map((text, i) => [text, texts[(i * 7) % texts.length]!] as const);

/** Compares all bytes: `deepEqual` would look at numbers one by one. */
function isSame(t: ExecutionContext, actual: BatchEncoding, expected: BatchEncoding): void {
  t.deepEqual(Object.keys(actual).sort(), Object.keys(expected).sort());
  for (const [name, column] of Object.entries(expected) as [keyof BatchEncoding, Int32Array][]) {
    t.is(actual[name]!.length, column.length, name);
    t.is(Buffer.compare(bytesOf(actual[name]!), bytesOf(column)), 0, name);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Int32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** A tokenizer whose encodings in this thread can be watched, or whose definition, which other threads get, is another. */
function watched(seen: () => void, definition: unknown = tokenizer.definition): BertTokenizer {
  const encodeInto: BertTokenizer["encodeInto"] = (...args) => {
    seen();
    return tokenizer.encodeInto(...args);
  };
  return { definition, encodeInto } as never;
}

for (const threads of [1, 2, 3]) {
  test(`${threads} threads give what one call gives, in its order`, async (t) => {
    const pool = new BertTokenizerPool(tokenizer, { threads });
    t.teardown(() => pool.close());
    t.is(pool.threads, threads);
    const all = { returnOffsets: true, returnWordIds: true };
    const windows = { ...all, maxLength: 16, stride: 2, returnOverflowing: true };
    for (const options of [
      {},
      windows,
      { ...all, maxLength: 9, truncation: "head-tail" },
      { addSpecialTokens: false },
    ] as const)
      isSame(t, await pool.encodeBatch(texts, options), tokenizer.encodeBatch(texts, options));
    for (const options of [{}, { ...windows, truncationSide: "tail" }, { returnWordIds: true, maxLength: 7 }] as const)
      isSame(t, await pool.encodeBatch(pairs, options), tokenizer.encodeBatch(pairs, options));
    for (const few of [[], [""], ["", ""], ["a"], [["a", ""]] as const])
      isSame(t, await pool.encodeBatch(few, all), tokenizer.encodeBatch(few, all));
  });
}

test("the whole, in shared memory, grows while other threads write to it", async (t) => {
  const pool = new BertTokenizerPool(tokenizer, { threads: 3 });
  t.teardown(() => pool.close());
  // The first texts are a token each, the others a thousand: far more than the first parts foretell.
  const sparse = Array.from({ length: 1500 }, () => "z".repeat(2000));
  const dense = Array.from({ length: 1500 }, () => "b a ".repeat(500));
  const rising = [...sparse, ...dense];
  const all = { returnOffsets: true, returnWordIds: true };
  const expected = tokenizer.encodeBatch(rising, all);
  for (let i = 0; i < 5; i++) {
    const encoding = await pool.encodeBatch(rising, all);
    isSame(t, encoding, expected);
    for (const column of [encoding.inputIds, encoding.offsets!, encoding.wordIds!])
      t.true(column.buffer instanceof SharedArrayBuffer);
  }
});

test("calls at the same time don't disturb each other, nor does a change of the texts meanwhile", async (t) => {
  const pool = new BertTokenizerPool(tokenizer, { threads: 2 });
  t.teardown(() => pool.close());
  const own = [...texts];
  const calls = [
    pool.encodeBatch(pairs),
    pool.encodeBatch(own, { returnOffsets: true }),
    pool.encodeBatch(pairs, { returnWordIds: true, maxLength: 20 }),
    pool.encodeBatch([]),
  ];
  own.fill("changed");
  const expected = [
    tokenizer.encodeBatch(pairs),
    tokenizer.encodeBatch(texts, { returnOffsets: true }),
    tokenizer.encodeBatch(pairs, { returnWordIds: true, maxLength: 20 }),
    tokenizer.encodeBatch([]),
  ];
  for (const [i, encoding] of (await Promise.all(calls)).entries()) isSame(t, encoding, expected[i]!);
});

test("the other threads do their share, and the event loop gets its turn", async (t) => {
  let own = 0;
  let turns = 0;
  const still = new Int32Array(new SharedArrayBuffer(4));
  const pool = new BertTokenizerPool(
    watched(() => {
      own++;
      Atomics.wait(still, 0, 0, 50);
    }),
    { threads: 3 },
  );
  const timer = setInterval(() => turns++, 1);
  t.teardown(() => clearInterval(timer));
  t.teardown(() => pool.close());
  await pool.encodeBatch(["a"]);
  await setTimeout(3000);
  const many = Array.from({ length: 400 }, () => "some words ".repeat(1000));
  own = turns = 0;
  const encoding = await pool.encodeBatch(many);
  isSame(t, encoding, tokenizer.encodeBatch(many));
  t.true(own < 20, `${own} parts of at least 34 in this thread, which slept 50 ms before each`);
  t.true(turns >= own - 1, `${turns} turns beside ${own} parts`);
});

test("errors arrive as they are, the first one of several", async (t) => {
  const pool = new BertTokenizerPool(tokenizer, { threads: 2 });
  t.teardown(() => pool.close());
  await t.throwsAsync(pool.encodeBatch(["a"], { maxLength: 1 }), {
    code: "BAD_TOKENIZER_OPTION",
    message: /at least 2/,
  });
  await t.throwsAsync(pool.encodeBatch(["a", 5 as never]), {
    code: "BAD_TOKENIZER_OPTION",
    message: /texts\[1\] is 5/,
  });
  await t.throwsAsync(pool.encodeBatch([["a"] as never]), { code: "BAD_TOKENIZER_OPTION", message: /texts\[0\]/ });
  const long = Array.from({ length: 300 }, (_, i) => ["b".repeat(i), "a ".repeat(500)] as const);
  const options = { maxLength: 300, truncation: "only_first" } as const;
  const expected = t.throws(() => tokenizer.encodeBatch(long, options), { code: "TRUNCATION_IMPOSSIBLE" });
  await t.throwsAsync(pool.encodeBatch(long, options), { code: "TRUNCATION_IMPOSSIBLE", message: expected!.message });
  isSame(t, await pool.encodeBatch(texts), tokenizer.encodeBatch(texts));
});

test("a closed pool says so, and rejects what is under way", async (t) => {
  const pool = new BertTokenizerPool(tokenizer, { threads: 2 });
  const unfinished = [pool.encodeBatch(texts), pool.encodeBatch(pairs)];
  const closing = pool.close();
  for (const one of unfinished) await t.throwsAsync(one, { code: "TOKENIZER_CLOSED", message: /was closed/ });
  await closing;
  await t.throwsAsync(pool.encodeBatch(["a"]), { code: "TOKENIZER_CLOSED" });
  t.throws(() => new BertTokenizerPool(tokenizer, { threads: 0 }), { code: "BAD_TOKENIZER_OPTION" });
});

test("a thread that fails ends the pool, with its error as the cause", async (t) => {
  const pool = new BertTokenizerPool(
    watched(() => {}, { ...tokenizer.definition, vocabulary: null }),
    { threads: 2 },
  );
  t.teardown(() => pool.close());
  const error = await t.throwsAsync(
    async () => {
      for (;;) await pool.encodeBatch(texts);
    },
    { code: "TOKENIZER_CLOSED", message: /a thread failed/ },
  );
  t.true(error!.cause instanceof TypeError);
});

test("a process ends by itself with its pool open, and not before its pool is closed", (t) => {
  const script = `
    import { BertTokenizer, BertTokenizerPool } from "@node-bert/datasets";
    const tokenizer = BertTokenizer.fromVocabulary(["[UNK]", "[CLS]", "[SEP]", "a"]);
    const texts = Array(20_000).fill("a ".repeat(20));
    for (let i = 0; i < 3; i++) {
      const pool = new BertTokenizerPool(tokenizer, { threads: 2 });
      await pool.encodeBatch(texts);
      await pool.close();
    }
    const pool = new BertTokenizerPool(tokenizer, { threads: 2 });
    await pool.encodeBatch(texts);
    console.log("all of it");`;
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  t.is(output, "all of it\n");
});
