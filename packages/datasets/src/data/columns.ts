// Which column is the text and which the label. Inferred, and said: a silently dropped column is how `labels`
// instead of `label` goes unnoticed in other tools.

import { DatasetError } from "../errors.js";
import type { Table } from "./table.js";

const TEXT_NAMES = ["text", "sentence", "review", "content", "document", "comment", "tweet", "body", "question"];
const LABEL_NAMES = ["label", "labels", "class", "target", "sentiment", "category", "label-coarse", "coarse_label"];

/** Which columns are used, why, and which are not. */
export interface ColumnReport {
  text: { column: string; reason: string } | undefined;
  label: { column: string; reason: string } | undefined;
  /** Columns that are neither text nor label. */
  ignored: string[];
}

/** A caller's own choice of columns, which overrides inference. */
export interface ColumnChoice {
  textColumn?: string;
  labelColumn?: string;
}

/**
 * Finds the text and the label column of a table.
 *
 * @throws DatasetError MISSING_COLUMN when a chosen column does not exist.
 */
export function inferColumns(table: Table, choice: ColumnChoice = {}): ColumnReport {
  const names = [...table.columns.keys()];
  const label = chosen(names, choice.labelColumn, "label") ?? inferLabel(table, names, choice.textColumn);
  const text = chosen(names, choice.textColumn, "text") ?? inferText(table, names, label?.column);
  const ignored = names.filter((name) => name !== text?.column && name !== label?.column);
  return { text, label, ignored };
}

function chosen(names: string[], column: string | undefined, role: string) {
  if (column === undefined) return undefined;
  if (!names.includes(column)) throw missingColumn(column, names, role);
  return { column, reason: "chosen by the caller" };
}

function inferLabel(table: Table, names: string[], textColumn: string | undefined): ColumnReport["label"] {
  const candidates = names.filter((name) => name !== textColumn);
  const byName = LABEL_NAMES.find((name) => candidates.includes(name));
  if (byName !== undefined) return { column: byName, reason: `named "${byName}"` };
  const classes = candidates.filter((name) => table.classLabels.has(name));
  if (classes.length === 1) return { column: classes[0], reason: "the only column of class labels" };
  return undefined;
}

function inferText(table: Table, names: string[], labelColumn: string | undefined): ColumnReport["text"] {
  const candidates = names.filter((name) => name !== labelColumn && holdsText(table, name));
  const byName = TEXT_NAMES.find((name) => candidates.includes(name));
  if (byName !== undefined) return { column: byName, reason: `named "${byName}"` };
  if (candidates.length === 1) return { column: candidates[0], reason: "the only column of text" };
  return undefined;
}

function holdsText(table: Table, name: string): boolean {
  if (table.classLabels.has(name)) return false;
  const values = table.columns.get(name)!;
  const seen = Math.min(values.length, 100);
  for (let i = 0; i < seen; i++) {
    if (typeof values[i] === "string") return true;
    // A CSV whose texts are all numerals ("10", "7") holds numbers here; the name still makes it the text.
    if (typeof values[i] === "number" && TEXT_NAMES.includes(name)) return true;
  }
  return values.length === 0 && TEXT_NAMES.includes(name);
}

/** The error for a column that is not there: names those that are. */
export function missingColumn(column: string, names: readonly string[], role = "requested"): DatasetError {
  const listed = names.length === 0 ? "none at all" : names.map((name) => `"${name}"`).join(", ");
  return new DatasetError(
    "MISSING_COLUMN",
    `There is no ${role} column "${column}". The columns are: ${listed}. Name one of them.`,
  );
}
