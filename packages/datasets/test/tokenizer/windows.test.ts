// Pairs, truncation, windows and padding.

import test from "ava";
import { BertTokenizer } from "../../src/tokenizer/bert-tokenizer.js";
import type { EncodeOptions } from "../../src/tokenizer/options.js";
import { toPadded } from "../../src/tokenizer/packed-encoding.js";
import { bothOfModel, hasData, skipNotice } from "./reference.js";
import { randomFrom } from "./strings.js";

const serial = hasData ? test.serial : test.serial.skip;
if (!hasData) skipNotice("truncation as the reference's");

const VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "d", "e", "f", "g", "h", "##x"];
const tokenizer = BertTokenizer.fromVocabulary(VOCABULARY, { modelMaxLength: 512 });
const tokensOf = (text: string, options: EncodeOptions) => tokenizer.encode(text, options).tokens.join(" ");

serial("pairs, truncated in every way, with all windows, are the reference's", async (t) => {
  const { ours, reference } = bothOfModel("bert-base-uncased");
  const random = randomFrom(3);
  const words = "the quick unaffable fox électroencéphalogramme jumped over 中 dogs".split(" ");
  const text = (most: number) =>
    Array.from({ length: Math.floor(random() * most) }, () => words[Math.floor(random() * words.length)]).join(" ");
  const strategies = { longest_first: "LongestFirst", only_first: "OnlyFirst", only_second: "OnlySecond" } as const;
  for (let round = 0; round < 1500; round++) {
    const first = text(20);
    const second = random() < 0.7 ? text(20) : undefined;
    const strategy = (["longest_first", "only_first", "only_second"] as const)[Math.floor(random() * 3)]!;
    const tail = random() < 0.4;
    const maxLength = 3 + Math.floor(random() * 24);
    const stride = Math.floor(random() * 4);
    const addSpecialTokens = random() < 0.8;
    // Encoded whole and truncated afterwards: since 0.23 the library's own encode stops early and loses windows.
    reference.disableTruncation();
    const options = { addSpecialTokens: false };
    const a = await reference.encode(first, null, options);
    // As the second of a pair it has the type id 1.
    const b = second === undefined ? undefined : await reference.encode(second, null, options);
    const room = maxLength - (addSpecialTokens ? (b ? 3 : 2) : 0);
    const label = JSON.stringify({ first, second, strategy, tail, maxLength, stride, addSpecialTokens });
    let mine: ReturnType<typeof ours.encode> | undefined;
    try {
      mine = ours.encode(first, {
        pair: second,
        truncation: strategy,
        truncationSide: tail ? "tail" : "head",
        maxLength,
        stride,
        addSpecialTokens,
      });
    } catch (error) {
      const { code } = error as { code: string };
      const total = a.getLength() + (b?.getLength() ?? 0);
      t.true(["TRUNCATION_IMPOSSIBLE", "BAD_TOKENIZER_OPTION"].includes(code), label);
      t.true(total > room, label);
      continue;
    }
    // The library panics at such strides, even where nothing is cut.
    if (room <= 0 || stride >= Math.min(room, maxLength - 3)) continue;
    reference.setTruncation(maxLength, {
      stride,
      strategy: strategies[strategy] as never,
      direction: tail ? "left" : "right",
    });
    const whole = reference.postProcess(a, b ?? null, addSpecialTokens);
    const windows = [whole, ...whole.getOverflowing()].map((window) => [
      window.getIds(),
      window.getTokens(),
      window.getWordIds().map((id) => id ?? null),
    ]);
    t.deepEqual(
      [mine, ...mine.overflowing].map(({ ids, tokens, wordIds }) => [ids, tokens, wordIds]),
      windows,
      label,
    );
    t.deepEqual(mine.specialTokensMask, whole.getSpecialTokensMask(), label);
    const batch = ours.encodeBatch(second === undefined ? [first] : [[first, second]], {
      truncation: strategy,
      truncationSide: tail ? "tail" : "head",
      maxLength,
      stride,
      addSpecialTokens,
      returnOverflowing: true,
    });
    const { inputIds, cuSeqlens } = batch;
    const rows = windows.map((_, b) => [...inputIds.subarray(cuSeqlens[b], cuSeqlens[b + 1])]);
    t.is(cuSeqlens.length, windows.length + 1);
    t.deepEqual(rows, windows.map(([ids]) => ids) as number[][], label);
  }
  reference.disableTruncation();
});

serial("type ids, sequence ids and offsets of pairs are the reference's", async (t) => {
  const { ours, reference } = bothOfModel("bert-base-uncased");
  const expected = await reference.encode("Who was Jim?", "He was a puppeteer.");
  const mine = ours.encode("Who was Jim?", { pair: "He was a puppeteer." });
  t.deepEqual(mine.typeIds, expected.getTypeIds());
  t.deepEqual(mine.offsets, expected.getOffsets() as [number, number][]);
  t.deepEqual(
    mine.sequenceIds,
    expected.getSequenceIds().map((id) => id ?? null),
  );
  const batch = ours.encodeBatch([["Who was Jim?", "He was a puppeteer."]]);
  t.deepEqual([...batch.tokenTypeIds], expected.getTypeIds());
});

