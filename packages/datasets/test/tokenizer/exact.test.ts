// Equality with the reference, on a part of what `test:exact` compares.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { bothOfModel, compare, dataFolder, hasData, MODELS, skipNotice } from "./reference.js";
import { randomFrom, randomString } from "./strings.js";
import { addedTokenVariants, switchVariants } from "./variants.js";

const seed = Number(process.env.TEST_SEED ?? 7);
console.log(`seed ${seed} (TEST_SEED)`);
const serial = hasData ? test.serial : test.serial.skip;
if (!hasData) skipNotice("equality with the reference");

const readCase = (name: string) => readFileSync(join(dataFolder, "tokenizer-cases", name), "utf8");

serial("Hugging Face's own cases: ids, type ids, masks and decodings", (t) => {
  interface Case {
    input: string;
    encoded: { input_ids: number[]; token_type_ids?: number[]; attention_mask: number[] };
    decoded_with_special: string;
    decoded_without_special: string;
  }
  const cases = JSON.parse(readCase("tricky-strings.json")) as Record<string, Case[]>;
  for (const [model, list] of Object.entries(cases)) {
    const { ours } = bothOfModel(model);
    for (const { input, encoded, decoded_with_special, decoded_without_special } of list) {
      const { ids, typeIds, attentionMask } = ours.encode(input);
      t.deepEqual(
        [ids, typeIds, attentionMask],
        [encoded.input_ids, encoded.token_type_ids ?? ids.map(() => 0), encoded.attention_mask],
        input,
      );
      // Recorded when transformers cleaned up whole texts by default.
      const cleaned = { cleanUpTokenizationSpaces: true };
      t.is(ours.decode(ids, cleaned), decoded_with_special);
      t.is(ours.decode(ids, { ...cleaned, skipSpecialTokens: true }), decoded_without_special);
    }
  }
});

serial("SQuAD questions: pieces and ids", (t) => {
  const { ours } = bothOfModel("bert-base-uncased");
  for (const line of readCase("squad-questions.jsonl").split("\n").filter(Boolean)) {
    const { text, wordpiece, ids } = JSON.parse(line) as { text: string; wordpiece: string[]; ids: number[] };
    const encoding = ours.encode(text, { addSpecialTokens: false });
    t.deepEqual([encoding.tokens, encoding.ids], [wordpiece, ids]);
  }
});

for (const model of MODELS) {
  serial(`${model}: reviews, sentences and generated strings`, async (t) => {
    t.timeout(300_000);
    const both = bothOfModel(model);
    const random = randomFrom(seed);
    const strings = Array.from({ length: 20_000 }, () => randomString(random));
    t.deepEqual((await compare(both, strings, { tokens: true })).slice(0, 3), []);
    const file = await asyncBufferFromFile(join(dataFolder, "imdb/plain_text/unsupervised-00000-of-00001.parquet"));
    const rows = await parquetReadObjects({ file, compressors, columns: ["text"], rowEnd: 1500 });
    t.deepEqual(
      (
        await compare(
          both,
          rows.map(({ text }) => String(text)),
        )
      ).slice(0, 3),
      [],
    );
    const sentences = readFileSync(join(dataFolder, "sst2/dev.tsv"), "utf8").split("\n");
    t.deepEqual((await compare(both, sentences, { tokens: true })).slice(0, 3), []);
  });
}

serial("every combination of the normalizer's switches, and added tokens with every switch", async (t) => {
  t.timeout(300_000);
  const random = randomFrom(seed + 1);
  for (const both of [...switchVariants(), ...addedTokenVariants()]) {
    const strings = Array.from({ length: 1000 }, () => randomString(random));
    t.deepEqual((await compare(both, strings, { tokens: true })).slice(0, 3), [], both.name);
  }
});

serial("every code point, in a word and alone", async (t) => {
  t.timeout(300_000);
  const variants = [
    bothOfModel("bert-base-uncased"),
    bothOfModel("bert-base-multilingual-cased"),
    switchVariants()[0]!,
  ];
  const texts: string[] = [];
  for (let c = 0; c < 0x110000; ) {
    let text = "";
    for (const end = Math.min(c + 128, 0x110000); c < end; c++) {
      if (c < 0xd800 || c > 0xdfff) text += `x${String.fromCodePoint(c)}y ${String.fromCodePoint(c)} `;
    }
    texts.push(text);
  }
  for (const both of variants) t.deepEqual((await compare(both, texts, { decodes: false })).slice(0, 1), [], both.name);
});

serial("texts longer than a chunk, with and without places to cut", async (t) => {
  const both = bothOfModel("bert-base-uncased");
  const texts = [
    "word ".repeat(20_000),
    "x".repeat(100_000),
    `${"é".repeat(40_000)} and ${"y".repeat(33_000)}, ${"中文".repeat(30_000)}`,
    `${"a".repeat(32_768)} b`,
    `${"ab ".repeat(10_922)}ab\u0301c ${"한국어 ".repeat(9000)}`,
  ];
  t.deepEqual(
    (await compare(both, texts)).map(({ what, text }) => [what, text.slice(0, 20)]),
    [],
  );
});

serial("a full cache of words lets further words pass, and is emptied in the end; not wrong", async (t) => {
  const both = bothOfModel("bert-base-uncased");
  const random = randomFrom(seed + 2);
  const [latin, cyrillic] = ["abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя"];
  const word = () => {
    const letters = random() < 0.5 ? latin : cyrillic;
    return Array.from({ length: 9 }, () => letters[Math.floor(random() * letters.length)]).join("");
  };
  // It takes 196,608 words, and is emptied after four times as many more.
  const texts = Array.from({ length: 1150 }, () => Array.from({ length: 900 }, word).join(" "));
  t.deepEqual((await compare(both, texts, { decodes: false })).slice(0, 1), []);
});
