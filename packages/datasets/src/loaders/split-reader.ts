// A split that can be read: whole, in part, or as a stream.

import { type ClassLabelFeature, concatTables, type RowRange, sliceTable, type Table } from "../data/table.js";
import { DatasetError } from "../errors.js";
import { formatOf, SUPPORTED_EXTENSIONS } from "./file-splits.js";
import type { ReadOptions } from "./format.js";

/** One split of a dataset. */
export interface SplitReader {
  /** Its files on this machine; fetches those that are not here yet. */
  files(): Promise<string[]>;
  /** Number of rows when known without reading them all. */
  countRows(): Promise<number | undefined>;
  /** Rows as tables, in order. */
  stream(range?: RowRange, columns?: string[]): AsyncIterable<Table>;
}

/** A split made of files, one after the other. */
export class FileSplitReader implements SplitReader {
  private localFiles: Promise<string[]> | undefined;

  constructor(
    private readonly resolveFiles: () => Promise<string[]>,
    private readonly options: ReadOptions,
    private readonly classNames: ReadonlyMap<string, string[]> = new Map(),
  ) {}

  files(): Promise<string[]> {
    this.localFiles ??= this.resolveFiles();
    return this.localFiles;
  }

  async countRows(): Promise<number | undefined> {
    let rows = 0;
    for (const path of await this.files()) {
      const counted = await formatFor(path).countRows?.(path);
      if (counted === undefined) return undefined;
      rows += counted;
    }
    return rows;
  }

  async *stream(range?: RowRange, columns?: string[]): AsyncGenerator<Table> {
    let first = 0;
    const options = columns === undefined ? this.options : { ...this.options, columns };
    for (const path of await this.files()) {
      const format = formatFor(path);
      const rows = range === undefined ? undefined : await format.countRows?.(path);
      if (range !== undefined && rows !== undefined) {
        const start = Math.max(range.start - first, 0);
        const end = Math.min(range.end - first, rows);
        if (start < end)
          for await (const table of format.stream(path, options, { start, end })) yield this.withClasses(table);
        first += rows;
      } else {
        for await (const table of format.stream(path, options)) {
          const start = Math.max((range?.start ?? 0) - first, 0);
          const end = Math.min((range?.end ?? Number.POSITIVE_INFINITY) - first, table.length);
          if (start < end) yield this.withClasses(sliceTable(table, { start, end }));
          first += table.length;
          if (range !== undefined && first >= range.end) return;
        }
      }
      if (range !== undefined && first >= range.end) return;
    }
  }

  /** Class names of the dataset card, where the file itself has none. */
  private withClasses(table: Table): Table {
    if (this.classNames.size === 0) return table;
    const classLabels = new Map<string, ClassLabelFeature>(table.classLabels);
    for (const [column, names] of this.classNames) {
      if (table.columns.has(column) && !classLabels.has(column)) classLabels.set(column, { kind: "classLabel", names });
    }
    return { ...table, classLabels };
  }
}

function formatFor(path: string) {
  const format = formatOf(path);
  if (format !== undefined) return format;
  throw new DatasetError(
    "DATASET_UNSUPPORTED",
    `${path}: a file of this kind cannot be loaded. Formats: ${SUPPORTED_EXTENSIONS}; an aclImdb tarball (.tar.gz).`,
  );
}

/** Rows of a split in memory. @throws DatasetError EMPTY_SPLIT when there are none. */
export async function readTable(reader: SplitReader, range?: RowRange): Promise<Table> {
  const tables: Table[] = [];
  for await (const table of reader.stream(range)) tables.push(table);
  if (tables.length > 0) return concatTables(tables);
  const files = (await reader.files()).join(", ");
  throw new DatasetError("EMPTY_SPLIT", `${files}: no rows. Expected at least one.`);
}
