// The quick way through a text: every character is looked up in a table, every word in a table. The time of tokenization goes
// here, and benchmarks/tokenizer shows what each choice is worth.
//
// Arrays that are constants of the module have their address compiled into the loops; that is why a text is read in chunks.

import {
  type CharacterTables,
  KIND_EXPANDED,
  KIND_RARE,
  KIND_REMOVED,
  KIND_SPACE,
  KIND_SURROGATE,
  KIND_WORD,
  LAST_BOUNDARY,
} from "./character-tables.js";
import { codePointAt } from "./normalizer.js";
import type { TokenSink } from "./token-sink.js";
import * as words from "./word-cache.js";

const CHUNK = 1 << 15;
const narrow = new Uint8Array(CHUNK + words.MOST_NARROW);
const narrowView = new DataView(narrow.buffer);
/** Where narrow words end, and the end of the chunk. */
const stops = new Int32Array(CHUNK + 1);
/** The tokens of a chunk. */
const chunk = {
  count: 0,
  ids: new Int32Array(CHUNK),
  offsets: new Int32Array(2 * CHUNK),
  wordIds: new Int32Array(CHUNK),
};
// Constants of other modules are not constants to the compiler.
const { ids, offsets, wordIds } = chunk;
const { slots, pieceIds, pieceEnds } = words.wordTable;
const { BYTE_MASKS: masks, SLOT_NUMBERS, SLOT_PIECES, SLOT_SIZES, SLOTS, MOST_NARROW, NOT_PIECES } = words;
const { hashBytes, nextSlot, piecesOf } = words;

/** Longer words are not looked at for being simple. */
const WORD_UNITS = 256;

/** What a unit is that stops a narrow word: the id of a word of its own, or one of these. */
const STOP_SPACE = -1;
const STOP_UNKNOWN_WORD = -2;
const STOP_OTHER = -3;

export class QuickScanner {
  readonly #tables: CharacterTables;
  readonly #sink: TokenSink;
  /** By unit, (65536). */
  readonly #stopIds: Int32Array;

  constructor(tables: CharacterTables, sink: TokenSink) {
    this.#tables = tables;
    this.#sink = sink;
    const { kinds } = tables;
    const stopIds = new Int32Array(kinds.length).fill(STOP_OTHER);
    for (let unit = 0; unit < stopIds.length; unit++) {
      const kind = kinds[unit]!;
      if (kind <= LAST_BOUNDARY) stopIds[unit] = kind === KIND_SPACE ? STOP_SPACE : STOP_UNKNOWN_WORD;
    }
    this.#stopIds = stopIds;
  }

  /** Reads units `from` … `to`; false when they hold a character that only the exact way reads right. */
  scan(units: Uint16Array, from: number, to: number): boolean {
    for (let start = from; start < to; ) {
      let end = Math.min(start + CHUNK, to);
      if (end < to) while (end > start && this.#stopIds[units[end - 1]!] === STOP_OTHER) end--;
      // No end of a word in sight: one that long is no narrow word.
      start = end === start ? this.#scanWideWord(units, start, to) : this.#scanChunk(units, start, end);
      if (start < 0) return false;
    }
    return true;
  }

  /**
   * Looks up every unit of a chunk: what it becomes goes to `narrow`, where that ends a word to `stops`. No branches, so
   * nothing to mispredict: three times as fast as the obvious loop.
   */
  #mapUnits(units: Uint16Array, from: number, to: number): void {
    const { narrowUnits } = this.#tables;
    const length = to - from;
    let count = 0;
    for (let i = 0; i < length; i++) {
      const byte = narrowUnits[units[from + i]!]!;
      narrow[i] = byte;
      stops[count] = i;
      count += (byte - 1) >>> 31;
    }
    stops[count] = length;
  }

