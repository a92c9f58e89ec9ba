import { TrainingDataError } from "./errors.js";
import { randomFrom, shuffle } from "./random.js";

/**
 * Sets rows aside for validation, of each class alike, chosen by the seed. Both parts keep the order of the rows.
 * @param labels (B)
 * @returns row numbers
 * @throws {TrainingDataError} when there are too few rows for both parts
 */
export function splitRows(
  labels: Int32Array,
  fraction: number,
  seed: number,
): { train: Int32Array; validation: Int32Array } {
  const byClass = new Map<number, number[]>();
  labels.forEach((label, row) => {
    const rows = byClass.get(label);
    if (rows === undefined) byClass.set(label, [row]);
    else rows.push(row);
  });
  const chosen = new Set<number>();
  for (const [label, rows] of byClass) {
    shuffle(rows, randomFrom(seed, 0x5011, label));
    for (const row of rows.slice(0, Math.round(rows.length * fraction))) chosen.add(row);
  }
  if (chosen.size === 0 || chosen.size === labels.length)
    throw new TrainingDataError(
      `${labels.length} training rows are too few to set ${fraction * 100} % of each class aside for validation. Give validation rows, change validationFraction, or set evalStrategy to "none".`,
    );
  const all = Int32Array.from(labels, (_, row) => row);
  return { train: all.filter((row) => !chosen.has(row)), validation: all.filter((row) => chosen.has(row)) };
}
