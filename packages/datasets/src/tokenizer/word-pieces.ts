// WordPiece: the longest token first, then the longest continuation, and so on; a word that cannot be made is [UNK] whole.
// Mirrors tokenizers/src/models/wordpiece/mod.rs of huggingface/tokenizers.

import { hashStart, hashUnit, unitsOf, type Vocabulary } from "./vocabulary.js";

export interface WordPieceOptions {
  unkToken: string;
  /** What a token begins with that goes on with a word; "##". */
  continuingSubwordPrefix: string;
  /** A word of more characters (code points) is [UNK]; 100. */
  maxInputCharsPerWord: number;
}

const NO_PREFIX = new Uint16Array(0);

export class WordPieces {
  /** After `split`: the ids of the word's pieces, and where each ends, in units from the word's beginning. */
  readonly ids: Int32Array;
  readonly ends: Int32Array;
  readonly unkId: number;
  readonly #vocabulary: Vocabulary;
  readonly #maxCharacters: number;
  readonly #prefixHash: number;
  readonly #prefix: Uint16Array;
  /** Hashes of the units from a piece's beginning to each end that some token could have. */
  readonly #hashes: Int32Array;

  constructor(vocabulary: Vocabulary, options: WordPieceOptions) {
    this.#vocabulary = vocabulary;
    this.#maxCharacters = options.maxInputCharsPerWord;
    this.unkId = vocabulary.tokenToId(options.unkToken) ?? -1;
    this.#prefix = unitsOf(options.continuingSubwordPrefix);
    this.#prefixHash = this.#prefix.reduce(hashUnit, hashStart);
    this.#hashes = new Int32Array(vocabulary.arrays.longest + 1);
    this.ids = new Int32Array(2 * options.maxInputCharsPerWord + 1);
    this.ends = new Int32Array(2 * options.maxInputCharsPerWord + 1);
  }

  /** Splits the word of units `from` … `to` (not empty); returns the number of pieces, which are in `ids` and `ends`. */
  split(units: Uint16Array, from: number, to: number): number {
    if (to - from > this.#maxCharacters && countCharacters(units, from, to) > this.#maxCharacters) {
      return this.#unknown(to - from);
    }
    const longest = this.#vocabulary.arrays.longest;
    const hashes = this.#hashes;
    let count = 0;
    for (let start = from; start < to; ) {
      const prefix = start === from ? NO_PREFIX : this.#prefix;
      let hash = start === from ? hashStart : this.#prefixHash;
      const limit = Math.min(to, start + longest - prefix.length);
      for (let end = start; end < limit; end++) {
        hash = hashUnit(hash, units[end]!);
        hashes[end - start] = hash;
      }
      let id = -1;
      let end = limit;
      for (; end > start; end--) {
        id = this.#vocabulary.findHashed(hashes[end - start - 1]!, prefix, units, start, end);
        if (id >= 0) break;
      }
      if (id < 0) return this.#unknown(to - from);
      this.ids[count] = id;
      this.ends[count++] = end - from;
      start = end;
    }
    return count;
  }

  #unknown(length: number): number {
    this.ids[0] = this.unkId;
    this.ends[0] = length;
    return 1;
  }
}

/** Code points of units `from` … `to`: the second half of a surrogate pair is none. */
function countCharacters(units: Uint16Array, from: number, to: number): number {
  let count = 0;
  for (let i = from; i < to; i++) if ((units[i]! & 0xfc00) !== 0xdc00) count++;
  return count;
}
