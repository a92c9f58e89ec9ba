// What a maximum length costs: texts cut, tokens dropped; and what padding would cost, which packed batches do not pay.

import { DatasetError } from "../errors.js";

/** Lengths of rows in tokens, with specials. */
export interface LengthSummary {
  rows: number;
  tokens: number;
  mean: number;
  median: number;
  p95: number;
  longest: number;
}

/** What truncation to a length does. */
export interface TruncationReport extends LengthSummary {
  maxLength: number;
  rowsCut: number;
  /** Of the rows, 0 to 1. */
  shareCut: number;
  tokensDropped: number;
  /** Of the tokens, 0 to 1. */
  shareDropped: number;
  /** Advice when more than a tenth of the rows is cut. */
  warning: string | undefined;
}

/** Distribution of lengths. */
export function summarizeLengths(lengths: ArrayLike<number>): LengthSummary {
  const sorted = Float64Array.from(lengths).sort();
  const tokens = sorted.reduce((sum, length) => sum + length, 0);
  const at = (share: number) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)] ?? 0;
  return {
    rows: sorted.length,
    tokens,
    mean: sorted.length === 0 ? 0 : tokens / sorted.length,
    median: at(0.5),
    p95: at(0.95),
    longest: sorted[sorted.length - 1] ?? 0,
  };
}

/**
 * What is lost when rows are cut to `maxLength` tokens.
 *
 * @param originalLengths (rows) tokens with specials before truncation, as `encodeBatch` returns them.
 * @throws DatasetError BAD_OPTION for a length that is not a whole number from 1.
 */
export function truncationReport(originalLengths: ArrayLike<number>, maxLength: number): TruncationReport {
  checkLength(maxLength);
  const summary = summarizeLengths(originalLengths);
  let rowsCut = 0;
  let tokensDropped = 0;
  for (let row = 0; row < originalLengths.length; row++) {
    const over = originalLengths[row] - maxLength;
    if (over <= 0) continue;
    rowsCut += 1;
    tokensDropped += over;
  }
  const shareCut = rowsCut / Math.max(summary.rows, 1);
  const shareDropped = tokensDropped / Math.max(summary.tokens, 1);
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const warning =
    shareCut > 0.1
      ? `A maximum length of ${maxLength} cuts ${percent(shareCut)} of the rows and drops ${percent(shareDropped)} of the tokens. ` +
        "Raise --max-length, or keep both ends with --truncation head-tail: the end of a review often holds its verdict."
      : undefined;
  return { ...summary, maxLength, rowsCut, shareCut, tokensDropped, shareDropped, warning };
}

/** What padding would cost. */
export interface PaddingReport {
  maxLength: number;
  batchSize: number;
  /** Tokens after truncation: all that packed batches compute on. */
  tokens: number;
  /** Tokens when every row is padded to `maxLength`, and the share that is padding. */
  paddedToMaxLength: number;
  shareToMaxLength: number;
  /** The same when every batch of `batchSize` rows, in order, is padded to its longest row. */
  paddedToLongest: number;
  shareToLongest: number;
}

/**
 * How much padding packed batches avoid.
 *
 * @param originalLengths (rows) tokens with specials before truncation.
 */
export function paddingReport(originalLengths: ArrayLike<number>, maxLength: number, batchSize = 8): PaddingReport {
  checkLength(maxLength);
  checkLength(batchSize, "The batch size");
  let tokens = 0;
  let paddedToLongest = 0;
  for (let first = 0; first < originalLengths.length; first += batchSize) {
    const end = Math.min(first + batchSize, originalLengths.length);
    let longest = 0;
    for (let row = first; row < end; row++) {
      const length = Math.min(originalLengths[row], maxLength);
      tokens += length;
      longest = Math.max(longest, length);
    }
    paddedToLongest += longest * (end - first);
  }
  const paddedToMaxLength = maxLength * originalLengths.length;
  const share = (padded: number) => (padded === 0 ? 0 : 1 - tokens / padded);
  return {
    maxLength,
    batchSize,
    tokens,
    paddedToMaxLength,
    shareToMaxLength: share(paddedToMaxLength),
    paddedToLongest,
    shareToLongest: share(paddedToLongest),
  };
}

function checkLength(value: number, name = "The maximum length"): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new DatasetError("BAD_OPTION", `${name} is ${value}; expected a whole number from 1.`);
}
