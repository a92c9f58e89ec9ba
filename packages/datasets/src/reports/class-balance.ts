// How many rows of each class a slice has, and the warning that peers leave out: IMDb is sorted by label, so `train[:1%]`
// is 250 negatives, and an accuracy of 100 % on it means nothing.

import type { Dataset } from "../data/dataset.js";

/** Above this share of one class a slice counts as lopsided. */
const LOPSIDED_SHARE = 0.95;

/** Rows of one class. */
export interface ClassShare {
  /** Class id. */
  label: number;
  name: string;
  rows: number;
  /** Of the labelled rows, 0 to 1. */
  share: number;
}

/** Why a slice is a bad one to learn from or to measure on. */
export interface BalanceWarning {
  kind: "one-class" | "lopsided" | "no-labels";
  message: string;
}

/** Class balance of a slice. */
export interface ClassBalance {
  rows: number;
  /** Rows without a label. */
  unlabelled: number;
  classes: ClassShare[];
  warning: BalanceWarning | undefined;
}

/**
 * Class balance of a dataset, with a warning when one class has all rows, or more than 95 % of them.
 *
 * @throws DatasetError MISSING_COLUMN without a label column; UNKNOWN_LABEL.
 * @example classBalance(await loadDataset("imdb", { split: "train[:1%]" })).warning?.kind // "one-class"
 */
export function classBalance(dataset: Dataset): ClassBalance {
  const names = dataset.classLabels();
  const counts = new Array<number>(names.length).fill(0);
  let unlabelled = 0;
  for (const label of dataset.labels({ allowMissing: true })) {
    if (label < 0) unlabelled += 1;
    else counts[label] += 1;
  }
  const labelled = dataset.length - unlabelled;
  const classes = names.map((name, label) => {
    return { label, name, rows: counts[label], share: labelled === 0 ? 0 : counts[label] / labelled };
  });
  return { rows: dataset.length, unlabelled, classes, warning: findWarning(dataset, classes, labelled) };
}

function findWarning(dataset: Dataset, classes: ClassShare[], labelled: number): BalanceWarning | undefined {
  if (dataset.length === 0) return undefined;
  if (labelled === 0) {
    return {
      kind: "no-labels",
      message: `${dataset.describe()}: none of the ${dataset.length} rows has a label; it cannot be trained or evaluated on.`,
    };
  }
  const largest = classes.reduce((most, each) => (each.rows > most.rows ? each : most));
  if (largest.share <= LOPSIDED_SHARE) return undefined;
  const oneClass = largest.rows === labelled;
  const percent = Math.floor(largest.share * 1000) / 10;
  const what = oneClass
    ? `all ${labelled} rows are of the class "${largest.name}"`
    : `${percent} % of the ${labelled} rows are of the class "${largest.name}"`;
  return {
    kind: oneClass ? "one-class" : "lopsided",
    message:
      `${dataset.describe()}: ${what}. Always answering "${largest.name}" would be ${oneClass ? "100" : percent} % accurate, so accuracy ` +
      "here means nothing. The rows of many datasets are sorted by label; take them at random instead: " +
      `--shuffle, or --stratify with --train-rows ${labelled} (in code: shuffle(seed).take(${labelled}), or trainTestSplit({ stratify: true })).`,
  };
}
