// What every file format offers: rows as tables, streamed; and, where the file itself knows it, the number of rows.

import type { RowRange, Table } from "../data/table.js";

/** How files are read; every format takes what concerns it. */
export interface ReadOptions {
  /** Names for the columns of a CSV or TSV that has no header line. */
  columnNames?: string[];
  /** Separator of a CSV; default `,`, and a tab for .tsv. */
  delimiter?: string;
  /** Key of the array of rows inside a JSON document. */
  field?: string;
  /** Columns to read; default all. */
  columns?: string[];
}

/** A file format. */
export interface FileFormat {
  name: string;
  /** Rows as tables of some thousand rows, in constant memory where the format allows it. */
  stream(path: string, options: ReadOptions, range?: RowRange): AsyncIterable<Table>;
  /** Number of rows, when the file says it without being read. */
  countRows?(path: string): Promise<number>;
}

/** Rows per table when a format is free to choose. */
export const ROWS_PER_TABLE = 4096;
