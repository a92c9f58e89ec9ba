// Words seen before, with their pieces: a bounded hash table in typed arrays. Real text is made of few words, so nearly all
// of a text's words are found here, and WordPiece itself hardly runs.
//
// A slot begins with 16 bytes of the word itself, so that most words are compared without a loop: all of a narrow word, whose
// units are below 256 and at most 16, one byte each; or the first eight units of any other, a wide one.
//
// There is one table in a thread, and tokenizers mark their words in it: so its memory is bounded however many tokenizers
// there are, and V8 compiles its address into the code that reads it, which is worth a third of the time.

import { hashEnd, hashUnit } from "./vocabulary.js";
import type { WordBuffer } from "./word-buffer.js";
import type { WordPieces } from "./word-pieces.js";

export const SLOTS = 1 << 18;
/** Numbers of a slot: the word's 16 bytes in four, then: */
export const SLOT_NUMBERS = 8;
/** kind and length in eight bits, pieces << 8 in eight bits, and the tokenizer's mark; 0 in a free slot; */
export const SLOT_SIZES = 4;
/** the only piece's id, or where the pieces are; */
export const SLOT_PIECES = 5;
/** of a wide word, where the units after the first eight are; */
const SLOT_KEY = 6;
/** of a wide word, the hash. */
const SLOT_HASH = 7;

/** A slot's sizes without the number of pieces: what a word is compared with. */
export const NOT_PIECES = ~0xff00;
/** Pieces of a word from a slot's sizes. */
export function piecesOf(sizes: number): number {
  return (sizes >>> 8) & 0xff;
}
/** Longest narrow word. */
export const MOST_NARROW = 16;
/** Longer words are not kept. */
const MOST_WIDE = 64;
/** Added to the length of a wide word. */
const WIDE = 0x80;
/** Units of a wide word that are in its slot. */
const INLINE_UNITS = 8;

const MOST_WORDS = (SLOTS * 3) / 4;
const MOST_KEY_UNITS = 1 << 20;
const MOST_PIECES = 1 << 20;
const MOST_MARKS = 1 << 15;
/** Words that find a full table before it is emptied: those that came first are likely the frequent ones, and worth keeping. */
const PATIENCE = 4 * MOST_WORDS;
/** Beyond the table, for a narrow word that finds it full: the slot, and its pieces. */
const SPARE_SLOT = SLOTS * SLOT_NUMBERS;

/** The table of the thread. */
export const wordTable = {
  slots: new Int32Array(SPARE_SLOT + SLOT_NUMBERS),
  pieceIds: new Int32Array(MOST_PIECES + MOST_NARROW),
  /** Where a piece ends, in units from the beginning of the word. */
  pieceEnds: new Uint8Array(MOST_PIECES + MOST_NARROW),
};
const { slots, pieceIds, pieceEnds } = wordTable;
const keys = new Uint16Array(MOST_KEY_UNITS);
let words = 0;
let keyUnits = 0;
let pieces = 0;
let marks = 0;
/** Words that found the table full. */
let refused = 0;

function clearTable(): void {
  slots.fill(0);
  words = keyUnits = pieces = refused = 0;
}

/** What remains of four numbers of which the first so many bytes count, four masks for each count from 0 to 16. */
export const BYTE_MASKS = Int32Array.from({ length: 4 * (MOST_NARROW + 1) }, (_, i) => {
  const bytes = (i >> 2) - 4 * (i & 3);
  return bytes >= 4 ? -1 : bytes <= 0 ? 0 : 2 ** (8 * bytes) - 1;
});

/** Hash of a word's 16 bytes. */
export function hashBytes(first: number, second: number, third: number, fourth: number): number {
  const sum =
    Math.imul(first, 0x9e3779b1) +
    Math.imul(second, 0x85ebca77) +
    Math.imul(third, 0xc2b2ae3d) +
    Math.imul(fourth, 0x27d4eb2f);
  return sum ^ (sum >>> 15);
}

/** The words of one tokenizer. */
export class WordCache {
  /** What the sizes of its slots have. */
  readonly mark: number;

  constructor(readonly wordPieces: WordPieces) {
    if (++marks === MOST_MARKS) {
      clearTable();
      marks = 1;
    }
    this.mark = marks << 16;
  }

