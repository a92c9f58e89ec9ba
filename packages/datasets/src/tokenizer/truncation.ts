// Which tokens of a text that is too long remain. Everything here is arithmetic on lengths.
// Mirrors tokenizers/src/utils/truncation.rs and Encoding::truncate of huggingface/tokenizers; head-tail is our own.

import { TokenizerError } from "../errors.js";
import { badOption } from "./bad-option.js";

/** Of a pair, what is shortened: the longer text, the first, or the second. */
export type TruncationStrategy = "longest_first" | "only_first" | "only_second";
/**
 * What of a text remains: its beginning, its end, or both: of n tokens the first n/4 (rounded) and the last of the rest; of
 * 512 with [CLS] and [SEP], 128 and 382 (Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?").
 */
export type TruncationSide = "head" | "tail" | "head-tail";

export interface TruncationPlan {
  maxLength: number;
  strategy: TruncationStrategy;
  side: TruncationSide;
}

/** Tokens `from` … `to`. */
export interface TokenRange {
  from: number;
  to: number;
}

/**
 * How many tokens of each text remain.
 * @param first tokens of the first text.
 * @param second tokens of the second, undefined where there is none.
 * @param room tokens that there is room for, special ones aside.
 * @throws TokenizerError TRUNCATION_IMPOSSIBLE when the text to be shortened is too short for that, or missing.
 */
export function remainingLengths(
  first: number,
  second: number | undefined,
  room: number,
  strategy: TruncationStrategy,
): [number, number] {
  const excess = first + (second ?? 0) - room;
  if (excess <= 0) return [first, second ?? 0];
  // As the reference: with no room at all nothing remains, whatever the strategy.
  if (room === 0) return [0, 0];
  if (strategy === "longest_first") {
    if (second === undefined) return [room, 0];
    let shorter = Math.min(first, second);
    let longer = shorter > room ? shorter : Math.max(shorter, room - shorter);
    if (shorter + longer > room) {
      shorter = room >> 1;
      longer = shorter + (room & 1);
    }
    return first > second ? [longer, shorter] : [shorter, longer];
  }
  if (strategy === "only_second" && second === undefined) {
    throw new TokenizerError(
      "TRUNCATION_IMPOSSIBLE",
      'truncation "only_second" of a single text, which has no second one. Give a pair, or use "longest_first".',
    );
  }
  const length = strategy === "only_first" ? first : second!;
  if (length <= excess) {
    throw new TokenizerError(
      "TRUNCATION_IMPOSSIBLE",
      `truncation "${strategy}": the text has ${length} tokens and would have to lose ${excess}. Use "longest_first" or a larger maxLength.`,
    );
  }
  return strategy === "only_first" ? [first - excess, second ?? 0] : [first, second! - excess];
}

/** The ranges of a text's `length` tokens that make up `remaining` of them; two of them for head-tail. */
export function keptRanges(length: number, remaining: number, side: TruncationSide): TokenRange[] {
  if (remaining >= length) return [{ from: 0, to: length }];
  if (side === "head") return [{ from: 0, to: remaining }];
  if (side === "tail") return [{ from: length - remaining, to: length }];
  const head = Math.round(remaining / 4);
  return [
    { from: 0, to: head },
    { from: length - (remaining - head), to: length },
  ];
}

/**
 * All windows over a text: the first is what remains of it, the others are the overflow.
 * @param stride tokens that a window has in common with the one before it.
 * @throws TokenizerError BAD_TOKENIZER_OPTION when the stride is not smaller than the window.
 */
export function windowsOf(length: number, size: number, stride: number, side: "head" | "tail"): TokenRange[] {
  if (size >= length) return [{ from: 0, to: length }];
  if (size === 0) {
    return [
      { from: 0, to: 0 },
      { from: 0, to: length },
    ];
  }
  if (stride >= size) {
    throw new TokenizerError(
      "BAD_TOKENIZER_OPTION",
      `stride is ${stride}, expected less than the ${size} tokens of a window (maxLength without special tokens and the other text).`,
    );
  }
  const windows: TokenRange[] = [];
  for (let k = 0; ; k++) {
    const shift = k * (size - stride);
    if (side === "head") {
      windows.push({ from: shift, to: Math.min(shift + size, length) });
      if (shift + size >= length) return windows;
    } else {
      windows.push({ from: Math.max(length - shift - size, 0), to: length - shift });
      if (length - shift - size <= 0) return windows;
    }
  }
}

/**
 * Which tokens of each text each window takes: the first is the truncated sequence, the others are its overflow, in the
 * reference's order.
 */
export function windowsOfTexts(
  lengths: readonly number[],
  plan: TruncationPlan | undefined,
  specials: number,
  stride: number,
  wantsOverflow: boolean,
): TokenRange[][][] {
  if (plan === undefined) return [lengths.map((to) => [{ from: 0, to }])];
  const room = plan.maxLength - specials;
  if (room < 0) {
    throw badOption("maxLength", plan.maxLength, `at least ${specials}, which is how many special tokens there are`);
  }
  const remaining = remainingLengths(lengths[0]!, lengths[1], room, plan.strategy);
  if (!wantsOverflow) return [lengths.map((length, i) => keptRanges(length, remaining[i]!, plan.side))];
  if (plan.side === "head-tail") {
    throw badOption("returnOverflowing", true, 'false with truncation "head-tail", which keeps no windows');
  }
  const { side } = plan;
  const [first, second] = lengths.map((length, i) => windowsOf(length, remaining[i]!, stride, side));
  if (second === undefined) return first!.map((range) => [[range]]);
  const [mainFirst, ...moreFirst] = first!;
  const [mainSecond, ...moreSecond] = second;
  return [
    [[mainFirst!], [mainSecond!]],
    ...moreFirst.flatMap((a) => second.map((b) => [[a], [b]])),
    ...moreSecond.map((b) => [[mainFirst!], [b]]),
  ];
}
