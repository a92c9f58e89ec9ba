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
  const message =
    `${share} of the ${split} split are ${name}: accuracy means nothing here. Is the data sorted by label? IMDb is, so train[:1%] is of one ` +
    "class. Take rows of every class: --shuffle or --stratify on the command line, dataset.shuffle() or { stratify: true } in TypeScript.";
  if (strict) throw new TrainingDataError(message);
  return [{ level: "warning", code: "ONE_CLASS", message }];
}

/**
 * Compares the dataset's class names with the model's.
 * @returns notices to show
 * @throws {TrainingDataError} when their numbers differ, or the same names stand in another order: every prediction would be called wrong
 */
export function checkLabelNames(rows: EncodedRows, model: SequenceClassifier, split: string): Notice[] {
  const names = rows.labelNames;
  if (names === undefined) return [];
  const own = model.id2label;
  if (names.length !== own.length)
    throw new TrainingDataError(
      `The ${split} split has ${names.length} classes (${names.join(", ")}) but the model has ${own.length}: load it with numLabels: ${names.length}.`,
    );
  const lower = (list: readonly string[]): string[] => list.map((name) => name.toLowerCase());
  const [given, expected] = [lower(names), lower(own)];
  if (given.every((name, label) => name === expected[label]) || hasDefaultLabels(model)) return [];
  if ([...given].sort().join("\0") === [...expected].sort().join("\0"))
    throw new TrainingDataError(
      `The ${split} split numbers its classes ${names.join(", ")} but the model ${own.join(", ")}: map the labels to the model's order first.`,
    );
  const message = `The ${split} split calls its classes ${names.join(", ")}, the model ${own.join(", ")}: they are taken to mean the same, in this order.`;
  return [{ level: "warning", code: "LABEL_NAMES", message }];
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
