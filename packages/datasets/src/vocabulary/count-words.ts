// Texts as a vocabulary sees them: normalized and cut into words as the tokenizer does, and counted.

import { codePointAt, type NormalizerOptions, normalize } from "../tokenizer/normalizer.js";
import { characterFlags, PUNCT, SPACE } from "../tokenizer/unicode.js";
import { unitsOf } from "../tokenizer/vocabulary.js";

/**
 * Counts the words of texts, after BERT's normalizer and pre-tokenizer.
 *
 * Every character that separates here is white space to BERT too, and nothing that BERT does to one side of it depends on the other; so what
 * lies between two of them is normalized once, however often it comes.
 */
export class WordCounter {
  readonly #normalizer: NormalizerOptions;
  readonly #chunks = new Map<string, number>();

  constructor(normalizer: NormalizerOptions) {
    this.#normalizer = normalizer;
  }

  add(text: string): void {
    for (const chunk of text.split(/[ \t\n\r]+/)) this.#chunks.set(chunk, (this.#chunks.get(chunk) ?? 0) + 1);
  }

  /** Words and how often they came, the most frequent first; equals by their units. */
  counts(): [word: string, count: number][] {
    const words = new Map<string, number>();
    for (const [chunk, count] of this.#chunks)
      for (const word of wordsOf(chunk, this.#normalizer)) words.set(word, (words.get(word) ?? 0) + count);
    return [...words].sort(([a, countOfA], [b, countOfB]) => countOfB - countOfA || (a < b ? -1 : 1));
  }
}

/** The words of a text. */
function wordsOf(text: string, normalizer: NormalizerOptions): string[] {
  const flags = characterFlags();
  const { units } = normalize(unitsOf(text), 0, text.length, normalizer);
  const words: string[] = [];
  let word = "";
  const finish = () => {
    if (word !== "") words.push(word);
    word = "";
  };
  for (let i = 0; i < units.length; ) {
    const point = codePointAt(units, i, units.length);
    i += point > 0xffff ? 2 : 1;
    const flag = flags[point]!;
    if (flag & (SPACE | PUNCT)) finish();
    if (flag & SPACE) continue;
    word += String.fromCodePoint(point);
    if (flag & PUNCT) finish();
  }
  finish();
  return words;
}
