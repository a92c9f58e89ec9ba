// Columns of equal length, the form in which every loader hands over its rows.
// A missing value is `null`, never `undefined`.

import { DatasetError } from "../errors.js";

/** One row: column name to value. */
export type Row = Record<string, unknown>;

/** The values of one column. */
export type ColumnValues = ArrayLike<unknown>;

/** What a column holds, where the file says so. */
export interface ClassLabelFeature {
  kind: "classLabel";
  /** Index = class id. */
  names: string[];
}

/** Columns of equal length. */
export interface Table {
  readonly length: number;
  readonly columns: ReadonlyMap<string, ColumnValues>;
  /** Class names per column; columns without one are absent. */
  readonly classLabels: ReadonlyMap<string, ClassLabelFeature>;
}

/** A half-open range of rows. */
export interface RowRange {
  start: number;
  end: number;
}

/** Makes a table, refusing columns of unequal length. */
export function makeTable(
  columns: ReadonlyMap<string, ColumnValues>,
  classLabels: ReadonlyMap<string, ClassLabelFeature> = new Map(),
): Table {
  let length: number | undefined;
  for (const [name, values] of columns) {
    length ??= values.length;
    if (values.length !== length) {
      throw new DatasetError(
        "BAD_FILE",
        `Column "${name}" has ${values.length} values where the others have ${length}. Every column needs one value per row.`,
      );
    }
  }
  return { length: length ?? 0, columns, classLabels };
}

/** Turns row objects into columns; a key that a row lacks becomes `null`. */
export function tableFromRows(rows: readonly Row[]): Table {
  const columns = new Map<string, unknown[]>();
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    for (const key of Object.keys(row)) {
      let values = columns.get(key);
      if (values === undefined) {
        values = new Array(rows.length).fill(null);
        columns.set(key, values);
      }
      values[i] = row[key] ?? null;
    }
  }
  return { length: rows.length, columns, classLabels: new Map() };
}

/** Row `i` of a table as an object. */
export function rowOf(table: Table, i: number): Row {
  const row: Row = {};
  for (const [name, values] of table.columns) row[name] = values[i];
  return row;
}

/** Rows `start`..`end` of a table. */
export function sliceTable(table: Table, { start, end }: RowRange): Table {
  if (start === 0 && end === table.length) return table;
  const columns = new Map<string, ColumnValues>();
  for (const [name, values] of table.columns) columns.set(name, sliceValues(values, start, end));
  return { length: end - start, columns, classLabels: table.classLabels };
}

/** Puts tables one after another; a column that one of them lacks is `null` there. */
export function concatTables(tables: readonly Table[]): Table {
  if (tables.length === 1) return tables[0];
  let length = 0;
  const names = new Set<string>();
  const classLabels = new Map<string, ClassLabelFeature>();
  for (const table of tables) {
    length += table.length;
    for (const name of table.columns.keys()) names.add(name);
    for (const [name, feature] of table.classLabels) mergeClassLabel(classLabels, name, feature);
  }
  const columns = new Map<string, unknown[]>();
  for (const name of names) {
    const values = new Array<unknown>(length);
    let at = 0;
    for (const table of tables) {
      const part = table.columns.get(name);
      for (let i = 0; i < table.length; i++) values[at++] = part === undefined ? null : part[i];
    }
    columns.set(name, values);
  }
  return { length, columns, classLabels };
}

function mergeClassLabel(into: Map<string, ClassLabelFeature>, name: string, feature: ClassLabelFeature): void {
  const known = into.get(name);
  if (known !== undefined && known.names.join("\0") !== feature.names.join("\0")) {
    throw new DatasetError(
      "UNKNOWN_LABEL",
      `Column "${name}" has the classes [${known.names.join(", ")}] in one file and [${feature.names.join(", ")}] in another. ` +
        "Load the files one by one, or give both the same class names.",
    );
  }
  into.set(name, feature);
}

function sliceValues(values: ColumnValues, start: number, end: number): ColumnValues {
  const sliceable = values as { slice?: (start: number, end: number) => ColumnValues };
  return sliceable.slice?.(start, end) ?? Array.prototype.slice.call(values, start, end);
}
