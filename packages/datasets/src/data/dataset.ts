// Rows in memory: columns, and the order in which they are seen. Selecting, shuffling and splitting copy row numbers,
// never texts.

import { DatasetError } from "../errors.js";
import { type ColumnChoice, type ColumnReport, inferColumns, missingColumn } from "./columns.js";
import { Fingerprint } from "./fingerprint.js";
import { classNamesOf, labelIds } from "./labels.js";
import { type MapOptions, mapRows } from "./map.js";
import { NumpyGenerator } from "./numpy-random.js";
import { concatTables, makeTable, type Row, rowOf, type Table, tableFromRows } from "./table.js";
import { randomParts, type SplitSizes, splitCounts, stratifiedParts } from "./train-test-split.js";

/** Where a dataset came from, for messages and reports. */
export interface DatasetSource {
  /** Name it was loaded by: `imdb`, a Hub id, a path. */
  name?: string;
  /** Split expression: `train[:1%]`. */
  split?: string;
  /** Files it was read from. */
  files?: string[];
}

/** What a dataset is made with, beside its rows. */
export interface DatasetOptions extends ColumnChoice {
  source?: DatasetSource;
  /** Class names of the label column, index = class id; overrides what the file says. */
  labelNames?: string[];
}

/** Seed of shuffle and trainTestSplit when none is given; Hugging Face's Trainer has the same. */
export const DEFAULT_SEED = 42;

/**
 * Labelled rows in memory.
 *
 * @example
 * const dataset = Dataset.fromRows([{ text: "a joy", label: "pos" }, { text: "a bore", label: "neg" }]);
 * dataset.labelNames; // ["neg", "pos"]
 * dataset.labels();   // Int32Array [1, 0]
 */
export class Dataset implements Iterable<Row> {
  readonly length: number;
  readonly source: DatasetSource;
  /** Which columns are text and label, and why; which are ignored. */
  readonly columnReport: ColumnReport;
  private readonly table: Table;
  /** Row numbers in `table`, in the order seen; absent when that is the table's own. */
  private readonly order: Uint32Array | undefined;
  private readonly options: DatasetOptions;
  private cachedLabelNames: { names: string[] | undefined } | undefined;
  private cachedFingerprint: string | undefined;

  /** Usually made by `loadDataset`, `Dataset.fromRows` or `Dataset.fromColumns`. */
  constructor(table: Table, options: DatasetOptions = {}, order?: Uint32Array) {
    this.table = table;
    this.order = order;
    this.options = options;
    this.length = order?.length ?? table.length;
    this.source = options.source ?? {};
    this.columnReport = inferColumns(table, options);
  }

  /** A dataset of row objects; a key that some rows lack is null there. */
  static fromRows(rows: readonly Row[], options: DatasetOptions = {}): Dataset {
    return new Dataset(tableFromRows(rows), options);
  }

  /** A dataset of columns of equal length. @throws DatasetError BAD_FILE when they are not. */
  static fromColumns(columns: Record<string, ArrayLike<unknown>>, options: DatasetOptions = {}): Dataset {
    return new Dataset(makeTable(new Map(Object.entries(columns))), options);
  }

  /** One dataset after the other; text and label columns are those of the first. */
  static concat(datasets: readonly Dataset[]): Dataset {
    if (datasets.length === 0) throw new DatasetError("BAD_OPTION", "concat needs at least one dataset.");
    const [first] = datasets;
    if (datasets.length === 1) return first;
    return new Dataset(concatTables(datasets.map((dataset) => dataset.materialize())), first.options);
  }

  /** Names of all columns. */
  get columnNames(): string[] {
    return [...this.table.columns.keys()];
  }

  /** Name of the text column. @throws DatasetError MISSING_COLUMN when none could be found. */
  get textColumn(): string {
    const found = this.columnReport.text;
    if (found !== undefined) return found.column;
    throw new DatasetError(
      "MISSING_COLUMN",
      `${this.describe()}: no column is plainly the text; the columns are ${this.listColumns()}. Choose one with textColumn.`,
    );
  }

  /** Name of the label column, if there is one. */
  get labelColumn(): string | undefined {
    return this.columnReport.label?.column;
  }

  /** Class names, index = class id: the file's own, or the sorted distinct texts of the label column; undefined for numbers. */
  get labelNames(): string[] | undefined {
    this.cachedLabelNames ??= { names: this.findLabelNames() };
    return this.cachedLabelNames.names;
  }

  /** True when the class names were given, by the file or the caller, rather than collected from the rows. */
  get hasOwnClassNames(): boolean {
    const column = this.labelColumn;
    return this.options.labelNames !== undefined || (column !== undefined && this.table.classLabels.has(column));
  }

