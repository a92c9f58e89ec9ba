// From one text to ids, offsets and word ids, without special tokens: added tokens are taken out first, then every character
// is looked up in tables and every word in a table. Texts come in as UTF-16 units in a typed array, because reading those is
// several times as fast as reading a string (benchmarks/tokenizer).

import { endianness } from "node:os";
import { type AddedToken, type AddedTokenMatcher, matchersOf } from "./added-tokens.js";
import {
  type CharacterTables,
  characterTables,
  KIND_ALONE,
  KIND_EXPANDED,
  KIND_RARE,
  KIND_REMOVED,
  KIND_SPACE,
  KIND_SURROGATE,
  KIND_WORD,
  LAST_BOUNDARY,
} from "./character-tables.js";
import { codePointAt, type NormalizedText, type NormalizerOptions, normalize } from "./normalizer.js";
import { characterFlags, PUNCT, SPACE } from "./unicode.js";
import { hashEnd, hashStart, hashUnit } from "./vocabulary.js";
import { SLOT_FIELDS, WordCache } from "./word-cache.js";
import type { WordPieces } from "./word-pieces.js";

/** Below this a loop over the string's units is faster than one call of the runtime. */
const SHORT_TEXT = 24;
const IS_LITTLE_ENDIAN = endianness() === "LE";

/** An added token whose text in the input is not its content: spaces were stripped along with it. */
export interface StretchedToken {
  index: number;
  text: string;
}

export class TextScanner {
  /** The result of `scan`: `count` tokens. */
  count = 0;
  ids = new Int32Array(1024);
  /** Start and end in units of the text, (2 count); only when recorded. */
  offsets = new Int32Array(2048);
  /** Only when recorded. */
  wordIds = new Int32Array(1024);
  stretched: StretchedToken[] = [];

  readonly #normalizer: NormalizerOptions;
  readonly #tables: CharacterTables;
  readonly #raw: AddedTokenMatcher;
  readonly #normalized: AddedTokenMatcher;
  readonly #firstUnits: string[];
  readonly #cache: WordCache;
  #records = false;
  #words = 0;

  /** The text. */
  #units = new Uint16Array(4096);
  #bytes = Buffer.from(this.#units.buffer);
  /** The word that is being read, normalized, and where each unit of it came from. */
  #word = new Uint16Array(4096);
  #starts = new Int32Array(4096);
  #ends = new Int32Array(4096);

  constructor(wordPieces: WordPieces, addedTokens: readonly AddedToken[], normalizer: NormalizerOptions) {
    this.#normalizer = normalizer;
    this.#tables = characterTables(normalizer);
    const { raw, normalized } = matchersOf(addedTokens, normalizer);
    this.#raw = raw;
    this.#normalized = normalized;
    this.#firstUnits = raw.firstUnits().map((unit) => String.fromCharCode(unit));
    this.#cache = new WordCache(wordPieces);
  }

  /**
   * @param records whether offsets and word ids are wanted.
   * @param ignoreSpecial treats special tokens in the text as text.
   */
  scan(text: string, records: boolean, ignoreSpecial: boolean): void {
    this.count = 0;
    this.#words = 0;
    this.#records = records;
    if (this.stretched.length > 0) this.stretched = [];
    this.#load(text);
    if (!this.#firstUnits.some((first) => text.includes(first))) {
      this.#scanSpan(0, text.length);
      return;
    }
    for (const { from, to, token } of this.#raw.split(this.#units, 0, text.length, ignoreSpecial)) {
      if (token === undefined) this.#scanSpan(from, to, ignoreSpecial);
      else this.#emitAdded(token, from, to, text.slice(from, to));
    }
  }

