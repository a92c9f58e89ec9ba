// What the four switches of a normalizer, and the pre-tokenizer after it, make of each character taken alone, in tables: the
// quick way. Made from the same functions as the exact way (normalizer.ts), which takes over where a character's result
// depends on its neighbours.

import type { NormalizerOptions } from "./normalizer.js";
import {
  characterFlags,
  combiningRanks,
  DECOMPOSES,
  decompose,
  flagRuns,
  HAN,
  HANGUL_FIRST,
  HANGUL_LAST,
  lowerCase,
  lowerCaseTable,
  MARK,
  PUNCT,
  REMOVED,
  SPACE,
  WORD,
} from "./unicode.js";

/** Ends a word, and is gone. */
export const KIND_SPACE = 0;
/** A word of its own: punctuation, a Chinese character. One unit becomes one unit. */
export const KIND_ALONE = 1;
/** The kinds up to here end a word that stands before them. */
export const LAST_BOUNDARY = KIND_ALONE;
/** Part of a word, and one unit becomes one unit. */
export const KIND_WORD = 2;
/** Gone, and the word goes on. */
export const KIND_REMOVED = 3;
/** Part of a word, and becomes other than one unit: see `expansions`. */
export const KIND_EXPANDED = 4;
/** Half of a pair: see `kindOfPair`. */
export const KIND_SURROGATE = 5;
/** Only the exact way is right. */
export const KIND_RARE = 6;

export interface CharacterTables {
  /** Kind of each unit of the basic plane, (65536). */
  kinds: Uint8Array;
  /** What a unit of kind WORD becomes if that is below 256, else 0: one look tells whether a narrow word goes on, (65536). */
  narrowUnits: Uint8Array;
  /** What a unit becomes that becomes one unit, of whatever kind; 0 for all others, (65536). */
  unitsAfter: Uint16Array;
  /** Kind of a character beyond the basic plane; WORD ones remain as they are. */
  kindOfPair(codePoint: number): number;
  /** The units that a character becomes; for those of kind EXPANDED, and those beyond the basic plane of kind ALONE. */
  expansionOf(codePoint: number): Uint16Array;
}

const BLANK = 0x20;
const UNITS = 0x10000;
const NARROW = 0x100;
const NONE: ReadonlyMap<number, number> = new Map();
const made = new Map<string, CharacterTables>();

/** The tables of a normalizer; made once for each of the sixteen. */
export function characterTables(options: NormalizerOptions): CharacterTables {
  const { cleanText, handleChineseChars, stripAccents, lowercase } = options;
  const key = [cleanText, handleChineseChars, stripAccents, lowercase].join();
  let tables = made.get(key);
  if (tables === undefined) {
    tables = makeTables(options);
    made.set(key, tables);
  }
  return tables;
}

