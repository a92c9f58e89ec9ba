// Vocabulary training against a plain rendering of the algorithm, and what comes of it against Hugging Face's libraries.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { Tokenizer } from "tokenizers";
import { loadDataset } from "../src/loaders/load-dataset.js";
import { BertTokenizer } from "../src/tokenizer/bert-tokenizer.js";
import { trainVocabulary } from "../src/vocabulary/train-vocabulary.js";
import { temporaryFolder } from "./helpers.js";

const SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const reviews = async () => (await loadDataset("reviews", { split: "train" })).texts() as string[];

/** BERT's words, for texts without Chinese characters, controls or anything else that is rare. */
function plainWords(text: string): string[] {
  const plain = text
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "")
    .toLowerCase();
  return plain.match(/[\p{P}$+<=>^`|~]|[^\s\p{P}$+<=>^`|~]+/gu) ?? [];
}

/** Counts every pair anew in each round, in words of plain text. */
function trainPlainly(words: readonly (readonly [string, number])[], size: number, minFrequency: number): string[] {
  const split = words.map(([word, count]) => ({
    pieces: [...word].map((character, i) => (i === 0 ? character : `##${character}`)),
    count,
  }));
  const characters = [...new Set(words.flatMap(([word]) => [...word]))].sort();
  const later = new Set(split.flatMap(({ pieces }) => pieces.slice(1)));
  const tokens = [...SPECIAL, ...characters, ...characters.map((c) => `##${c}`).filter((piece) => later.has(piece))];
  while (tokens.length < size) {
    const counts = new Map<string, number>();
    for (const { pieces, count } of split)
      for (let i = 1; i < pieces.length; i++) {
        const pair = `${pieces[i - 1]} ${pieces[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + count);
      }
    const rank = (pair: string) => {
      const [left, right] = pair.split(" ") as [string, string];
      return tokens.indexOf(left) * 1e6 + tokens.indexOf(right);
    };
    let best: [pair: string, count: number] | undefined;
    for (const [pair, count] of counts)
      if (best === undefined || count > best[1] || (count === best[1] && rank(pair) < rank(best[0])))
        best = [pair, count];
    if (best === undefined || best[1] < minFrequency) break;
    const [left, right] = best[0].split(" ") as [string, string];
    const joined = left + right.slice(2);
    if (!tokens.includes(joined)) tokens.push(joined);
    for (const word of split)
      for (let i = 0; i + 1 < word.pieces.length; i++)
        if (word.pieces[i] === left && word.pieces[i + 1] === right) word.pieces.splice(i, 2, joined);
  }
  return tokens;
}

test("the vocabulary is that of the plain algorithm, token by token", async (t) => {
  const texts = (await reviews()).slice(0, 150);
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of plainWords(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  for (const [size, minFrequency] of [
    [250, 1],
    [350, 2],
    [100_000, 40],
  ] as const) {
    const ours = trainVocabulary(texts, { size, minFrequency });
    t.deepEqual(ours, trainPlainly([...counts], size, minFrequency), `${size}`);
  }
});

test("a pair that overlaps itself is joined from the left", (t) => {
  const words = [
    ["aaaaa", 9],
    ["aaa", 4],
    ["baaaa", 2],
  ] as const;
  const texts = words.flatMap(([word, count]) => Array.from({ length: count }, () => word));
  t.deepEqual(trainVocabulary(texts, { size: 14, minFrequency: 1 }), trainPlainly(words, 14, 1));
});

test("the order of the texts, and where they are cut, change nothing", async (t) => {
  const texts = await reviews();
  const once = trainVocabulary(texts, { size: 900 });
  t.deepEqual(trainVocabulary([...texts].reverse(), { size: 900 }), once);
  t.deepEqual(trainVocabulary([texts.join("\n")], { size: 900 }), once);
});

test("text is normalized as the tokenizer does, and words with characters that are left out are not learnt from", (t) => {
  const accents = trainVocabulary(["Ünïcödé ÜNÏCÖDÉ unicode\u0085x", "字字"], { size: 60, minFrequency: 1 });
  for (const token of ["unicode", "字"]) t.true(accents.includes(token), token);
  t.false(accents.some((token) => /[A-Zé]/.test(token) && !SPECIAL.includes(token)));
  const cased = trainVocabulary(["Paris Paris Paris"], { size: 60, doLowerCase: false });
  t.true(cased.includes("Paris"));
  const few = trainVocabulary(["aaab aaab aaab xa"], { size: 60, minFrequency: 1, alphabet: 2 });
  t.deepEqual(few.slice(5, 9), ["a", "b", "##a", "##b"]);
  t.false(few.includes("xa"));
});

test("a size without room for the characters, and sizes that are none, are refused", (t) => {
  const error = { code: "BAD_TOKENIZER_OPTION" };
  t.regex(t.throws(() => trainVocabulary(["abc"], { size: 9 }), error)!.message, /size is 9, expected at least 10/);
  for (const options of [{ size: 0 }, { minFrequency: 1.5 }, { alphabet: -1 }])
    t.throws(() => trainVocabulary(["abc"], options), error);
});

test("Hugging Face loads the saved tokenizer and cuts texts the same way", async (t) => {
  const folder = await temporaryFolder(t);
  const tokenizer = BertTokenizer.fromVocabulary(trainVocabulary(await reviews(), { size: 800 }), {
    modelMaxLength: 128,
  });
  await tokenizer.save(folder);
  const theirs = Tokenizer.fromFile(join(folder, "tokenizer.json"));
  const held = (await loadDataset("reviews", { split: "test" })).texts() as string[];
  for (const text of [...held, "Été 字 ☃ unbelievable [MASK] ok"])
    t.deepEqual(tokenizer.encode(text).ids, (await theirs.encode(text)).getIds(), text);
  const lines = readFileSync(join(folder, "vocab.txt"), "utf8").trimEnd().split("\n");
  t.deepEqual(lines.slice(0, 5), SPECIAL);
});

test("Hugging Face's trainer learns the same pieces, up to those that are equally frequent", async (t) => {
  const python = fileURLToPath(new URL("../../../.venv/bin/python", import.meta.url));
  if (!existsSync(python)) {
    t.log(`SKIPPED: ${t.title}: there is no .venv; make it with: node scripts/setup-python.mjs`);
    t.pass();
    return;
  }
  const program = `
import json, sys
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
special = ${JSON.stringify(SPECIAL)}
trainer = trainers.WordPieceTrainer(vocab_size=600, min_frequency=2, show_progress=False, special_tokens=special)
tokenizer.train_from_iterator(json.load(sys.stdin), trainer)
json.dump(tokenizer.get_vocab(), sys.stdout)`;
  const texts = await reviews();
  const run = spawnSync(python, ["-c", program], { input: JSON.stringify(texts), encoding: "utf8" });
  t.is(run.status, 0, run.stderr);
  const theirs = new Set(Object.keys(JSON.parse(run.stdout) as object));
  const ours = trainVocabulary(texts, { size: 600 });
  const shared = ours.filter((token) => theirs.has(token)).length;
  t.log(`${shared} of ${ours.length} tokens are the same`);
  t.is(theirs.size, ours.length);
  t.true(shared >= 0.95 * ours.length);
});
