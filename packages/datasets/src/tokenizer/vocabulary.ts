// The vocabulary in typed arrays: all tokens' units in one pool and an open-addressed hash table over them. Nothing is an
// object per token, so it loads in milliseconds, and worker threads take it as it is.

import { TokenizerError } from "../errors.js";

const HASH_SEED = 0x811c9dc5 | 0;
const HASH_FACTOR = 0x01000193;
/** Ids are positions of typed arrays: a file that asks for more is refused before it asks for the memory. */
const LARGEST_ID = 1 << 24;
const SLOT_NUMBERS = 4;
/** Bits of the filter for a slot. */
const FILTER_BITS = 4;
/** Takes others of a hash's bits for the filter than for the table. */
const FILTER_FACTOR = 0x9e3779b1 | 0;
const FILTER_SHIFT = 7;
const NO_UNITS = new Uint16Array(0);

/** What a vocabulary is made of; plain typed arrays that can go to another thread. */
export interface VocabularyArrays {
  /** Units (UTF-16) of all tokens, one after the other. */
  pool: Uint16Array;
  /** Token i is pool[starts[i]] … pool[starts[i + 1]]. */
  starts: Int32Array;
  /** Id of token i. */
  ids: Int32Array;
  /** Token of an id, or -1. */
  tokenOfId: Int32Array;
  /** Open-addressed, four numbers a slot: token's start + 1 or 0, its units, its hash and id. The length is a power of two. */
  slots: Int32Array;
  /** Four bits for every slot, set where a token's hash has it: most of what is no token ends here, in the cache. */
  filter: Int32Array;
  /** Units of the longest token. */
  longest: number;
  /** Tokens that have an id: a token that comes twice has the later one. */
  size: number;
}

/** Starts, or goes on with, the hash of a sequence of units. */
export const hashStart = HASH_SEED;
export function hashUnit(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, HASH_FACTOR);
}

/** Spreads a finished hash over the low bits that a table's mask keeps. */
export function hashEnd(hash: number): number {
  return hash ^ (hash >>> 15);
}

/** Tokens and their ids, both ways. */
export class Vocabulary {
  constructor(readonly arrays: VocabularyArrays) {}

  /**
   * @param tokens in any order.
   * @param idOf id of the i-th token; by default its position.
   * @throws TokenizerError BAD_TOKENIZER_FILE for an id that is no small whole number.
   */
  static from(tokens: readonly string[], idOf: (index: number) => number = (index) => index): Vocabulary {
    const starts = new Int32Array(tokens.length + 1);
    const hashes = new Int32Array(tokens.length);
    const ids = Float64Array.from(tokens, (_, i) => idOf(i));
    for (let i = 0; i < tokens.length; i++) starts[i + 1] = starts[i]! + tokens[i]!.length;
    const pool = new Uint16Array(starts[tokens.length]!);
    let at = 0;
    for (const [i, token] of tokens.entries()) {
      let hash = hashStart;
      for (let k = 0; k < token.length; k++) {
        const unit = token.charCodeAt(k);
        hash = hashUnit(hash, unit);
        pool[at++] = unit;
      }
      hashes[i] = hash;
    }
    return Vocabulary.build(pool, starts, hashes, ids);
  }

