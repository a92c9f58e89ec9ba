// Split expressions with the grammar, rounding and limits of Hugging Face `datasets` (arrow_reader.py, ReadInstruction):
// `train`, `train[:1%]`, `train[10%:20%]`, `train[-500:]`, `train[:100]+test[:100]`, `train[:33%](pct1_dropremainder)`, `all`.
// A reader's trap: percentages round half to even, as Python's round() does, and one "%" makes both bounds percentages.

import { DatasetError } from "../errors.js";
import type { RowRange } from "./table.js";

const SLICE =
  /^(?<split>\w+(?:\.\w+)*)(?:\[(?:(?<from>-?[\d_]+)(?<fromPercent>%)?)?:(?:(?<to>-?[\d_]+)(?<toPercent>%)?)?\])?(?:\((?<rounding>[^)]*)\))?$/;

/** How a percentage of rows becomes a row number. */
export type SliceRounding = "closest" | "pct1_dropremainder";

/** One term of a split expression, not yet bound to a number of rows. */
export interface SplitTerm {
  split: string;
  from: number | undefined;
  to: number | undefined;
  unit: "%" | "rows";
  rounding: SliceRounding | undefined;
}

/** A range of rows of one split. */
export interface SplitRange extends RowRange {
  split: string;
}

/**
 * Parses a split expression into its terms.
 *
 * @throws DatasetError BAD_SPLIT for what Hugging Face refuses too: a malformed bound, a percentage beyond ±100, an
 *   unknown rounding, a rounding without percentages, a sum of terms with different roundings.
 * @example parseSplit("train[:1%]+test[:100]").length // 2
 */
export function parseSplit(expression: string): SplitTerm[] {
  const terms = expression.split(/\s*\+\s*/).map((term) => parseTerm(term, expression));
  const roundings = new Set(terms.filter((term) => term.unit === "%").map((term) => term.rounding));
  if (roundings.size > 1) {
    throw badSplit(expression, "terms of a sum must not use different roundings", "Give every term the same one.");
  }
  return terms;
}

function parseTerm(term: string, expression: string): SplitTerm {
  const groups = SLICE.exec(term)?.groups;
  if (groups === undefined) {
    throw badSplit(
      expression,
      `"${term}" is not NAME or NAME[from:to]`,
      'Examples: "train", "train[:1%]", "train[10%:20%]", "train[-500:]", "train[:100]+test[:100]".',
    );
  }
  const unit = groups.fromPercent || groups.toPercent ? "%" : "rows";
  const from = parseBound(groups.from, expression);
  const to = parseBound(groups.to, expression);
  const rounding = parseRounding(groups.rounding, unit, expression);
  for (const bound of [from, to]) {
    if (unit === "%" && bound !== undefined && Math.abs(bound) > 100) {
      throw badSplit(expression, `${bound}% lies beyond ±100%`, "Use percentages from -100 to 100.");
    }
  }
  return { split: groups.split, from, to, unit, rounding };
}

function parseBound(text: string | undefined, expression: string): number | undefined {
  if (text === undefined) return undefined;
  // Python's int(): underscores only between digits.
  if (!/^-?\d+(_\d+)*$/.test(text)) throw badSplit(expression, `"${text}" is not a whole number`, "");
  return Number(text.replaceAll("_", ""));
}

function parseRounding(text: string | undefined, unit: "%" | "rows", expression: string): SliceRounding | undefined {
  if (text === undefined) return unit === "%" ? "closest" : undefined;
  if (text !== "closest" && text !== "pct1_dropremainder") {
    throw badSplit(expression, `unknown rounding "${text}"`, "Roundings: closest, pct1_dropremainder.");
  }
  if (unit !== "%") {
    throw badSplit(expression, "a rounding needs percentages", "Leave it out when the bounds are row numbers.");
  }
  return text;
}

/**
 * Binds the terms of a split expression to the splits that exist.
 *
 * @param rowCounts rows of every split, in order.
 * @returns ranges with 0 ≤ start ≤ end ≤ rows; `all` gives every split, whole.
 * @throws DatasetError BAD_SPLIT when a split does not exist, or pct1_dropremainder meets fewer than 100 rows.
 */
export function resolveSplit(expression: string, rowCounts: ReadonlyMap<string, number>): SplitRange[] {
  const terms = parseSplit(expression);
  if (terms.length === 1 && expression === "all" && !rowCounts.has("all")) {
    return [...rowCounts].map(([split, rows]) => ({ split, start: 0, end: rows }));
  }
  return terms.map((term) => {
    const rows = rowCounts.get(term.split);
    if (rows === undefined) throw unknownSplit(term.split, [...rowCounts.keys()]);
    return resolveTerm(term, rows);
  });
}

/** The rows that one term means in a split of `rows` rows. */
export function resolveTerm(term: SplitTerm, rows: number): SplitRange {
  // + 0 turns -0 (-10% of no rows) into 0.
  const toRows = (bound: number) => (term.unit === "%" ? percentToRows(bound, rows, term) : bound) + 0;
  const clamp = (bound: number) => Math.min(bound < 0 ? Math.max(rows + bound, 0) : bound, rows);
  const start = term.from === undefined ? 0 : clamp(toRows(term.from));
  const end = term.to === undefined ? rows : clamp(toRows(term.to));
  return { split: term.split, start, end: Math.max(start, end) };
}

function percentToRows(percent: number, rows: number, term: SplitTerm): number {
  if (term.rounding === "closest") return roundHalfToEven((percent * rows) / 100);
  if (rows < 100) {
    throw new DatasetError(
      "BAD_SPLIT",
      `pct1_dropremainder of split "${term.split}" with its ${rows} rows would always be empty; it needs 100 rows or more. ` +
        "Use the default rounding.",
    );
  }
  return percent * Math.trunc(rows / 100);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The error for a split that does not exist. */
export function unknownSplit(split: string, known: readonly string[]): DatasetError {
  return new DatasetError(
    "BAD_SPLIT",
    `There is no split "${split}". The splits are: ${known.join(", ") || "none"}. Name one of them.`,
  );
}

function badSplit(expression: string, what: string, advice: string): DatasetError {
  return new DatasetError("BAD_SPLIT", `Split "${expression}": ${what}. ${advice}`.trimEnd());
}
