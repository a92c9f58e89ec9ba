// What a code point is to the tokenizer. The facts are in unicode-data.ts; here they become tables, once, when first asked.

import { COMBINING_RANKS, FLAGS, LOWER_CASE } from "./unicode-data.js";

export const CODE_POINTS = 0x110000;
/** What text that is no text becomes: lone surrogates. */
export const REPLACEMENT = 0xfffd;

/** Bits of `characterFlags()`. */
export const REMOVED = 1;
export const SPACE = 2;
export const PUNCT = 4;
export const HAN = 8;
export const MARK = 16;
export const DECOMPOSES = 32;
export const WORD = 64;

let flags: Uint8Array | undefined;
let runs: FlagRun[] | undefined;
let lowerCases: Map<number, number> | undefined;
let ranks: Map<number, number> | undefined;

/** Flags of every code point, (0x110000). */
export function characterFlags(): Uint8Array {
  if (flags !== undefined) return flags;
  flags = new Uint8Array(CODE_POINTS);
  for (const { first, end, flag } of flagRuns()) flags.fill(flag, first, end);
  return flags;
}

/** Code points `first` … `end` with the same flags. */
export interface FlagRun {
  first: number;
  end: number;
  flag: number;
}

/** All code points in their order. */
export function flagRuns(): readonly FlagRun[] {
  if (runs !== undefined) return runs;
  runs = [];
  const numbers = parseNumbers(FLAGS);
  for (let i = 0, first = 0; i < numbers.length; i += 2) {
    const end = first + numbers[i]!;
    runs.push({ first, end, flag: numbers[i + 1]! });
    first = end;
  }
  return runs;
}

/** Code points whose lower case is one other code point. U+0130, whose lower case is `i` and U+0307, is not among them. */
export function lowerCaseTable(): Map<number, number> {
  if (lowerCases !== undefined) return lowerCases;
  lowerCases = new Map();
  const numbers = parseNumbers(LOWER_CASE);
  for (let i = 0; i < numbers.length; i += 4) {
    const [first, count, step, difference] = numbers.slice(i, i + 4) as [number, number, number, number];
    for (let k = 0; k < count; k++) lowerCases.set(first + k * step, first + k * step + difference);
  }
  return lowerCases;
}

/** Combining characters and where they are sorted; who is not here is 0 and never moves. */
export function combiningRanks(): Map<number, number> {
  if (ranks !== undefined) return ranks;
  ranks = new Map();
  const numbers = parseNumbers(COMBINING_RANKS);
  for (let i = 0; i < numbers.length; i += 3) {
    const [first, count, rank] = numbers.slice(i, i + 3) as [number, number, number];
    for (let k = 0; k < count; k++) ranks.set(first + k, rank);
  }
  return ranks;
}

export const HANGUL_FIRST = 0xac00;
export const HANGUL_LAST = 0xd7a3;

/** Whether canonical decomposition changes the code point. */
export function decomposes(codePoint: number): boolean {
  if (codePoint >= HANGUL_FIRST && codePoint <= HANGUL_LAST) return true;
  return (characterFlags()[codePoint]! & DECOMPOSES) !== 0;
}

/** Full canonical decomposition. Decompositions never change between versions of Unicode, so where there is one Node's is right. */
export function decompose(codePoint: number): number[] {
  if (!decomposes(codePoint)) return [codePoint];
  return Array.from(String.fromCodePoint(codePoint).normalize("NFD"), (s) => s.codePointAt(0)!);
}

/** Lower case of one character regardless of its neighbours, as Rust's `char::to_lowercase`: no final sigma. */
export function lowerCase(codePoint: number): number[] {
  if (codePoint === 0x130) return [0x69, 0x307];
  return [lowerCaseTable().get(codePoint) ?? codePoint];
}

function parseNumbers(text: string): number[] {
  return text.split(" ").map((word) => Number.parseInt(word, 36));
}
