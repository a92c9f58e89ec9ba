// The built package: the threads run its files.
import { BertTokenizer, BertTokenizerPool } from "@node-bert/datasets";
import test from "ava";
import { randomFrom, randomString } from "./strings.js";

const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
const tokenizer = BertTokenizer.fromVocabulary(
  ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...letters, ...letters.map((letter) => `##${letter}`)],
  { modelMaxLength: 512 },
);
const random = randomFrom(11);
const texts = Array.from({ length: 30_000 }, () => randomString(random));

test("threads give what one thread gives, in its order", async (t) => {
  const pool = new BertTokenizerPool(tokenizer, { threads: 2 });
  t.teardown(() => pool.close());
  t.is(pool.threads, 2);
  const options = { maxLength: 16, stride: 2, returnOverflowing: true, returnOffsets: true, returnWordIds: true };
  t.deepEqual(await pool.encodeBatch(texts, options), tokenizer.encodeBatch(texts, options));
  const pairs = texts.slice(0, 2000).map((text, i) => [text, texts[i + 1]!] as const);
  const [some, none] = await Promise.all([pool.encodeBatch(pairs), pool.encodeBatch([])]);
  t.deepEqual(some, tokenizer.encodeBatch(pairs));
  t.deepEqual(none, tokenizer.encodeBatch([]));
});

test("errors arrive as they are, and a closed pool says so", async (t) => {
  const pool = new BertTokenizerPool(tokenizer, { threads: 1 });
  await t.throwsAsync(pool.encodeBatch(["a"], { maxLength: 1 }), {
    code: "BAD_TOKENIZER_OPTION",
    message: /at least 2/,
  });
  await t.throwsAsync(pool.encodeBatch([5 as never]), { code: "BAD_TOKENIZER_OPTION", message: /texts\[0\] is 5/ });
  const unfinished = pool.encodeBatch(texts);
  const closing = pool.close();
  await t.throwsAsync(unfinished, { code: "TOKENIZER_CLOSED" });
  await closing;
  await t.throwsAsync(pool.encodeBatch(["a"]), { code: "TOKENIZER_CLOSED" });
  t.throws(() => new BertTokenizerPool(tokenizer, { threads: 0 }), { code: "BAD_TOKENIZER_OPTION" });
});
