// Words seen before, with their pieces: a bounded hash table in typed arrays. Real text is made of few words, so nearly all
// of a text's words are found here, and WordPiece itself hardly runs.

import { hashEnd } from "./vocabulary.js";
import type { WordPieces } from "./word-pieces.js";

const SLOTS = 1 << 17;
const MOST_WORDS = SLOTS / 2;
const KEY_UNITS = 1 << 20;
const PIECES = 1 << 19;
/** Longer words are not kept. */
const LONGEST_KEY = 64;

/** Fields of a slot, `SLOT_FIELDS` numbers each: the word's hash, where its units lie + 1 (0: free), length | pieces << 8,
 * and its only id or where its ids and ends lie. */
export const SLOT_FIELDS = 4;

export class WordCache {
  readonly slots = new Int32Array(SLOTS * SLOT_FIELDS);
  readonly keys = new Uint16Array(KEY_UNITS);
  readonly pieceIds = new Int32Array(PIECES);
  /** Where a piece ends, in units from the beginning of the word. */
  readonly pieceEnds = new Uint8Array(PIECES);
  #words = 0;
  #keyUnits = 0;
  #pieces = 0;

  constructor(readonly wordPieces: WordPieces) {}

  /**
   * Splits a word that is not in the table, and keeps it.
   * @returns where its slot begins; or, when it is too long to keep, minus the number of its pieces, which are in `wordPieces`.
   */
  add(hash: number, units: Uint16Array, from: number, to: number): number {
    const count = this.wordPieces.split(units, from, to);
    const length = to - from;
    if (length > LONGEST_KEY) return -count;
    if (this.#words === MOST_WORDS || this.#keyUnits + length > KEY_UNITS || this.#pieces + count > PIECES)
      this.clear();
    const { slots, keys } = this;
    let slot = hashEnd(hash) & (SLOTS - 1);
    while (slots[slot * SLOT_FIELDS + 1] !== 0) slot = (slot + 1) & (SLOTS - 1);
    const base = slot * SLOT_FIELDS;
    slots[base] = hash;
    slots[base + 1] = this.#keyUnits + 1;
    slots[base + 2] = length | (count << 8);
    slots[base + 3] = count === 1 ? this.wordPieces.ids[0]! : this.#pieces;
    for (let i = from; i < to; i++) keys[this.#keyUnits++] = units[i]!;
    if (count > 1) {
      for (let k = 0; k < count; k++) {
        this.pieceIds[this.#pieces] = this.wordPieces.ids[k]!;
        this.pieceEnds[this.#pieces++] = this.wordPieces.ends[k]!;
      }
    }
    this.#words++;
    return base;
  }

  clear(): void {
    this.slots.fill(0);
    this.#words = this.#keyUnits = this.#pieces = 0;
  }
}
