import type { SequenceClassifier } from "../model/types.js";
import { TrainingDataError } from "./errors.js";
import type { Notice } from "./events.js";
import { type EncodedRows, rowCount } from "./rows.js";

/** A larger share of one class makes accuracy nearly meaningless. */
const DOMINANT_SHARE = 0.95;

/**
 * Checks labels against the model's classes and looks for a slice that is of (nearly) one class.
 * @returns notices to show
 * @throws {TrainingDataError} for missing labels, a label that is no class of the model, and under `strict` for a dominant class
 */
export function checkLabels(rows: EncodedRows, classes: number, split: string, strict: boolean): Notice[] {
  if (rows.labels === undefined) throw new TrainingDataError(`The ${split} split has no labels.`);
  const counts = new Array<number>(classes).fill(0);
  rows.labels.forEach((label, row) => {
    if (!(label >= 0 && label < classes)) {
      const unlabelled = label === -1 ? " (-1 marks rows without a label, as in IMDb's unsupervised split)" : "";
      throw new TrainingDataError(
        `Row ${row} of the ${split} split has the label ${label}${unlabelled}, expected 0 to ${classes - 1}: the model has ${classes} classes.`,
      );
    }
    counts[label]++;
  });
  const total = rowCount(rows);
  const largest = Math.max(...counts);
  if (largest / total <= DOMINANT_SHARE || classes < 2 || total < 2) return [];

  const label = counts.indexOf(largest);
  const name =
    rows.labelNames?.[label] === undefined ? `label ${label}` : `"${rows.labelNames[label]}" (label ${label})`;
  const share =
    largest === total ? `All ${total} rows` : `${((100 * largest) / total).toFixed(1)} % of the ${total} rows`;
  const flag = split === "train" ? "--train-rows" : "--eval-rows (bert evaluate: --rows)";
  const message =
    `${share} of the ${split} split are ${name}: accuracy means nothing here. Is the data sorted by label? IMDb is, so train[:1%] is of one ` +
    `class. Choose among all rows instead of a slice: ${flag} ${total} --stratify on the command line, ` +
    `dataset.trainTestSplit({ trainSize: ${total}, stratify: true }).train in TypeScript.`;
  if (strict) throw new TrainingDataError(message);
  return [{ level: "warning", code: "ONE_CLASS", message }];
}

/**
 * Numbers the labels as the model does, going by the names of the classes: rows of a file know only the classes that occur in it, and perhaps
 * in another order.
 * @returns the rows, and notices to show
 * @throws {TrainingDataError} for a class that the model does not have, naming a row of it
 */
export function alignLabels(
  rows: EncodedRows,
  model: SequenceClassifier,
  split: string,
): { rows: EncodedRows; notices: Notice[] } {
  const names = rows.labelNames;
  if (names === undefined) return { rows, notices: [] };
  const own = model.id2label;
  const expected = own.map((name) => name.toLowerCase());
  const ownLabel = names.map((name) => expected.indexOf(name.toLowerCase()));
  if (!ownLabel.includes(-1)) {
    const labels = rows.labels?.map((label) => ownLabel[label] ?? label);
    return { rows: { ...rows, labels, labelNames: own }, notices: [] };
  }
  const inPlace = names.length === own.length && ownLabel.every((label, given) => label === -1 || label === given);
  if (inPlace && hasDefaultLabels(model)) return { rows, notices: [] };
  if (inPlace) {
    const message = `The ${split} split calls its classes ${names.join(", ")}, the model ${own.join(", ")}: they are taken to mean the same, in this order.`;
    return { rows, notices: [{ level: "warning", code: "LABEL_NAMES", message }] };
  }
  const strange = ownLabel.indexOf(-1);
  const row = rows.labels?.indexOf(strange) ?? -1;
  throw new TrainingDataError(
    `${row < 0 ? "" : `Row ${row} of `}the ${split} split has the class "${names[strange]}", which is none of the model's (${own.join(", ")}). ` +
      `Correct the labels, or train a model for these ${names.length} classes: load it with numLabels: ${names.length}.`,
  );
}

/** Whether nobody has named the model's classes yet. */
export function hasDefaultLabels(model: SequenceClassifier): boolean {
  return model.id2label.every((name, label) => name === `LABEL_${label}`);
}

/** What truncation cuts and what packing saves. */
export interface LengthReport {
  rows: number;
  tokens: number;
  maxLength: number;
  /** Share of rows that were longer than `maxLength`. */
  truncatedRows: number;
  /** Share of all tokens that truncation dropped. */
  droppedTokens: number;
  /** Share of the tokens, had every row been padded to `maxLength`, that would have been padding. */
  paddingAvoided: number;
}

export function lengthReport(rows: EncodedRows, maxLength: number): LengthReport {
  const count = rowCount(rows);
  let truncated = 0;
  let original = 0;
  for (let b = 0; b < count; b++) {
    const length = rows.cuSeqlens[b + 1] - rows.cuSeqlens[b];
    original += rows.originalLengths[b];
    if (rows.originalLengths[b] > length) truncated++;
  }
  const tokens = rows.inputIds.length;
  return {
    rows: count,
    tokens,
    maxLength,
    truncatedRows: truncated / count,
    droppedTokens: original === 0 ? 0 : 1 - tokens / original,
    paddingAvoided: 1 - tokens / (count * maxLength),
  };
}

export function describeLengths(report: LengthReport, split: string): Notice {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const cut =
    report.truncatedRows === 0
      ? "no row is truncated"
      : `${percent(report.truncatedRows)} of rows are truncated to ${report.maxLength}, dropping ${percent(report.droppedTokens)} of tokens`;
  const message = `${split}: ${report.rows} rows, ${report.tokens} tokens; ${cut}; packing avoids ${percent(report.paddingAvoided)} padding against padding="max_length"`;
  return { level: "info", code: "LENGTHS", message };
}