function makeTables(options: NormalizerOptions): CharacterTables {
  const flags = characterFlags();
  // Every unit remains as it is, but for what follows.
  const kinds = new Uint8Array(UNITS).fill(KIND_WORD);
  const narrowUnits = new Uint8Array(UNITS);
  const unitsAfter = new Uint16Array(UNITS);
  for (let unit = 0; unit < UNITS; unit++) unitsAfter[unit] = unit;
  narrowUnits.set(unitsAfter.subarray(0, NARROW));
  const set = (unit: number) => {
    const { kind, units } = outcomeOf(unit, options);
    kinds[unit] = kind;
    unitsAfter[unit] = units.length === 1 ? units[0]! : 0;
    narrowUnits[unit] = kind === KIND_WORD && units[0]! < NARROW ? units[0]! : 0;
  };

  const keep = (unit: number, after: number) => {
    kinds[unit] = KIND_WORD;
    unitsAfter[unit] = after;
    narrowUnits[unit] = after < NARROW ? after : 0;
  };
  /** Units that don't become one unit. */
  const drop = (kind: number, from: number, to: number) => {
    kinds.fill(kind, from, to);
    unitsAfter.fill(0, from, to);
    narrowUnits.fill(0, from, to);
  };
  const { cleanText, handleChineseChars, stripAccents, lowercase } = options;

  const ranks = combiningRanks();
  const lowered = lowerCaseTable();
  /** What remains of a letter and its accents; -1 where that is no plain letter. */
  const withoutAccents = (unit: number) => {
    const text = String.fromCharCode(unit).normalize("NFD");
    for (let i = 1; i < text.length; i++) if (!(flags[text.charCodeAt(i)]! & MARK)) return -1;
    const base = text.charCodeAt(0);
    const after = (lowercase ? lowered.get(base) : undefined) ?? base;
    const isPlain = after < UNITS && ((flags[base]! | flags[after]!) & ~WORD) === 0 && base !== 0x130;
    return isPlain && (base < 0xd800 || base > 0xdfff) && !ranks.has(base) ? after : -1;
  };

  // Most characters are decided by one flag alone, all of a range together; the others are looked at one by one.
  const ignored = stripAccents ? WORD : WORD | DECOMPOSES;
  for (const { first: from, end, flag: flagBits } of flagRuns()) {
    if (from >= UNITS) break;
    const to = Math.min(end, UNITS);
    const flag = flagBits & ~ignored;
    if (flag === 0 || (flag === REMOVED && !cleanText) || (flag === MARK && !stripAccents)) continue;
    if (flag === REMOVED || flag === MARK) drop(KIND_REMOVED, from, to);
    else if (flag === PUNCT || (flag === HAN && handleChineseChars)) {
      kinds.fill(KIND_ALONE, from, to);
      narrowUnits.fill(0, from, to);
    } else {
      for (let unit = from; unit < to; unit++) {
        const after = flag === DECOMPOSES ? withoutAccents(unit) : -1;
        if (after < 0) set(unit);
        else keep(unit, after);
      }
    }
  }
  drop(KIND_SURROGATE, 0xd800, 0xe000);
  if (stripAccents) {
    for (const unit of ranks.keys()) if (unit < UNITS && !(flags[unit]! & MARK)) set(unit);
    drop(KIND_EXPANDED, HANGUL_FIRST, HANGUL_LAST + 1);
  }
  if (lowercase) {
    set(0x130);
    for (const [unit, lower] of lowered) {
      // Those that decompose were lowered above.
      if (unit >= UNITS || (stripAccents && flags[unit]! & DECOMPOSES)) continue;
      if (((flags[unit]! | flags[lower]!) & ~WORD) === 0 && lower < UNITS) keep(unit, lower);
      else set(unit);
    }
  }
  const isLowered = lowercase ? lowered : NONE;
  const isMoved = stripAccents ? ranks : NONE;
  const rareKindOfPair = remember((codePoint) => outcomeOf(codePoint, options).kind);
  return {
    kinds,
    narrowUnits,
    unitsAfter,
    kindOfPair: (codePoint) => {
      const flag = flags[codePoint]! & ~WORD;
      if (flag === HAN && handleChineseChars) return KIND_ALONE;
      if (flag === 0 && !isLowered.has(codePoint) && !isMoved.has(codePoint)) return KIND_WORD;
      return rareKindOfPair(codePoint);
    },
    expansionOf: remember((codePoint) => Uint16Array.from(outcomeOf(codePoint, options).units)),
  };
}

/** Results of a function of a code point, kept. Of such rare characters Unicode has few. */
function remember<T>(compute: (codePoint: number) => T): (codePoint: number) => T {
  const known = new Map<number, T>();
  return (codePoint) => {
    let result = known.get(codePoint);
    if (result === undefined) {
      result = compute(codePoint);
      known.set(codePoint, result);
    }
    return result;
  };
}

/** What becomes of one character that stands alone in a text. The tables are short cuts to this. */
export function outcomeOf(codePoint: number, options: NormalizerOptions): { kind: number; units: number[] } {
  const flags = characterFlags();
  const flag = flags[codePoint]!;
  if (options.cleanText && flag & REMOVED) return { kind: KIND_REMOVED, units: [] };
  if (options.cleanText && flag & SPACE) return { kind: KIND_SPACE, units: [BLANK] };
  let points = [codePoint];
  if (options.stripAccents) {
    const ranks = combiningRanks();
    points = decompose(codePoint);
    if (points.some((point) => ranks.has(point) && !(flags[point]! & MARK))) return { kind: KIND_RARE, units: [] };
    points = points.filter((point) => !(flags[point]! & MARK));
  }
  if (options.lowercase) points = points.flatMap(lowerCase);
  if (points.length === 0) return { kind: KIND_REMOVED, units: [] };
  const units = points.flatMap(toUnits);
  if (points.some((point) => flags[point]! & (SPACE | PUNCT))) {
    if (units.length > 1 && (points.length > 1 || points[0] !== codePoint)) return { kind: KIND_RARE, units: [] };
    return { kind: flags[points[0]!]! & SPACE ? KIND_SPACE : KIND_ALONE, units };
  }
  const isAlone = options.handleChineseChars && (flag & HAN) !== 0;
  const isOneForOne = points.length === 1 && (codePoint < UNITS ? units.length === 1 : points[0] === codePoint);
  if (isAlone) return isOneForOne || codePoint >= UNITS ? { kind: KIND_ALONE, units } : { kind: KIND_RARE, units: [] };
  return { kind: isOneForOne ? KIND_WORD : KIND_EXPANDED, units };
}

function toUnits(codePoint: number): number[] {
  if (codePoint < UNITS) return [codePoint];
  return [0xd800 + ((codePoint - UNITS) >> 10), 0xdc00 + ((codePoint - UNITS) & 0x3ff)];
}
