// Everything worth knowing about the splits of a dataset before training on it; what `bert data` prints.

import type { ColumnReport } from "../data/columns.js";
import type { Dataset } from "../data/dataset.js";
import { type ClassBalance, classBalance } from "./class-balance.js";
import { type PaddingReport, paddingReport, type TruncationReport, truncationReport } from "./lengths.js";
import { type DuplicateReport, duplicateReport, type OverlapReport, overlapReport } from "./repeats.js";

/** What is known of one split. */
export interface SplitReport {
  split: string;
  rows: number;
  columns: ColumnReport;
  /** Absent without a label column. */
  balance?: ClassBalance;
  duplicates: DuplicateReport;
  /** One per maximum length; absent without a tokenizer. */
  truncation?: TruncationReport[];
  padding?: PaddingReport[];
}

/** What is known of a dataset. */
export interface DatasetReport {
  splits: SplitReport[];
  /** Every later split against the first, which is the train. */
  overlaps: { train: string; test: string; report: OverlapReport }[];
  /** Everything that deserves a look, as sentences. */
  warnings: string[];
}

/** What a report needs beside the rows. */
export interface ReportOptions {
  /** Tokens of texts, with specials, before truncation: `(texts) => tokenizer.encodeBatch(texts).originalLengths`. */
  countTokens?: (texts: string[]) => ArrayLike<number>;
  /** Default 128, 256 and 512. */
  maxLengths?: number[];
  batchSize?: number;
}

/** Reports on the splits of a dataset. @throws DatasetError MISSING_COLUMN when a split has no text. */
export function reportDataset(splits: Record<string, Dataset>, options: ReportOptions = {}): DatasetReport {
  const reports = Object.entries(splits).map(([split, dataset]) => reportSplit(split, dataset, options));
  const [first, ...others] = Object.entries(splits);
  const overlaps = others.map(([test, dataset]) => {
    return { train: first[0], test, report: overlapReport(first[1], dataset) };
  });
  return {
    splits: reports,
    overlaps,
    warnings: [...reports.flatMap(splitWarnings), ...overlaps.flatMap(overlapWarnings)],
  };
}

function reportSplit(split: string, dataset: Dataset, options: ReportOptions): SplitReport {
  const { countTokens, maxLengths = [128, 256, 512], batchSize } = options;
  const lengths = countTokens?.(dataset.texts());
  return {
    split,
    rows: dataset.length,
    columns: dataset.columnReport,
    ...(dataset.labelColumn === undefined ? {} : { balance: classBalance(dataset) }),
    duplicates: duplicateReport(dataset),
    ...(lengths === undefined
      ? {}
      : {
          truncation: maxLengths.map((maxLength) => truncationReport(lengths, maxLength)),
          padding: maxLengths.map((maxLength) => paddingReport(lengths, maxLength, batchSize)),
        }),
  };
}

function splitWarnings({ split, balance, duplicates, columns }: SplitReport): string[] {
  const warnings: string[] = [];
  if (balance?.warning !== undefined) warnings.push(balance.warning.message);
  if (duplicates.duplicates > 0) {
    const { duplicates: count, contradictions } = duplicates;
    const clash = contradictions > 0 ? `, ${contradictions} of them under different labels` : "";
    warnings.push(`${split}: ${count} rows repeat the text of an earlier row${clash}.`);
  }
  if (columns.ignored.length > 0) warnings.push(`${split}: ignored columns: ${columns.ignored.join(", ")}.`);
  return warnings;
}

function overlapWarnings({ train, test, report }: DatasetReport["overlaps"][number]): string[] {
  if (report.shared === 0) return [];
  return [`${test}: ${report.shared} of ${report.rows} texts are in ${train} too; what is measured on them is memory.`];
}
