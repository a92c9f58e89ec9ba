// From one text to ids, offsets and word ids, without special tokens: added tokens are taken out first, then every character
// is looked up in tables and every word in a table. Texts come in as UTF-16 units in a typed array, because reading those is
// several times as fast as reading a string (benchmarks/tokenizer).

import { endianness } from "node:os";
import { type AddedToken, type AddedTokenMatcher, matchersOf } from "./added-tokens.js";
import { characterTables } from "./character-tables.js";
import { normalizerOf, type TokenizerDefinition } from "./definition.js";
import { codePointAt, type NormalizedText, type NormalizerOptions, normalize } from "./normalizer.js";
import { QuickScanner } from "./quick-scanner.js";
import { TokenSink } from "./token-sink.js";
import { characterFlags, HAN, PUNCT, SPACE } from "./unicode.js";
import type { Vocabulary } from "./vocabulary.js";
import { WordPieces } from "./word-pieces.js";

/** Below this a loop over the string's units is faster than one call of the runtime. */
const SHORT_TEXT = 24;
const IS_LITTLE_ENDIAN = endianness() === "LE";

export class TextScanner {
  /** The tokens of the text that `scan` read last. */
  readonly sink: TokenSink;
  readonly #normalizer: NormalizerOptions;
  /** What a unit is in the normalized text, 0 where that is not one unit. */
  readonly #unitsAfter: Uint16Array;
  readonly #quick: QuickScanner;
  readonly #raw: AddedTokenMatcher;
  readonly #normalized: AddedTokenMatcher;
  readonly #firstUnits: string[];

  /** The text. */
  #units!: Uint16Array;
  #bytes!: Buffer;

  constructor(wordPieces: WordPieces, addedTokens: readonly AddedToken[], normalizer: NormalizerOptions) {
    this.sink = new TokenSink(wordPieces);
    this.#normalizer = normalizer;
    const tables = characterTables(normalizer);
    this.#quick = new QuickScanner(tables, this.sink);
    const { raw, normalized } = matchersOf(addedTokens, normalizer);
    this.#raw = raw;
    this.#normalized = normalized;
    this.#unitsAfter = comparableUnits(tables.unitsAfter, normalizer, normalized);
    this.#firstUnits = raw.firstUnits().map((unit) => String.fromCharCode(unit));
    this.#allocate(4096);
  }

  /**
   * Reads a text; its tokens are in `sink`.
   * @param records whether offsets and word ids are wanted.
   * @param ignoreSpecial treats special tokens in the text as text.
   */
  scan(text: string, records: boolean, ignoreSpecial: boolean): void {
    this.sink.begin(records);
    this.#load(text);
    if (!this.#firstUnits.some((first) => text.includes(first))) {
      this.#scanSpan(0, text.length, ignoreSpecial);
      return;
    }
    for (const { from, to, token } of this.#raw.split(this.#units, 0, text.length, ignoreSpecial)) {
      if (token === undefined) this.#scanSpan(from, to, ignoreSpecial);
      else this.sink.takeAdded(token, from, to, text.slice(from, to));
    }
  }

  #load(text: string): void {
    const { length } = text;
    if (length > this.#units.length) this.#allocate(2 * length);
    if (length > SHORT_TEXT && IS_LITTLE_ENDIAN) this.#bytes.write(text, 0, 2 * length, "utf16le");
    else for (let i = 0; i < length; i++) this.#units[i] = text.charCodeAt(i);
  }

  #allocate(length: number): void {
    this.#units = new Uint16Array(length);
    this.#bytes = Buffer.from(this.#units.buffer);
  }

  #scanSpan(from: number, to: number, ignoreSpecial: boolean): void {
    const { count, words } = this.sink;
    if (!this.#mayHoldNormalized(from, to) && this.#quick.scan(this.#units, from, to)) return;
    this.sink.rewind(count, words);
    this.#scanExactly(from, to, ignoreSpecial);
  }

  /** Whether some token that is looked for in the normalized text could be in it; never false when one is. */
  #mayHoldNormalized(from: number, to: number): boolean {
    if (this.#normalized.size === 0) return false;
    const unitsAfter = this.#unitsAfter;
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
        this.sink.takeAdded(span.token, text.starts[span.from]!, text.ends[span.to - 1]!, value);
      }
    }
  }

  #scanNormalized({ units, starts, ends }: NormalizedText, from: number, to: number): void {
    const flags = characterFlags();
    const { sink } = this;
    const { word } = sink;
    let length = 0;
    const finish = () => {
      if (length > 0) sink.takeMapped(length);
      length = 0;
    };
    for (let i = from; i < to; ) {
      const point = codePointAt(units, i, to);
      const end = i + (point > 0xffff ? 2 : 1);
      const flag = flags[point]!;
      if (flag & (SPACE | PUNCT)) finish();
      word.reserve(length + 2);
      for (; i < end; i++) {
        if (flag & SPACE) continue;
        word.units[length] = units[i]!;
        word.starts[length] = starts[i]!;
        word.ends[length++] = ends[i]!;
      }
      if (flag & PUNCT) finish();
    }
    finish();
  }
}

/** The scanner of a tokenizer. */
export function scannerOf(definition: TokenizerDefinition, vocabulary: Vocabulary): TextScanner {
  const wordPieces = new WordPieces(vocabulary, definition.wordPiece);
  return new TextScanner(wordPieces, definition.addedTokens, normalizerOf(definition));
}

/** A Chinese character gets blanks around it: only tokens without blanks can be compared as if it had none. */
function comparableUnits(
  unitsAfter: Uint16Array,
  { handleChineseChars }: NormalizerOptions,
  tokens: AddedTokenMatcher,
): Uint16Array {
  if (!handleChineseChars || !tokens.hasBlank) return unitsAfter;
  const flags = characterFlags();
  return unitsAfter.map((after, unit) => (flags[unit]! & HAN ? 0 : after));
}