  /** The class names; numeric labels without names give "0", "1", …, up to the largest label. */
  classLabels(): string[] {
    const named = this.labelNames;
    if (named !== undefined) return named;
    const classes = this.labels({ allowMissing: true }).reduce((most, label) => Math.max(most, label + 1), 0);
    return Array.from({ length: classes }, (_, id) => String(id));
  }

  /** All texts, in order. @throws DatasetError MISSING_COLUMN; BAD_FILE for a row without text. */
  texts(): string[] {
    const column = this.textColumn;
    return this.column(column).map((value, row) => {
      if (typeof value === "string") return value;
      if (typeof value === "number") return String(value);
      throw new DatasetError(
        "BAD_FILE",
        `${this.describe()}, row ${row}, column "${column}": expected text but found ${value === null ? "nothing" : typeof value}. ` +
          "Drop such rows with filter().",
      );
    });
  }

  /**
   * Class ids of all rows, in order.
   *
   * @param options.allowMissing gives -1 for rows without a label instead of throwing.
   * @throws DatasetError MISSING_COLUMN without a label column; UNKNOWN_LABEL naming the row.
   */
  labels(options: { allowMissing?: boolean } = {}): Int32Array {
    const column = this.labelColumn;
    if (column === undefined) {
      throw new DatasetError(
        "MISSING_COLUMN",
        `${this.describe()}: no label column; the columns are ${this.listColumns()}. Choose one with labelColumn.`,
      );
    }
    const place = { file: this.describe(), column };
    return labelIds(this.column(column), this.labelNames, place, options.allowMissing);
  }

  /** Row `i`; negative counts from the end. @throws DatasetError ROW_OUT_OF_RANGE. */
  row(i: number): Row {
    return rowOf(this.table, this.position(i));
  }

  /** Values of a column, in order. @throws DatasetError MISSING_COLUMN. */
  column(name: string): unknown[] {
    const values = this.table.columns.get(name);
    if (values === undefined) throw missingColumn(name, this.columnNames);
    if (this.order === undefined) return Array.from(values);
    return Array.from(this.order, (row) => values[row]);
  }

  *[Symbol.iterator](): IterableIterator<Row> {
    for (let i = 0; i < this.length; i++) yield rowOf(this.table, this.order?.[i] ?? i);
  }

  /** All rows as objects. */
  toArray(): Row[] {
    return [...this];
  }

  /** Rows as JSON Lines, each line ended by \n. */
  toJSONL(): string {
    let text = "";
    const plain = (_: string, value: unknown) => (typeof value === "bigint" ? Number(value) : value);
    for (const row of this) text += `${JSON.stringify(row, plain)}\n`;
    return text;
  }

  /** The rows with these numbers, in that order; numbers may repeat. @throws DatasetError ROW_OUT_OF_RANGE. */
  select(rows: Iterable<number>): Dataset {
    return this.reordered(Uint32Array.from(rows, (row) => this.position(row)));
  }

  /** The first `count` rows. */
  take(count: number): Dataset {
    return this.slice(0, count);
  }

  /** Rows `start` to `end`, as Array.slice counts. */
  slice(start: number, end: number = this.length): Dataset {
    const clamp = (bound: number) => Math.min(Math.max(bound < 0 ? this.length + bound : bound, 0), this.length);
    const from = clamp(start);
    const to = Math.max(clamp(end), from);
    if (from === 0 && to === this.length) return this;
    return this.reordered(this.order?.slice(from, to) ?? Uint32Array.from({ length: to - from }, (_, i) => from + i));
  }

  /** The rows for which `keep` is true. */
  filter(keep: (row: Row, i: number) => boolean): Dataset {
    const kept: number[] = [];
    for (let i = 0; i < this.length; i++) if (keep(this.row(i), i)) kept.push(i);
    return this.select(kept);
  }

  /** A random order: the one that Hugging Face's `shuffle(seed=…)` gives for the same seed. */
  shuffle(seed: number = DEFAULT_SEED): Dataset {
    return this.select(new NumpyGenerator(checkSeed(seed)).permutation(this.length));
  }

  /**
   * Two disjoint random parts: the rows that Hugging Face's `train_test_split` gives for the same seed.
   *
   * @param options.testSize fraction, or number of rows; default 0.25. `trainSize`: default the rest.
   * @param options.stratify keeps the share of every class of the label column.
   * @throws DatasetError BAD_OPTION for sizes that do not fit.
   */
  trainTestSplit(options: SplitSizes & { stratify?: boolean; seed?: number } = {}): { train: Dataset; test: Dataset } {
    const counts = splitCounts(this.length, options);
    const seed = checkSeed(options.seed ?? DEFAULT_SEED);
    const parts = options.stratify
      ? stratifiedParts(this.labels(), counts, seed)
      : randomParts(this.length, counts, seed);
    return { train: this.select(parts.train), test: this.select(parts.test) };
  }

