// A WordPiece vocabulary from texts, as Hugging Face's WordPieceTrainer makes it: characters first, then the most frequent pair of neighbours
// becomes one piece, again and again. Mirrors tokenizers/src/models/{wordpiece,bpe}/trainer.rs; where pairs are equally frequent its choice
// depends on the order of a hash map, ours on the pieces alone.

import { TokenizerError } from "../errors.js";
import { badOption } from "../tokenizer/bad-option.js";
import { BERT_SPECIAL_TOKENS } from "../tokenizer/definition.js";
import { WordCounter } from "./count-words.js";
import { PairQueue } from "./pair-queue.js";

export interface TrainVocabularyOptions {
  /** Tokens, the five special ones included; default 30,000. It gets smaller when the texts hold no more. */
  size?: number;
  /** Pairs that come less often are not joined; default 2. */
  minFrequency?: number;
  /** Characters that are kept, the most frequent ones; words with others become [UNK]. Default 1,000. */
  alphabet?: number;
  /** Default true. */
  doLowerCase?: boolean;
  /** Default true: every Chinese character is a word. */
  tokenizeChineseChars?: boolean;
  /** Default as `doLowerCase`. */
  stripAccents?: boolean;
  /** Called now and then with the number of tokens so far. */
  onProgress?: (tokens: number, of: number) => void;
}

const PREFIX = "##";
/** As BERT's vocabularies begin: [PAD] is 0. */
const SPECIAL_ORDER = ["pad", "unk", "cls", "sep", "mask"] as const;
/** Longer words become [UNK] (`max_input_chars_per_word`). */
const LONGEST_WORD = 100;
/** A pair of tokens in one number. */
const PAIR = 2 ** 24;

/** A word that is being joined: its pieces, and how often it came. */
interface Word {
  pieces: number[];
  count: number;
}

/** Where a pair of pieces comes. */
interface Pair {
  count: number;
  words: Set<number>;
}

/**
 * Trains a WordPiece vocabulary; `BertTokenizer.fromVocabulary` makes a tokenizer of it. The same texts give the same vocabulary, in any order.
 *
 * @param texts read once
 * @returns tokens by id: special ones, characters, then pieces in the order in which they were joined
 * @throws TokenizerError BAD_TOKENIZER_OPTION when the size has no room for the characters
 * @example const tokenizer = BertTokenizer.fromVocabulary(trainVocabulary(["low lower lowest", "new newer newest"], { size: 40 }));
 */
export function trainVocabulary(texts: Iterable<string>, options: TrainVocabularyOptions = {}): string[] {
  const { size = 30_000, minFrequency = 2, alphabet = 1000, doLowerCase = true } = options;
  for (const [name, value] of Object.entries({ size, minFrequency, alphabet }))
    if (!Number.isInteger(value) || value < 1 || value >= PAIR) throw badOption(name, value, "a positive integer");
  const counter = new WordCounter({
    cleanText: true,
    handleChineseChars: options.tokenizeChineseChars ?? true,
    stripAccents: options.stripAccents ?? doLowerCase,
    lowercase: doLowerCase,
  });
  for (const text of texts) counter.add(text);
  const counts = counter.counts();
  const tokens = SPECIAL_ORDER.map((role) => BERT_SPECIAL_TOKENS[role]);
  const { words, ids } = splitWords(counts, keptCharacters(counts, alphabet), tokens);
  if (tokens.length > size)
    throw new TokenizerError(
      "BAD_TOKENIZER_OPTION",
      `size is ${size}, expected at least ${tokens.length}: the special tokens and the characters alone are as many. Ask for a smaller alphabet, or for more tokens.`,
    );
  joinPairs(words, tokens, ids, { size, minFrequency, onProgress: options.onProgress });
  return tokens;
}

