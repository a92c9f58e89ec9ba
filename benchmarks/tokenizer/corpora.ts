// The texts of the benchmark. English is real (IMDb, SST-2); Chinese and mixed text is drawn from the models' own
// vocabularies, frequent entries often, because no such corpus lies beside the project.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";

export interface Corpus {
  name: string;
  model: string;
  texts: string[];
  /** Evenly spread over the texts: what contenders get that are ten times as slow. */
  few: string[];
  megabytes: number;
}

/** Numbers from 0 to 1: mulberry32, so that every run has the same texts. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function corpus(name: string, model: string, texts: string[], every: number): Corpus {
  const few = texts.filter((_, i) => i % every === 0);
  return { name, model, texts, few, megabytes: megabytesOf(texts) };
}

/** Of UTF-8. */
export function megabytesOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;
}

/** Reads and makes all corpora. */
export async function readCorpora(dataFolder: string): Promise<Corpus[]> {
  const file = await asyncBufferFromFile(join(dataFolder, "imdb/plain_text/test-00000-of-00001.parquet"));
  const rows = await parquetReadObjects({ file, compressors, columns: ["text"] });
  const sentences = readFileSync(join(dataFolder, "sst2/train.tsv"), "utf8").split("\n").slice(1);
  const vocabulary = (model: string) => readFileSync(join(dataFolder, "vocab", model, "vocab.txt"), "utf8").split("\n");
  return [
    corpus(
      "English, long (IMDb reviews)",
      "bert-base-uncased",
      rows.map(({ text }) => String(text)),
      8,
    ),
    corpus(
      "English, short (SST-2)",
      "bert-base-uncased",
      sentences.map((line) => line.replace(/^[^\t]*\t/, "")),
      2,
    ),
    corpus("Chinese", "bert-base-chinese", chineseTexts(vocabulary("bert-base-chinese")), 8),
    corpus(
      "mixed, over a hundred languages",
      "bert-base-multilingual-cased",
      mixedTexts(vocabulary("bert-base-multilingual-cased"), 6000),
      1,
    ),
    corpus(
      "mixed, more words than the cache keeps",
      "bert-base-multilingual-cased",
      mixedTexts(vocabulary("bert-base-multilingual-cased"), 40_000),
      8,
    ),
  ];
}

/** An index below `count`, small ones more often: the n-th about as often as 1/n, as words of a language are. */
function zipf(random: () => number, count: number): number {
  return Math.min(count - 1, Math.floor(count ** random()) - 1);
}

function shuffle<T>(list: T[], random: () => number): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const k = Math.floor(random() * (i + 1));
    [list[i], list[k]] = [list[k]!, list[i]!];
  }
  return list;
}

function chineseTexts(vocabulary: string[]): string[] {
  const random = randomFrom(1);
  const characters = shuffle(
    vocabulary.filter((token) => /^\p{Script=Han}$/u.test(token)),
    random,
  );
  const others = vocabulary.filter((token) => /^[a-z0-9]{2,}$/.test(token));
  return Array.from({ length: 40_000 }, () => {
    let text = "";
    const length = 40 + Math.floor(random() * 300);
    for (let i = 0; i < length; i++) {
      const draw = random();
      if (draw < 0.88) text += characters[zipf(random, characters.length)];
      else if (draw < 0.96) text += draw < 0.93 ? "，" : "。";
      else text += others[zipf(random, others.length)];
    }
    return text;
  });
}

function mixedTexts(vocabulary: string[], count: number): string[] {
  const random = randomFrom(2);
  const words = shuffle(
    vocabulary.filter((token) => /^[\p{L}\p{N}]+$/u.test(token)),
    random,
  );
  const ends = shuffle(
    vocabulary.filter((token) => /^##[\p{L}\p{M}]+$/u.test(token)),
    random,
  );
  return Array.from({ length: count }, () => {
    let text = "";
    const length = 10 + Math.floor(random() * 150);
    for (let i = 0; i < length; i++) {
      text += words[zipf(random, words.length)];
      if (random() < 0.25) text += ends[zipf(random, ends.length)]!.slice(2);
      text += random() < 0.12 ? ", " : " ";
    }
    return text;
  });
}