  /** Reads a chunk. Nearly every word is narrow, one piece, and in the first slot looked at. @returns its end, or -1. */
  #scanChunk(units: Uint16Array, from: number, to: number): number {
    this.#mapUnits(units, from, to);
    const sink = this.#sink;
    const { records } = sink;
    const { mark } = sink.cache;
    const stopIds = this.#stopIds;
    const chunkLength = to - from;
    let count = 0;
    let wordsBefore = sink.words;
    let word = wordsBefore;
    let start = 0;
    for (let s = 0; start < chunkLength; ) {
      const stop = stops[s++]!;
      const length = stop - start;
      const stopId = stop < chunkLength ? stopIds[units[from + stop]!]! : STOP_SPACE;
      if (stopId === STOP_OTHER || length > MOST_NARROW) {
        chunk.count = count;
        sink.takeMany(chunk, word - wordsBefore);
        start = this.#scanWideWord(units, from + start, to) - from;
        if (start + from < 0) return -1;
        for (s--; stops[s]! < start; ) s++;
        count = 0;
        word = wordsBefore = sink.words;
        continue;
      }
      if (length > 0) {
        const first = narrowView.getInt32(start, true) & masks[4 * length]!;
        const second = narrowView.getInt32(start + 4, true) & masks[4 * length + 1]!;
        const third = narrowView.getInt32(start + 8, true) & masks[4 * length + 2]!;
        const fourth = narrowView.getInt32(start + 12, true) & masks[4 * length + 3]!;
        let slot = (hashBytes(first, second, third, fourth) & (SLOTS - 1)) * SLOT_NUMBERS;
        while (
          (slots[slot + SLOT_SIZES]! & NOT_PIECES) !== (length | mark) ||
          slots[slot] !== first ||
          slots[slot + 1] !== second ||
          slots[slot + 2] !== third ||
          slots[slot + 3] !== fourth
        ) {
          if (slots[slot + SLOT_SIZES] === 0) slot = this.#learnNarrow(start, length, first, second, third, fourth);
          else slot = nextSlot(slot);
        }
        const pieces = piecesOf(slots[slot + SLOT_SIZES]!);
        const piece = slots[slot + SLOT_PIECES]!;
        if (pieces === 1) {
          if (records) {
            offsets[2 * count] = from + start;
            offsets[2 * count + 1] = from + stop;
            wordIds[count] = word;
          }
          ids[count++] = piece;
        } else {
          let pieceStart = from + start;
          for (let k = piece; k < piece + pieces; k++) {
            if (records) {
              offsets[2 * count] = pieceStart;
              pieceStart = from + start + pieceEnds[k]!;
              offsets[2 * count + 1] = pieceStart;
              wordIds[count] = word;
            }
            ids[count++] = pieceIds[k]!;
          }
        }
        word++;
      }
      if (stopId !== STOP_SPACE) {
        if (records) {
          offsets[2 * count] = from + stop;
          offsets[2 * count + 1] = from + stop + 1;
          wordIds[count] = word;
        }
        ids[count++] = stopId >= 0 ? stopId : this.#learnStop(units[from + stop]!);
        word++;
      }
      start = stop + 1;
    }
    chunk.count = count;
    sink.takeMany(chunk, word - wordsBefore);
    return to;
  }

  /** Keeps the narrow word at `start` of the chunk; returns its slot. */
  #learnNarrow(start: number, length: number, first: number, second: number, third: number, fourth: number): number {
    const { word, cache } = this.#sink;
    for (let i = 0; i < length; i++) word.units[i] = narrow[start + i]!;
    return cache.addNarrow(word.units, length, first, second, third, fourth);
  }

  /** Keeps the id of a unit that is a word. */
  #learnStop(unit: number): number {
    const { word, cache } = this.#sink;
    word.units[0] = this.#tables.unitsAfter[unit]!;
    cache.wordPieces.split(word.units, 0, 1);
    const id = cache.wordPieces.ids[0]!;
    this.#stopIds[unit] = id;
    return id;
  }

  /**
   * Reads any word, or one character beyond the basic plane that is a word, or characters that are removed.
   * @returns where it ends; -1 for a character that only the exact way reads right.
   */
  #scanWideWord(units: Uint16Array, from: number, to: number): number {
    const { kinds, unitsAfter, kindOfPair, expansionOf } = this.#tables;
    const sink = this.#sink;
    const { word } = sink;
    let length = 0;
    let i = from;
    // Most such words are simple, though not narrow: one unit for one unit.
    word.reserve(Math.min(to - from, WORD_UNITS));
    const simpleEnd = Math.min(to, from + WORD_UNITS);
    while (i < simpleEnd && kinds[units[i]!] === KIND_WORD) word.units[length++] = unitsAfter[units[i++]!]!;
    if (length > 0 && (i === to || kinds[units[i]!]! <= LAST_BOUNDARY)) {
      sink.reserve(length);
      sink.takePieces(sink.cache.findWide(word, length), length, from);
      return i;
    }
    length = 0;
    i = from;
    while (i < to) {
      const unit = units[i]!;
      const point = kinds[unit] === KIND_SURROGATE ? codePointAt(units, i, to) : unit;
      const size = point > 0xffff ? 2 : 1;
      const kind = size === 2 ? kindOfPair(point) : kinds[point]!;
      if (kind === KIND_RARE) return -1;
      const isBoundary = kind <= LAST_BOUNDARY;
      if (isBoundary && (length > 0 || size === 1)) break;
      if (kind === KIND_SPACE) return i + size;
      if (kind !== KIND_REMOVED) {
        const expansion = kind === KIND_EXPANDED || isBoundary ? expansionOf(point) : undefined;
        const added = expansion?.length ?? size;
        word.reserve(length + added);
        for (let k = 0; k < added; k++) {
          const after = size === 1 ? unitsAfter[point]! : units[i + k]!;
          word.units[length] = expansion === undefined ? after : expansion[k]!;
          word.starts[length] = i;
          word.ends[length++] = i + size;
        }
      }
      i += size;
      if (isBoundary) break;
    }
    if (length > 0) sink.takeMapped(length);
    return i;
  }
}
