// Where the tokens of a text are collected: words go in, ids, offsets and word ids come out.

import type { AddedToken } from "./added-tokens.js";
import { WordBuffer } from "./word-buffer.js";
import { piecesOf, SLOT_PIECES, SLOT_SIZES, WordCache, wordTable } from "./word-cache.js";
import type { WordPieces } from "./word-pieces.js";

/** An added token whose text in the input is not its content: white space was taken along with it. */
export interface StretchedToken {
  index: number;
  text: string;
}

/** Tokens, and where they are if that is recorded. */
export interface TokenArrays {
  count: number;
  ids: Int32Array;
  /** Start and end in units of the text, (2 count). */
  offsets: Int32Array;
  wordIds: Int32Array;
}

export class TokenSink implements TokenArrays {
  count = 0;
  ids = new Int32Array(1024);
  /** Start and end in units of the text, (2 count); only when recorded. */
  offsets = new Int32Array(2048);
  /** Only when recorded. */
  wordIds = new Int32Array(1024);
  stretched: StretchedToken[] = [];
  /** Words so far. */
  words = 0;
  /** Whether offsets and word ids are wanted. */
  records = false;
  /** For words that are no simple part of the text. */
  readonly word = new WordBuffer();
  readonly cache: WordCache;

  constructor(wordPieces: WordPieces) {
    this.cache = new WordCache(wordPieces);
  }

  begin(records: boolean): void {
    this.records = records;
    this.rewind(0, 0);
    if (this.stretched.length > 0) this.stretched = [];
  }

  /** Forgets what came after. */
  rewind(count: number, words: number): void {
    this.count = count;
    this.words = words;
  }

  /** Makes room for that many more tokens. */
  reserve(tokens: number): void {
    const needed = this.count + tokens;
    if (needed <= this.ids.length) return;
    this.ids = grown(this.ids, 2 * needed);
    this.wordIds = grown(this.wordIds, 2 * needed);
    this.offsets = grown(this.offsets, 4 * needed);
  }

  /**
   * Takes a word's pieces.
   * @param slot as `WordCache.findWide` returns it.
   * @param start where the word is in the text, if its units stand for one unit of the text each.
   */
  takePieces(slot: number, length: number, start: number): void {
    const { wordPieces } = this.cache;
    const isKept = slot >= 0;
    const pieces = isKept ? piecesOf(wordTable.slots[slot + SLOT_SIZES]!) : -slot;
    const first = isKept ? wordTable.slots[slot + SLOT_PIECES]! : 0;
    if (pieces === 1) {
      this.takeOne(isKept ? first : wordPieces.ids[0]!, start, start + length);
      return;
    }
    const pieceIds = isKept ? wordTable.pieceIds : wordPieces.ids;
    const pieceEnds = isKept ? wordTable.pieceEnds : wordPieces.ends;
    let from = start;
    for (let k = first; k < first + pieces; k++) {
      const to = start + pieceEnds[k]!;
      if (this.records) this.#record(from, to);
      this.ids[this.count++] = pieceIds[k]!;
      from = to;
    }
    this.words++;
  }

  /** Takes a word that is one token. */
  takeOne(id: number, start: number, end: number): void {
    if (this.records) this.#record(start, end);
    this.ids[this.count++] = id;
    this.words++;
  }

  /** Takes the word in the buffer. */
  takeMapped(length: number): void {
    this.reserve(length);
    const before = this.count;
    this.takePieces(this.cache.findWide(this.word, length), length, 0);
    if (!this.records) return;
    const { offsets, word } = this;
    for (let k = before; k < this.count; k++) {
      offsets[2 * k] = word.starts[offsets[2 * k]!]!;
      offsets[2 * k + 1] = word.ends[offsets[2 * k + 1]! - 1]!;
    }
  }

  /** Takes an added token that stands for units `start` … `end` of the text, which read `text`. */
  takeAdded(token: AddedToken, start: number, end: number, text: string): void {
    this.reserve(1);
    if (text !== token.content) this.stretched.push({ index: this.count, text });
    this.takeOne(token.id, start, end);
  }

  /** Takes tokens that are ready. @param words how many words they are. */
  takeMany(tokens: TokenArrays, words: number): void {
    const { count } = tokens;
    this.reserve(count);
    copyInto(this.ids, this.count, tokens.ids, 0, count);
    if (this.records) {
      copyInto(this.offsets, 2 * this.count, tokens.offsets, 0, 2 * count);
      copyInto(this.wordIds, this.count, tokens.wordIds, 0, count);
    }
    this.count += count;
    this.words += words;
  }

  #record(start: number, end: number): void {
    this.offsets[2 * this.count] = start;
    this.offsets[2 * this.count + 1] = end;
    this.wordIds[this.count] = this.words;
  }
}

/** A longer array that begins with another's numbers. */
function grown(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const result = new Int32Array(length);
  result.set(array);
  return result;
}

/** Copying one by one is quicker than a call of the runtime below this. */
const FEW = 48;

/** Copies numbers `from` … `to` of one array to another. */
export function copyInto(target: Int32Array, at: number, source: Int32Array, from: number, to: number): void {
  if (to - from > FEW) target.set(source.subarray(from, to), at);
  else for (let i = from; i < to; i++) target[at + i - from] = source[i]!;
}