  /**
   * Finds a word as a wide one, or splits and keeps it.
   * @returns where its slot begins; or, when it is too long to keep, minus the number of its pieces, which are in `wordPieces`.
   */
  findWide({ units, view }: WordBuffer, length: number): number {
    if (length > MOST_WIDE) return -this.wordPieces.split(units, 0, length);
    const masks = 4 * Math.min(2 * length, MOST_NARROW);
    const first = view.getInt32(0, true) & BYTE_MASKS[masks]!;
    const second = view.getInt32(4, true) & BYTE_MASKS[masks + 1]!;
    const third = view.getInt32(8, true) & BYTE_MASKS[masks + 2]!;
    const fourth = view.getInt32(12, true) & BYTE_MASKS[masks + 3]!;
    let hash = hashBytes(first, second, third, fourth);
    for (let i = INLINE_UNITS; i < length; i++) hash = hashUnit(hash, units[i]!);
    hash = hashEnd(hash);
    let base = (hash & (SLOTS - 1)) * SLOT_NUMBERS;
    for (; slots[base + SLOT_SIZES] !== 0; base = nextSlot(base)) {
      if (
        (slots[base + SLOT_SIZES]! & NOT_PIECES) === (length | WIDE | this.mark) &&
        slots[base] === first &&
        slots[base + 1] === second &&
        slots[base + 2] === third &&
        slots[base + 3] === fourth &&
        (length <= INLINE_UNITS || this.#sameRest(base, hash, units, length))
      ) {
        return base;
      }
    }
    const count = this.wordPieces.split(units, 0, length);
    const kept = placeFor(hash, count);
    if (kept === SPARE_SLOT) return -count;
    this.#keep(kept, length | WIDE, count, first, second, third, fourth);
    slots[kept + SLOT_KEY] = keyUnits;
    slots[kept + SLOT_HASH] = hash;
    for (let i = INLINE_UNITS; i < length; i++) keys[keyUnits++] = units[i]!;
    return kept;
  }

  /** Splits a narrow word that is not in the table, and keeps it. @returns a slot that has its pieces until the next word. */
  addNarrow(units: Uint16Array, length: number, first: number, second: number, third: number, fourth: number): number {
    const count = this.wordPieces.split(units, 0, length);
    const kept = placeFor(hashBytes(first, second, third, fourth), count);
    this.#keep(kept, length, count, first, second, third, fourth);
    return kept;
  }

  #keep(
    base: number,
    kindAndLength: number,
    count: number,
    first: number,
    second: number,
    third: number,
    fourth: number,
  ): void {
    const isSpare = base === SPARE_SLOT;
    const { ids, ends } = this.wordPieces;
    let piece = isSpare ? MOST_PIECES : pieces;
    slots[base] = first;
    slots[base + 1] = second;
    slots[base + 2] = third;
    slots[base + 3] = fourth;
    slots[base + SLOT_SIZES] = kindAndLength | (count << 8) | this.mark;
    slots[base + SLOT_PIECES] = count === 1 ? ids[0]! : piece;
    if (!isSpare) words++;
    if (count === 1) return;
    for (let k = 0; k < count; k++) {
      pieceIds[piece] = ids[k]!;
      pieceEnds[piece++] = ends[k]!;
    }
    if (!isSpare) pieces = piece;
  }

  #sameRest(base: number, hash: number, units: Uint16Array, length: number): boolean {
    if (slots[base + SLOT_HASH] !== hash) return false;
    const key = slots[base + SLOT_KEY]! - INLINE_UNITS;
    for (let i = INLINE_UNITS; i < length; i++) if (keys[key + i] !== units[i]) return false;
    return true;
  }
}

/** A free slot for a word of so many pieces, or the spare one. */
function placeFor(hash: number, count: number): number {
  if (words === MOST_WORDS || keyUnits + MOST_WIDE > MOST_KEY_UNITS || pieces + count > MOST_PIECES) {
    if (++refused < PATIENCE) return SPARE_SLOT;
    clearTable();
  }
  let base = (hash & (SLOTS - 1)) * SLOT_NUMBERS;
  while (slots[base + SLOT_SIZES] !== 0) base = nextSlot(base);
  return base;
}

/** Where the slot after another begins. */
export function nextSlot(base: number): number {
  return (base + SLOT_NUMBERS) & (SLOTS * SLOT_NUMBERS - 1);
}
