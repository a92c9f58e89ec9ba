import { randomFrom } from "../training/random.js";
import type { ConfusionMatrix } from "./confusion.js";

/** Lower and upper end. */
export type Interval = [number, number];

export interface BootstrapOptions {
  /** Default 1000. */
  resamples?: number;
  /** Share of resamples inside the interval; default 0.95. */
  confidence?: number;
  /** Default 42. */
  seed?: number;
}

/**
 * Percentile bootstrap intervals (Efron 1979) of functions of the confusion matrix: rows are drawn with replacement, the metrics computed
 * anew, and the middle `confidence` of the values kept. Seeded, so the same rows give the same interval.
 * @param labels (B), B ≥ 1
 * @param predicted (B)
 * @returns one interval for each metric
 */
export function bootstrapIntervals(
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
  metrics: readonly ((confusion: ConfusionMatrix) => number)[],
  options: BootstrapOptions = {},
): Interval[] {
  const { resamples = 1000, confidence = 0.95, seed = 42 } = options;
  const rows = labels.length;
  const random = randomFrom(seed, 0xb007);
  // Rows of one cell of the confusion matrix are alike, so drawing rows is drawing cells.
  const cells = Int32Array.from({ length: rows }, (_, b) => labels[b] * classes + predicted[b]);
  const counts = new Int32Array(classes * classes);
  const values = metrics.map(() => new Float64Array(resamples));
  for (let r = 0; r < resamples; r++) {
    counts.fill(0);
    for (let b = 0; b < rows; b++) counts[cells[random.below(rows)]]++;
    const confusion: ConfusionMatrix = Array.from({ length: classes }, (_, actual) =>
      Array.from(counts.subarray(actual * classes, (actual + 1) * classes)),
    );
    for (let m = 0; m < metrics.length; m++) values[m][r] = metrics[m](confusion);
  }
  const tail = (1 - confidence) / 2;
  return values.map((drawn) => {
    drawn.sort();
    return [quantileOfSorted(drawn, tail), quantileOfSorted(drawn, 1 - tail)];
  });
}

/** Linear interpolation between order statistics, numpy's default. */
function quantileOfSorted(sorted: Float64Array, q: number): number {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}