  /**
   * New rows from old, one by one or in batches; what `transform` returns replaces the row. A batch may change the number of rows.
   *
   * @param options.batched gives `transform` an array of `batchSize` (default 1000) rows and the number of the first.
   * @param options.cacheKey keeps the result on disk under this key, the rows' content and the function's source.
   */
  async map(
    transform: (row: Row, i: number) => Row | Promise<Row>,
    options?: MapOptions & { batched?: false },
  ): Promise<Dataset>;
  async map(
    transform: (rows: Row[], first: number) => Row[] | Promise<Row[]>,
    options: MapOptions & { batched: true },
  ): Promise<Dataset>;
  async map(transform: unknown, options: MapOptions = {}): Promise<Dataset> {
    const rows = await mapRows(this, transform as Parameters<typeof mapRows>[1], options);
    const { textColumn, labelColumn } = this.options;
    const table = tableFromRows(rows);
    const classLabels = new Map([...this.table.classLabels].filter(([name]) => table.columns.has(name)));
    const kept = (name: string | undefined) => (name !== undefined && table.columns.has(name) ? name : undefined);
    return new Dataset(makeTable(table.columns, classLabels), {
      ...this.options,
      textColumn: kept(textColumn),
      labelColumn: kept(labelColumn),
    });
  }

  /** The same rows with another choice of columns or class names. @throws DatasetError MISSING_COLUMN. */
  withOptions(options: DatasetOptions): Dataset {
    return new Dataset(this.table, { ...this.options, ...options }, this.order);
  }

  /** The same rows with a column under another name. @throws DatasetError MISSING_COLUMN. */
  renameColumn(from: string, to: string): Dataset {
    if (!this.table.columns.has(from)) throw missingColumn(from, this.columnNames);
    const rename = <T>(entries: ReadonlyMap<string, T>) =>
      new Map([...entries].map(([name, value]) => [name === from ? to : name, value]));
    const table = makeTable(rename(this.table.columns), rename(this.table.classLabels));
    return new Dataset(table, { ...this.options, textColumn: undefined, labelColumn: undefined }, this.order);
  }

  /** sha256 of columns, class names and rows in order: the same wherever the rows came from. */
  get fingerprint(): string {
    if (this.cachedFingerprint === undefined) {
      const print = new Fingerprint()
        .add(this.columnNames)
        .add([...this.table.classLabels].map(([n, f]) => [n, f.names]));
      for (const name of this.columnNames) print.add(this.column(name));
      this.cachedFingerprint = print.digest();
    }
    return this.cachedFingerprint;
  }

  /** What `console.log` shows: a summary, not thousands of rows. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    const labels = this.labelNames === undefined ? "" : `, labels: ${this.labelNames.join(" | ")}`;
    return `Dataset(${this.describe()}) { rows: ${this.length}, columns: ${this.columnNames.join(", ")}${labels} }`;
  }

  /** Name for messages: `imdb train[:1%]`. */
  describe(): string {
    const { name, split, files } = this.source;
    const known = [name ?? files?.[0], split].filter((part) => part !== undefined);
    return known.length === 0 ? "dataset" : known.join(" ");
  }

  private findLabelNames(): string[] | undefined {
    if (this.options.labelNames !== undefined) return this.options.labelNames;
    const column = this.labelColumn;
    if (column === undefined) return undefined;
    // Of the whole table, not of the selected rows: a slice with one class must not renumber the classes.
    return classNamesOf(this.table.columns.get(column)!, this.table.classLabels.get(column));
  }

  /** Row number in the table. */
  private position(i: number): number {
    const row = i < 0 ? this.length + i : i;
    if (!Number.isInteger(row) || row < 0 || row >= this.length) {
      throw new DatasetError(
        "ROW_OUT_OF_RANGE",
        `${this.describe()}: there is no row ${i}; it has ${this.length} rows.`,
      );
    }
    return this.order?.[row] ?? row;
  }

  private reordered(order: Uint32Array): Dataset {
    return new Dataset(this.table, this.options, order);
  }

  private materialize(): Table {
    if (this.order === undefined) return this.table;
    return makeTable(new Map(this.columnNames.map((name) => [name, this.column(name)])), this.table.classLabels);
  }

  private listColumns(): string {
    return this.columnNames.map((name) => `"${name}"`).join(", ") || "none at all";
  }
}

function checkSeed(seed: number): number {
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw new DatasetError("BAD_OPTION", `The seed is ${seed}; expected a whole number from 0 to 2^53 - 1.`);
}