  #load(text: string): void {
    const { length } = text;
    if (length > this.#units.length) {
      this.#units = new Uint16Array(2 * length);
      this.#bytes = Buffer.from(this.#units.buffer);
    }
    if (length > SHORT_TEXT && IS_LITTLE_ENDIAN) this.#bytes.write(text, 0, 2 * length, "utf16le");
    else for (let i = 0; i < length; i++) this.#units[i] = text.charCodeAt(i);
  }

  #scanSpan(from: number, to: number, ignoreSpecial = false): void {
    const { count } = this;
    const words = this.#words;
    if (this.#mayHoldNormalized(from, to) || !this.#scanQuickly(from, to)) {
      this.count = count;
      this.#words = words;
      this.#scanExactly(from, to, ignoreSpecial);
    }
  }

  /** Whether some token that is looked for in the normalized text could be in it; never false when one is. */
  #mayHoldNormalized(from: number, to: number): boolean {
    if (this.#normalized.size === 0) return false;
    const { unitsAfter } = this.#tables;
    for (let i = from; i < to; i++) {
      const first = unitsAfter[this.#units[i]!]!;
      if (first === 0) return true;
      for (const { units } of this.#normalized.patternsFrom(first)) {
        let k = 1;
        while (k < units.length && i + k < to && unitsAfter[this.#units[i + k]!] === units[k]) k++;
        if (k === units.length || (i + k < to && unitsAfter[this.#units[i + k]!] === 0)) return true;
      }
    }
    return false;
  }

  /** Any text, from its normalized form. */
  #scanExactly(from: number, to: number, ignoreSpecial: boolean): void {
    const text = normalize(this.#units, from, to, this.#normalizer);
    for (const span of this.#normalized.split(text.units, 0, text.units.length, ignoreSpecial)) {
      if (span.token === undefined) this.#scanNormalized(text, span.from, span.to);
      else {
        const value = String.fromCharCode(...text.units.subarray(span.from, span.to));
        this.#emitAdded(span.token, text.starts[span.from]!, text.ends[span.to - 1]!, value);
      }
    }
  }

  #scanNormalized({ units, starts, ends }: NormalizedText, from: number, to: number): void {
    const flags = characterFlags();
    let length = 0;
    let hash = hashStart;
    const push = (i: number) => {
      if (length === this.#word.length) this.#growWord(2 * length);
      hash = hashUnit(hash, units[i]!);
      this.#word[length] = units[i]!;
      this.#starts[length] = starts[i]!;
      this.#ends[length++] = ends[i]!;
    };
    const finish = () => {
      if (length > 0) {
        this.#reserve(length);
        this.#emitMapped(hash, length);
      }
      length = 0;
      hash = hashStart;
    };
    for (let i = from; i < to; ) {
      const point = codePointAt(units, i, to);
      const size = point > 0xffff ? 2 : 1;
      const flag = flags[point]!;
      if (flag & (SPACE | PUNCT)) finish();
      if (!(flag & SPACE)) for (let k = 0; k < size; k++) push(i + k);
      if (flag & PUNCT) finish();
      i += size;
    }
    finish();
  }

  /** Reads a span by the tables; false when it holds a character that only the exact way reads right. */
  #scanQuickly(from: number, to: number): boolean {
    this.#reserve(to - from);
    if (to - from > this.#word.length) this.#growWord(2 * (to - from));
    const { kinds, wordUnits, unitsAfter } = this.#tables;
    const units = this.#units;
    let word = this.#word;
    for (let i = from; i < to; ) {
      const start = i;
      let length = 0;
      let hash = hashStart;
      let unit = 0;
      while (i < to) {
        unit = units[i]!;
        const mapped = wordUnits[unit]!;
        if (mapped === 0) break;
        word[length++] = mapped;
        hash = hashUnit(hash, mapped);
        i++;
      }
      const kind = i < to ? kinds[unit]! : KIND_SPACE;
      if (kind > LAST_BOUNDARY || kind === KIND_WORD) {
        i = this.#scanMapped(start, to);
        if (i < 0) return false;
        word = this.#word;
        continue;
      }
      if (length > 0) this.#emitAligned(hash, length, start);
      if (kind === KIND_ALONE) {
        word[0] = unitsAfter[unit]!;
        this.#emitAligned(hashUnit(hashStart, word[0]!), 1, i);
      }
      i++;
    }
    return true;
  }

  /**
   * Reads one word of which not every unit stands for one of the text's, or one character beyond the basic plane that is
   * alone, or characters that are removed.
   * @returns where it ends; -1 for a character that only the exact way reads right.
   */
  #scanMapped(from: number, to: number): number {
    const { kinds, unitsAfter, kindOfPair, expansionOf } = this.#tables;
    const units = this.#units;
    let length = 0;
    let hash = hashStart;
    let i = from;
    while (i < to) {
      const unit = units[i]!;
      const point = kinds[unit] === KIND_SURROGATE ? codePointAt(units, i, to) : unit;
      const size = point > 0xffff ? 2 : 1;
      const kind = size === 2 ? kindOfPair(point) : kinds[point]!;
      if (kind === KIND_RARE) return -1;
      const isBoundary = kind <= LAST_BOUNDARY && kind !== KIND_WORD;
      if (isBoundary && (length > 0 || size === 1)) break;
      if (isBoundary && kind === KIND_SPACE) return i + size;
      if (kind !== KIND_REMOVED) {
        const expansion = size === 2 || kind === KIND_EXPANDED ? expansionOf(point) : undefined;
        const added = expansion?.length ?? 1;
        if (length + added > this.#word.length) this.#growWord(2 * (length + added));
        for (let k = 0; k < added; k++) {
          const after = expansion === undefined ? unitsAfter[point]! : expansion[k]!;
          this.#word[length] = after;
          this.#starts[length] = i;
          this.#ends[length++] = i + size;
          hash = hashUnit(hash, after);
        }
      }
      i += size;
      if (isBoundary) break;
    }
    if (length > 0) {
      this.#reserve(length + to - i);
      this.#emitMapped(hash, length);
    }
    return i;
  }

  /** Puts out the word in `#word`, each unit of which stands for one unit of the text from `start` on. */
  #emitAligned(hash: number, length: number, start: number): void {
    const cache = this.#cache;
    const slot = this.#find(hash, length);
    const ids = this.ids;
    let count = this.count;
    const pieces = slot < 0 ? -slot : cache.slots[slot + 2]! >>> 8;
    const first = slot < 0 ? 0 : cache.slots[slot + 3]!;
    if (this.#records) {
      const { offsets, wordIds } = this;
      const ends = slot < 0 ? cache.wordPieces.ends : cache.pieceEnds;
      let from = start;
      for (let k = 0; k < pieces; k++) {
        const end = pieces === 1 ? start + length : start + ends[first + k]!;
        offsets[2 * (count + k)] = from;
        offsets[2 * (count + k) + 1] = end;
        wordIds[count + k] = this.#words;
        from = end;
      }
    }
    if (slot >= 0 && pieces === 1) ids[count++] = first;
    else {
      const pieceIds = slot < 0 ? cache.wordPieces.ids : cache.pieceIds;
      for (let k = 0; k < pieces; k++) ids[count++] = pieceIds[first + k]!;
    }
    this.count = count;
    this.#words++;
  }

  /** Puts out the word in `#word`, unit k of which stands for units `#starts[k]` … `#ends[k]` of the text. */
  #emitMapped(hash: number, length: number): void {
    const before = this.count;
    this.#emitAligned(hash, length, 0);
    if (!this.#records) return;
    const { offsets } = this;
    for (let k = before; k < this.count; k++) {
      offsets[2 * k] = this.#starts[offsets[2 * k]!]!;
      offsets[2 * k + 1] = this.#ends[offsets[2 * k + 1]! - 1]!;
    }
  }

  #emitAdded(token: AddedToken, start: number, end: number, text: string): void {
    this.#reserve(1);
    const { count } = this;
    if (text !== token.content) this.stretched.push({ index: count, text });
    this.ids[count] = token.id;
    if (this.#records) {
      this.offsets[2 * count] = start;
      this.offsets[2 * count + 1] = end;
      this.wordIds[count] = this.#words;
    }
    this.#words++;
    this.count++;
  }

  /** The slot of the word in `#word`, as `WordCache.add` gives it. */
  #find(hash: number, length: number): number {
    const { slots, keys } = this.#cache;
    const word = this.#word;
    const mask = slots.length / SLOT_FIELDS - 1;
    for (let slot = hashEnd(hash) & mask; ; slot = (slot + 1) & mask) {
      const base = slot * SLOT_FIELDS;
      const key = slots[base + 1]! - 1;
      if (key < 0) return this.#cache.add(hash, word, 0, length);
      if (slots[base] !== hash || (slots[base + 2]! & 0xff) !== length) continue;
      let k = 0;
      while (k < length && keys[key + k] === word[k]) k++;
      if (k === length) return base;
    }
  }

  /** Makes room for that many more tokens. */
  #reserve(tokens: number): void {
    const needed = this.count + tokens;
    if (needed <= this.ids.length) return;
    this.ids = grown(this.ids, 2 * needed);
    this.wordIds = grown(this.wordIds, 2 * needed);
    this.offsets = grown(this.offsets, 4 * needed);
  }

  #growWord(length: number): void {
    const word = new Uint16Array(length);
    word.set(this.#word);
    this.#word = word;
    this.#starts = grown(this.#starts, length);
    this.#ends = grown(this.#ends, length);
  }
}

function grown(array: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const result = new Int32Array(length);
  result.set(array);
  return result;
}