test("head, tail and head-tail keep what they say, and special tokens stay", (t) => {
  t.is(tokensOf("a b c d e f g h", { maxLength: 6 }), "[CLS] a b c d [SEP]");
  t.is(tokensOf("a b c d e f g h", { maxLength: 6, truncation: "head" }), "[CLS] a b c d [SEP]");
  t.is(tokensOf("a b c d e f g h", { maxLength: 6, truncation: "tail" }), "[CLS] e f g h [SEP]");
  t.is(tokensOf("a b c d e f g h", { maxLength: 6, truncation: "head-tail" }), "[CLS] a f g h [SEP]");
  t.is(tokensOf("a b c", { maxLength: 2 }), "[CLS] [SEP]");
  t.is(tokensOf("a b c d", { maxLength: 3, truncation: false }), "[CLS] a b c d [SEP]");
  const long = tokenizer.encode("a b ".repeat(600), { maxLength: 512, truncation: "head-tail" });
  t.deepEqual([long.ids.length, long.wordIds[128], long.wordIds[129]], [512, 127, 1200 - 382]);
});

test("original lengths count tokens before truncation, windows know their text", (t) => {
  const options = { maxLength: 5, stride: 1, returnOverflowing: true };
  const packed = tokenizer.encodeBatch(["a b c d e f", "a"], options);
  t.deepEqual([...packed.originalLengths], [8, 8, 8, 3]);
  t.deepEqual([...packed.textIndices!], [0, 0, 0, 1]);
  t.deepEqual([...packed.cuSeqlens], [0, 5, 10, 14, 17]);
});

test("padding to the longest, to a length, to a multiple, on either side", (t) => {
  const packed = tokenizer.encodeBatch(["a b", "c"], { returnWordIds: true, returnOffsets: true });
  const right = toPadded(packed, { padTokenId: 0 });
  t.deepEqual(
    [right.shape, [...right.inputIds]],
    [
      [2, 4],
      [2, 5, 6, 3, 2, 7, 3, 0],
    ],
  );
  t.deepEqual([...right.attentionMask], [1, 1, 1, 1, 1, 1, 1, 0]);
  t.deepEqual([...right.wordIds!], [-1, 0, 1, -1, -1, 0, -1, -1]);
  t.deepEqual([...right.offsets!], [0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]);
  const left = tokenizer.pad(packed, { padding: "max_length", maxLength: 5, paddingSide: "left" });
  t.deepEqual([...left.inputIds], [0, 2, 5, 6, 3, 0, 0, 2, 7, 3]);
  t.deepEqual(tokenizer.pad(packed, { padToMultipleOf: 8 }).shape, [2, 8]);
  t.throws(() => tokenizer.pad(packed, { padding: "max_length", maxLength: 3 }), { code: "BAD_TOKENIZER_OPTION" });
  const one = tokenizer.encode("a", { padding: "max_length", maxLength: 5, paddingSide: "left" });
  t.deepEqual(one.tokens, ["[PAD]", "[PAD]", "[CLS]", "a", "[SEP]"]);
  t.deepEqual(
    [one.attentionMask, one.specialTokensMask],
    [
      [0, 0, 1, 1, 1],
      [1, 1, 1, 0, 1],
    ],
  );
  t.deepEqual(tokenizer.encode("a", { padding: true, padToMultipleOf: 4 }).tokens, ["[CLS]", "a", "[SEP]", "[PAD]"]);
});

test("options that make no sense are refused, and nothing is remembered", (t) => {
  const refused = (options: object, code = "BAD_TOKENIZER_OPTION") =>
    t.throws(() => tokenizer.encode("a b c", options as EncodeOptions), { code }, JSON.stringify(options));
  refused({ maxLength: 1 });
  refused({ maxLength: 2.5 });
  refused({ maxLength: -1 });
  refused({ truncation: "middle" });
  refused({ truncationSide: "left", maxLength: 4 });
  refused({ maxLength: 4, stride: 2 });
  refused({ maxLength: 4, stride: -1 });
  refused({ padding: "longer" });
  refused({ padding: true, padToMultipleOf: 0 });
  refused({ padding: true, paddingSide: "top" });
  refused({ maxLength: 4, truncation: "only_second" }, "TRUNCATION_IMPOSSIBLE");
  refused({ maxLength: 4, truncation: "only_first", pair: "a b c d" }, "TRUNCATION_IMPOSSIBLE");
  t.throws(() => tokenizer.encode(5 as never), { code: "BAD_TOKENIZER_OPTION" });
  t.throws(() => tokenizer.encodeBatch([["a"]] as never), { code: "BAD_TOKENIZER_OPTION" });
  t.throws(() => BertTokenizer.fromVocabulary(VOCABULARY).encode("a", { truncation: true }), {
    code: "BAD_TOKENIZER_OPTION",
  });
  t.deepEqual(tokenizer.encode("a b c").tokens, ["[CLS]", "a", "b", "c", "[SEP]"]);
});
