// From the values of a label column to class ids 0..C-1.

import { DatasetError, describePlace } from "../errors.js";
import type { ClassLabelFeature, ColumnValues } from "./table.js";

/** Class id of "no label" in Hugging Face datasets (IMDb's `unsupervised`, SST-2's `test`). */
export const NO_LABEL = -1;

/** Where a label column came from, for messages. */
export interface LabelPlace {
  file: string | undefined;
  column: string;
}

/**
 * The class names of a label column: those of the file, or the sorted texts of a text column, or `undefined` for numbers.
 * Sorted texts are what Hugging Face's class_encode_column makes.
 */
export function classNamesOf(values: ColumnValues, feature: ClassLabelFeature | undefined): string[] | undefined {
  if (feature !== undefined) return feature.names;
  const names = new Set<string>();
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (typeof value === "boolean") return ["false", "true"];
    if (value === "") continue; // an empty cell of a CSV names no class
    if (typeof value === "string") names.add(value);
    else if (value !== null) return undefined;
  }
  return names.size === 0 ? undefined : [...names].sort();
}

/**
 * Class ids of a label column.
 *
 * @param values (rows) numbers, or names that occur in `names`.
 * @param allowMissing lets -1 and null through, as -1.
 * @throws DatasetError UNKNOWN_LABEL naming file, column and row.
 */
export function labelIds(
  values: ColumnValues,
  names: string[] | undefined,
  place: LabelPlace,
  allowMissing = false,
): Int32Array {
  const idOf = new Map(names?.map((name, id) => [name, id]));
  const ids = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    const id = typeof value === "string" ? textLabel(value, idOf) : numericLabel(value);
    const missing = isMissing(value);
    const known = id !== undefined && id >= 0 && (names === undefined || id < names.length);
    if (!known && !(missing && allowMissing)) throw unknownLabel(value, i, names, place);
    ids[i] = known ? id : NO_LABEL;
  }
  return ids;
}

function isMissing(value: unknown): boolean {
  return value === null || value === "" || value === NO_LABEL;
}

function numericLabel(value: unknown): number | undefined {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "bigint") return Number(value);
  return typeof value === "number" && Number.isInteger(value) ? value : undefined;
}

/** The class of a text: its name, or a numeral when the classes were named elsewhere ("1" in a CSV). */
function textLabel(value: string, idOf: Map<string, number>): number | undefined {
  return idOf.get(value) ?? (/^\d{1,9}$/.test(value) ? Number(value) : undefined);
}

function unknownLabel(value: unknown, row: number, names: string[] | undefined, place: LabelPlace): DatasetError {
  const where = describePlace({ file: place.file, row, column: place.column });
  const expected = names === undefined ? "a whole number from 0" : `one of [${names.join(", ")}]`;
  if (isMissing(value)) {
    return new DatasetError(
      "UNKNOWN_LABEL",
      `${where}: the row has no label (${value === "" ? "empty" : value}). Rows without labels, such as IMDb's "unsupervised" and SST-2's "test", ` +
        "cannot be trained or evaluated on. Use another split, or drop these rows with filter().",
    );
  }
  const shown = JSON.stringify(typeof value === "bigint" ? Number(value) : value);
  return new DatasetError("UNKNOWN_LABEL", `${where}: unknown label ${shown}; expected ${expected}. Correct the row.`);
}
