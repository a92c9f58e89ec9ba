// Row numbers of the two parts of train_test_split, equal to Hugging Face's for the same seed
// (arrow_dataset.py, utils/stratify.py).

import { DatasetError } from "../errors.js";
import { NumpyGenerator } from "./numpy-random.js";

/** Sizes: a fraction in (0, 1), or a whole number of rows. */
export interface SplitSizes {
  testSize?: number;
  trainSize?: number;
}

/** Row numbers of the two parts. */
export interface TrainTestRows {
  train: Uint32Array;
  test: Uint32Array;
}

/**
 * How many rows the two parts get. With neither size given a quarter of the rows is the test.
 *
 * @throws DatasetError BAD_OPTION for sizes that do not fit the rows.
 */
export function splitCounts(rows: number, { testSize, trainSize }: SplitSizes): { train: number; test: number } {
  const wantedTest = testSize === undefined && trainSize === undefined ? 0.25 : testSize;
  const test = wantedTest === undefined ? undefined : countRows("testSize", wantedTest, rows, Math.ceil);
  const train = trainSize === undefined ? rows - (test ?? 0) : countRows("trainSize", trainSize, rows, Math.floor);
  const restTest = test ?? rows - train;
  if (train + restTest > rows) {
    throw new DatasetError(
      "BAD_OPTION",
      `trainSize and testSize ask for ${train + restTest} rows of ${rows}. Reduce one of them.`,
    );
  }
  if (train === 0) {
    throw new DatasetError("BAD_OPTION", `Nothing is left to train on: ${restTest} of ${rows} rows are the test.`);
  }
  return { train, test: restTest };
}

function countRows(name: string, size: number, rows: number, round: (value: number) => number): number {
  const isCount = Number.isInteger(size) && size > 0 && size < rows;
  const isFraction = size > 0 && size < 1;
  if (!isCount && !isFraction) {
    throw new DatasetError(
      "BAD_OPTION",
      `${name} is ${size}; expected a fraction between 0 and 1, or a number of rows from 1 to ${Math.max(rows - 1, 1)}.`,
    );
  }
  return isFraction ? round(size * rows) : size;
}

/** Random parts: the test first, then the train, of one permutation. */
export function randomParts(rows: number, counts: { train: number; test: number }, seed: number): TrainTestRows {
  const order = new NumpyGenerator(seed).permutation(rows);
  return { test: order.slice(0, counts.test), train: order.slice(counts.test, counts.test + counts.train) };
}

/**
 * Random parts in which every class keeps its share.
 *
 * @param labels (rows) class of each row.
 * @throws DatasetError BAD_OPTION when a class has one row only, or a part has fewer rows than classes.
 */
export function stratifiedParts(
  labels: ArrayLike<number>,
  counts: { train: number; test: number },
  seed: number,
): TrainTestRows {
  const rowsOfClass = groupRows(labels);
  const classCounts = rowsOfClass.map((rows) => rows.length);
  const smallest = Math.min(...classCounts);
  if (smallest < 2) {
    throw new DatasetError("BAD_OPTION", "Stratifying needs two rows of every class; one class has a single row.");
  }
  for (const [part, count] of Object.entries(counts)) {
    if (count < rowsOfClass.length) {
      throw new DatasetError(
        "BAD_OPTION",
        `The ${part} part would have ${count} rows for ${rowsOfClass.length} classes. Make it larger, or do not stratify.`,
      );
    }
  }

  const generator = new NumpyGenerator(seed);
  const trainCounts = sharesOf(classCounts, counts.train, generator);
  const remaining = classCounts.map((count, c) => count - trainCounts[c]);
  const testCounts = sharesOf(remaining, counts.test, generator);
  const train: number[] = [];
  const test: number[] = [];
  for (let c = 0; c < rowsOfClass.length; c++) {
    const order = generator.permutation(classCounts[c]);
    for (let i = 0; i < trainCounts[c]; i++) train.push(rowsOfClass[c][order[i]]);
    for (let i = 0; i < testCounts[c]; i++) test.push(rowsOfClass[c][order[trainCounts[c] + i]]);
  }
  return { train: generator.shuffle(Uint32Array.from(train)), test: generator.shuffle(Uint32Array.from(test)) };
}

function groupRows(labels: ArrayLike<number>): number[][] {
  const rowsOf = new Map<number, number[]>();
  for (let i = 0; i < labels.length; i++) {
    const rows = rowsOf.get(labels[i]);
    if (rows === undefined) rowsOf.set(labels[i], [i]);
    else rows.push(i);
  }
  return [...rowsOf].sort((a, b) => a[0] - b[0]).map(([, rows]) => rows);
}

/** Divides `draws` over classes in proportion to their counts; remainders go to the largest rests, ties at random. */
function sharesOf(classCounts: number[], draws: number, generator: NumpyGenerator): number[] {
  const total = classCounts.reduce((sum, count) => sum + count, 0);
  const exact = classCounts.map((count) => (draws * count) / total);
  const shares = exact.map(Math.floor);
  let missing = draws - shares.reduce((sum, share) => sum + share, 0);
  const rests = exact.map((value, c) => value - shares[c]);
  for (const rest of [...new Set(rests)].sort((a, b) => b - a)) {
    if (missing === 0) break;
    const classes = rests.flatMap((value, c) => (value === rest ? [c] : []));
    const added = Math.min(classes.length, missing);
    for (const c of generator.choose(classes, added)) shares[c] += 1;
    missing -= added;
  }
  return shares;
}
