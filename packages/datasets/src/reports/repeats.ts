// Texts that occur twice, in one split or in two: what a test on them measures is memory.

import type { Dataset } from "../data/dataset.js";

/** Texts that occur more than once in a dataset. */
export interface DuplicateReport {
  rows: number;
  /** Rows that repeat an earlier row's text. */
  duplicates: number;
  share: number;
  /** Texts that occur more than once. */
  texts: number;
  /** Of those, texts that carry different labels. */
  contradictions: number;
  /** Row numbers of the first groups, most rows first. */
  examples: number[][];
}

/** Rows of a test whose texts are in the train too. */
export interface OverlapReport {
  /** Rows of the test. */
  rows: number;
  /** Rows of the test whose text is in the train. */
  shared: number;
  share: number;
  /** Of those, rows whose label differs from the train's. */
  contradictions: number;
  /** Row numbers of the first pairs. */
  examples: { test: number; train: number }[];
}

const EXAMPLES = 10;

/** Texts that occur more than once. Texts count as equal when every character is. */
export function duplicateReport(dataset: Dataset): DuplicateReport {
  const groups = [...rowsByText(dataset).values()].filter((rows) => rows.length > 1);
  const labels = labelsOf(dataset);
  const duplicates = groups.reduce((sum, rows) => sum + rows.length - 1, 0);
  return {
    rows: dataset.length,
    duplicates,
    share: duplicates / Math.max(dataset.length, 1),
    texts: groups.length,
    contradictions: groups.filter((rows) => differ(rows.map((row) => labels?.[row]))).length,
    examples: groups.sort((a, b) => b.length - a.length || a[0] - b[0]).slice(0, EXAMPLES),
  };
}

/** Rows of `test` whose texts occur in `train`. */
export function overlapReport(train: Dataset, test: Dataset): OverlapReport {
  const known = rowsByText(train);
  const trainLabels = labelsOf(train);
  const testLabels = labelsOf(test);
  const pairs: { test: number; train: number[] }[] = [];
  for (const [row, text] of test.texts().entries()) {
    const rows = known.get(text);
    if (rows !== undefined) pairs.push({ test: row, train: rows });
  }
  const contradicts = (pair: { test: number; train: number[] }) =>
    pair.train.every((row) => differ([trainLabels?.[row], testLabels?.[pair.test]]));
  return {
    rows: test.length,
    shared: pairs.length,
    share: pairs.length / Math.max(test.length, 1),
    contradictions: pairs.filter(contradicts).length,
    examples: pairs.slice(0, EXAMPLES).map((pair) => ({ test: pair.test, train: pair.train[0] })),
  };
}

/** True for labels of which two are known and different. */
function differ(labels: (number | undefined)[]): boolean {
  return new Set(labels.filter((label) => label !== undefined && label >= 0)).size > 1;
}

function rowsByText(dataset: Dataset): Map<string, number[]> {
  const rowsOf = new Map<string, number[]>();
  for (const [row, text] of dataset.texts().entries()) {
    const rows = rowsOf.get(text);
    if (rows === undefined) rowsOf.set(text, [row]);
    else rows.push(row);
  }
  return rowsOf;
}

function labelsOf(dataset: Dataset): Int32Array | undefined {
  return dataset.labelColumn === undefined ? undefined : dataset.labels({ allowMissing: true });
}