  /**
   * @param pool units of all tokens, one after the other.
   * @param starts token i is pool[starts[i]] … pool[starts[i + 1]].
   * @param hashes their hashes, as `hashUnit` makes them of all units.
   * @param ids their ids.
   * @throws TokenizerError BAD_TOKENIZER_FILE for an id that is no small whole number.
   */
  static build(pool: Uint16Array, starts: Int32Array, hashes: Int32Array, ids: Float64Array): Vocabulary {
    let largestId = -1;
    let longest = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (!Number.isInteger(id) || id < 0 || id > LARGEST_ID) {
        const token = String.fromCharCode(...pool.subarray(starts[i], starts[i + 1]));
        throw new TokenizerError(
          "BAD_TOKENIZER_FILE",
          `vocabulary: token ${JSON.stringify(token)} has id ${id}; expected a whole number from 0 to ${LARGEST_ID}.`,
        );
      }
      if (id > largestId) largestId = id;
      if (starts[i + 1]! - starts[i]! > longest) longest = starts[i + 1]! - starts[i]!;
    }
    const slots = new Int32Array(SLOT_NUMBERS * powerOfTwo(ids.length * 2 + 2));
    const vocabulary = new Vocabulary({
      pool,
      starts,
      ids: new Int32Array(ids),
      tokenOfId: new Int32Array(largestId + 1).fill(-1),
      slots,
      filter: new Int32Array((slots.length / SLOT_NUMBERS) * (FILTER_BITS / 32)),
      longest,
      size: 0,
    });
    vocabulary.#insertAll(hashes);
    return vocabulary;
  }

  get size(): number {
    return this.arrays.size;
  }

  /** One more than the largest id. */
  get idLimit(): number {
    return this.arrays.tokenOfId.length;
  }

  idToToken(id: number): string | undefined {
    const { tokenOfId, pool, starts } = this.arrays;
    const token = tokenOfId[id] ?? -1;
    if (token < 0) return undefined;
    return String.fromCharCode(...pool.subarray(starts[token]!, starts[token + 1]!));
  }

  tokenToId(token: string): number | undefined {
    const units = unitsOf(token);
    const id = this.find(units, 0, units.length);
    return id < 0 ? undefined : id;
  }

  /** Id of the token that is units `from` … `to`, or -1. */
  find(units: Uint16Array, from: number, to: number): number {
    let hash = hashStart;
    for (let i = from; i < to; i++) hash = hashUnit(hash, units[i]!);
    return this.findHashed(hash, NO_UNITS, units, from, to);
  }

  /** Id of the token that is `prefix` and then units `from` … `to`, or -1; `hash` is that of both together. */
  findHashed(hash: number, prefix: Uint16Array, units: Uint16Array, from: number, to: number): number {
    const { pool, slots, filter } = this.arrays;
    const bit = Math.imul(hash, FILTER_FACTOR) >>> FILTER_SHIFT;
    if (((filter[(bit >>> 5) & (filter.length - 1)]! >>> (bit & 31)) & 1) === 0) return -1;
    const mask = slots.length - 1;
    const skipped = prefix.length;
    const length = to - from + skipped;
    next: for (let slot = (SLOT_NUMBERS * hashEnd(hash)) & mask; ; slot = (slot + SLOT_NUMBERS) & mask) {
      const start = slots[slot]! - 1;
      if (start < 0) return -1;
      if (slots[slot + 1] !== length || slots[slot + 2] !== hash) continue;
      for (let p = 0; p < skipped; p++) if (pool[start + p] !== prefix[p]) continue next;
      let k = start + skipped;
      let i = from;
      while (i < to && pool[k] === units[i]) {
        i++;
        k++;
      }
      if (i === to) return slots[slot + 3]!;
    }
  }

  #insertAll(hashes: Int32Array): void {
    const { starts, ids, slots, filter, tokenOfId } = this.arrays;
    const mask = slots.length - 1;
    for (let token = 0; token < ids.length; token++) {
      const hash = hashes[token]!;
      const start = starts[token]!;
      const length = starts[token + 1]! - start;
      let slot = (SLOT_NUMBERS * hashEnd(hash)) & mask;
      while (slots[slot] !== 0 && !this.#isToken(slot, hash, start, length)) slot = (slot + SLOT_NUMBERS) & mask;
      if (slots[slot] === 0) this.arrays.size++;
      else tokenOfId[slots[slot + 3]!] = -1;
      slots[slot] = start + 1;
      slots[slot + 1] = length;
      slots[slot + 2] = hash;
      slots[slot + 3] = ids[token]!;
      const bit = Math.imul(hash, FILTER_FACTOR) >>> FILTER_SHIFT;
      filter[(bit >>> 5) & (filter.length - 1)]! |= 1 << (bit & 31);
      tokenOfId[ids[token]!] = token;
    }
  }

  /** Whether a slot has the token of these units. */
  #isToken(slot: number, hash: number, start: number, length: number): boolean {
    const { pool, slots } = this.arrays;
    if (slots[slot + 1] !== length || slots[slot + 2] !== hash) return false;
    const other = slots[slot]! - 1;
    for (let k = 0; k < length; k++) if (pool[other + k] !== pool[start + k]) return false;
    return true;
  }
}

export function unitsOf(text: string): Uint16Array {
  const units = new Uint16Array(text.length);
  for (let k = 0; k < text.length; k++) units[k] = text.charCodeAt(k);
  return units;
}

export function powerOfTwo(atLeast: number): number {
  let size = 16;
  while (size < atLeast) size *= 2;
  return size;
}
