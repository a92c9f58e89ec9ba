// Hugging Face's BertNormalizer with its alignments, step by step and for any text: the exact way. character-tables.ts has
// the quick way for all but rare characters, and is made from the same functions.
// Mirrors tokenizers/src/normalizers/bert.rs and tokenizer/normalizer.rs of huggingface/tokenizers.

import {
  characterFlags,
  combiningRanks,
  decompose,
  HAN,
  lowerCase,
  MARK,
  REMOVED,
  REPLACEMENT,
  SPACE,
} from "./unicode.js";

/** The four switches. */
export interface NormalizerOptions {
  /** Removes control characters, makes every white space a blank. */
  cleanText: boolean;
  /** Makes every Chinese character a word. */
  handleChineseChars: boolean;
  /** Decomposes (NFD) and removes non-spacing marks. */
  stripAccents: boolean;
  lowercase: boolean;
}

/** A normalized text, unit by unit; unit i came from units `starts[i]` … `ends[i]` of the original. */
export interface NormalizedText {
  units: Uint16Array;
  starts: Int32Array;
  ends: Int32Array;
}

/** Characters on their way: `sources[i]` is the position among the original characters that character i came from. */
interface Characters {
  points: number[];
  sources: number[];
}

const BLANK = 0x20;

/** Normalizes units `from` … `to` of a text; positions in the result count from the text's beginning. */
export function normalize(text: Uint16Array, from: number, to: number, options: NormalizerOptions): NormalizedText {
  const characters: Characters = { points: [], sources: [] };
  const starts: number[] = [];
  for (let i = from; i < to; ) {
    const point = codePointAt(text, i, to);
    characters.sources.push(starts.length);
    characters.points.push(point);
    starts.push(i);
    i += point > 0xffff ? 2 : 1;
  }
  starts.push(to);
  let current = characters;
  if (options.cleanText) current = cleanText(current);
  if (options.handleChineseChars) current = spaceChinese(current);
  if (options.stripAccents) current = stripAccents(current);
  if (options.lowercase) current = lowercase(current);
  return toUnits(current, starts);
}

/** The code point at a unit; a surrogate without its partner is U+FFFD. */
export function codePointAt(text: Uint16Array, index: number, end: number): number {
  const unit = text[index]!;
  if (unit < 0xd800 || unit > 0xdfff) return unit;
  const next = index + 1 < end ? text[index + 1]! : 0;
  if (unit > 0xdbff || next < 0xdc00 || next > 0xdfff) return REPLACEMENT;
  return 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00);
}

function cleanText({ points, sources }: Characters): Characters {
  const flags = characterFlags();
  const result: Characters = { points: [], sources: [] };
  for (let i = 0; i < points.length; i++) {
    const flag = flags[points[i]!]!;
    if (flag & REMOVED) continue;
    result.points.push(flag & SPACE ? BLANK : points[i]!);
    result.sources.push(sources[i]!);
  }
  return result;
}

function spaceChinese({ points, sources }: Characters): Characters {
  const flags = characterFlags();
  const result: Characters = { points: [], sources: [] };
  for (let i = 0; i < points.length; i++) {
    const source = sources[i]!;
    if (flags[points[i]!]! & HAN) {
      result.points.push(BLANK, points[i]!, BLANK);
      result.sources.push(source, source, source);
    } else {
      result.points.push(points[i]!);
      result.sources.push(source);
    }
  }
  return result;
}

/** A character of a decomposition; `isFirst` says that it stands for a character of the text, not for more of the same. */
interface Decomposed {
  point: number;
  rank: number;
  isFirst: boolean;
}

function stripAccents({ points, sources }: Characters): Characters {
  const ranks = combiningRanks();
  const decomposed: Decomposed[] = [];
  let pending = 0;
  for (const original of points) {
    let isFirst = true;
    for (const point of decompose(original)) {
      const rank = ranks.get(point) ?? 0;
      if (rank === 0) {
        sortFrom(decomposed, pending);
        pending = decomposed.length;
      }
      decomposed.push({ point, rank, isFirst });
      isFirst = false;
    }
  }
  sortFrom(decomposed, pending);
  // As in the reference, sources follow the order after sorting: the i-th first character takes the i-th source, and more of
  // the same takes that of the character before it. Sorting moves the flag along, so this is not always where it came from.
  const flags = characterFlags();
  const result: Characters = { points: [], sources: [] };
  let next = 0;
  for (const { point, isFirst } of decomposed) {
    if (isFirst) next++;
    if (flags[point]! & MARK) continue;
    result.points.push(point);
    result.sources.push(sources[next - 1]!);
  }
  return result;
}

function sortFrom(characters: Decomposed[], start: number): void {
  if (characters.length - start < 2) return;
  const sorted = characters.splice(start).sort((a, b) => a.rank - b.rank);
  for (const character of sorted) characters.push(character);
}

function lowercase({ points, sources }: Characters): Characters {
  const result: Characters = { points: [], sources: [] };
  for (let i = 0; i < points.length; i++) {
    for (const point of lowerCase(points[i]!)) {
      result.points.push(point);
      result.sources.push(sources[i]!);
    }
  }
  return result;
}

function toUnits({ points, sources }: Characters, sourceStarts: number[]): NormalizedText {
  let length = points.length;
  for (const point of points) if (point > 0xffff) length++;
  const units = new Uint16Array(length);
  const starts = new Int32Array(length);
  const ends = new Int32Array(length);
  let at = 0;
  const put = (unit: number, source: number) => {
    units[at] = unit;
    starts[at] = sourceStarts[source]!;
    ends[at++] = sourceStarts[source + 1]!;
  };
  for (let i = 0; i < points.length; i++) {
    const point = points[i]!;
    if (point > 0xffff) {
      put(0xd800 + ((point - 0x10000) >> 10), sources[i]!);
      put(0xdc00 + ((point - 0x10000) & 0x3ff), sources[i]!);
    } else put(point, sources[i]!);
  }
  return { units, starts, ends };
}