/** The most frequent characters, of equals those of the lower code point. */
function keptCharacters(counts: readonly [string, number][], most: number): Set<string> {
  const characters = new Map<string, number>();
  for (const [word, count] of counts)
    for (const character of word) characters.set(character, (characters.get(character) ?? 0) + count);
  const sorted = [...characters].sort(
    ([a, countOfA], [b, countOfB]) => countOfB - countOfA || a.codePointAt(0)! - b.codePointAt(0)!,
  );
  return new Set(sorted.slice(0, most).map(([character]) => character));
}

/** Words as characters, those that are whole in the alphabet; the characters become tokens. */
function splitWords(
  counts: readonly [string, number][],
  alphabet: ReadonlySet<string>,
  tokens: string[],
): { words: Word[]; ids: Map<string, number> } {
  const kept = counts
    .map(([word, count]) => ({ characters: [...word], count }))
    .filter(({ characters }) => characters.length <= LONGEST_WORD && characters.every((c) => alphabet.has(c)));
  const later = new Set(kept.flatMap(({ characters }) => characters.slice(1)));
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const sorted = [...alphabet].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
  for (const piece of [...sorted, ...sorted.filter((c) => later.has(c)).map((c) => PREFIX + c)])
    if (!ids.has(piece)) ids.set(piece, tokens.push(piece) - 1);
  const words = kept.map(({ characters, count }) => ({
    pieces: characters.map((character, i) => ids.get(i === 0 ? character : PREFIX + character)!),
    count,
  }));
  return { words, ids };
}

/** Joins pairs until there are enough tokens, or no pair is frequent enough. */
function joinPairs(
  words: Word[],
  tokens: string[],
  ids: Map<string, number>,
  options: { size: number; minFrequency: number; onProgress: TrainVocabularyOptions["onProgress"] },
): void {
  const pairs = new Map<number, Pair>();
  const queue = new PairQueue();
  for (let w = 0; w < words.length; w++) countPairs(words[w]!, w, pairs, 1);
  for (const [key, { count }] of pairs) queue.push(key, count);
  while (tokens.length < options.size) {
    const next = queue.pop();
    if (next === undefined || next.count < options.minFrequency) return;
    // The queue keeps what a pair once counted; what it counts now was pushed when it changed.
    const pair = pairs.get(next.key);
    if (pair?.count !== next.count) continue;
    const [left, right] = [Math.floor(next.key / PAIR), next.key % PAIR];
    const joined = tokens[left]! + tokens[right]!.slice(PREFIX.length);
    let id = ids.get(joined);
    if (id === undefined) {
      id = tokens.push(joined) - 1;
      ids.set(joined, id);
      if (tokens.length % 1000 === 0) options.onProgress?.(tokens.length, options.size);
    }
    const changed = new Set<number>();
    for (const w of [...pair.words]) {
      const word = words[w]!;
      countPairs(word, w, pairs, -1, changed);
      word.pieces = join(word.pieces, left, right, id);
      countPairs(word, w, pairs, 1, changed);
    }
    for (const key of changed) {
      const { count } = pairs.get(key)!;
      if (count === 0) pairs.delete(key);
      else queue.push(key, count);
    }
  }
}

/** Adds (sign 1) or takes away (-1) a word's pairs. */
function countPairs(word: Word, w: number, pairs: Map<number, Pair>, sign: 1 | -1, changed?: Set<number>): void {
  const { pieces, count } = word;
  for (let i = 1; i < pieces.length; i++) {
    const key = pieces[i - 1]! * PAIR + pieces[i]!;
    let pair = pairs.get(key);
    if (pair === undefined) {
      pair = { count: 0, words: new Set() };
      pairs.set(key, pair);
    }
    pair.count += sign * count;
    if (sign === 1) pair.words.add(w);
    else pair.words.delete(w);
    changed?.add(key);
  }
}

function join(pieces: readonly number[], left: number, right: number, joined: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < pieces.length; i++) {
    const isPair = pieces[i] === left && pieces[i + 1] === right;
    result.push(isPair ? joined : pieces[i]!);
    if (isPair) i++;
  }
  return result;
}
