// loadDataset: from a name to rows.

import { Dataset, type DatasetOptions } from "../data/dataset.js";
import {
  parseSplit,
  resolveSplit,
  resolveTerm,
  type SplitRange,
  type SplitTerm,
  unknownSplit,
} from "../data/split-slices.js";
import { StreamingDataset } from "../data/streaming.js";
import { concatTables, type Row, type RowRange, type Table } from "../data/table.js";
import { DatasetError } from "../errors.js";
import type { LoadOptions, Source } from "./source.js";
import { readTable, type SplitReader } from "./split-reader.js";

/** Splits of a dataset by name. */
export type DatasetDict<Names extends string = string> = Record<Names, Dataset>;

/**
 * Loads a dataset.
 *
 * @param name `reviews` (embedded), `imdb`, `sst2`, a Hub id; a path or glob of parquet, CSV, TSV, JSONL, JSON, text or
 *   gzip of these; a folder in the Hub's layout; an aclImdb folder or tarball. A single file is the split `train`.
 * @param options.split `"train[:1%]"` gives one Dataset, `{ train: "train[:1%]", test: "test[:1%]" }` one of each, none every split.
 * @param options.streaming gives StreamingDatasets, which read as they are iterated.
 * @throws DatasetError with a code and a message that names file, line or row; HubError when the Hub does not answer.
 * @example
 * const { train, test } = await loadDataset("imdb", { split: { train: "train[:1%]", test: "test[:1%]" } });
 */
export function loadDataset(
  name: string | string[],
  options: LoadOptions & { split: string; streaming: true },
): Promise<StreamingDataset>;
export function loadDataset<Names extends string>(
  name: string | string[],
  options: LoadOptions & { split: Record<Names, string>; streaming: true },
): Promise<Record<Names, StreamingDataset>>;
export function loadDataset(
  name: string | string[],
  options: LoadOptions & { split?: undefined; streaming: true },
): Promise<Record<string, StreamingDataset>>;
export function loadDataset(
  name: string | string[],
  options: LoadOptions & { split: string; streaming?: false },
): Promise<Dataset>;
export function loadDataset<Names extends string>(
  name: string | string[],
  options: LoadOptions & { split: Record<Names, string>; streaming?: false },
): Promise<DatasetDict<Names>>;
export function loadDataset(
  name: string | string[],
  options?: LoadOptions & { split?: undefined; streaming?: false },
): Promise<DatasetDict>;
export async function loadDataset(
  name: string | string[],
  options: LoadOptions & { split?: string | Record<string, string>; streaming?: boolean } = {},
): Promise<unknown> {
  // Where rows may come from, loaded here: who has the index for its tokenizer needs none of it.
  const { openSource } = await import("./source.js");
  const source = await openSource(name, options);
  const wanted = wantedSplits(options.split, [...source.splits.keys()]);
  for (const expression of Object.values(wanted)) checkSplits(expression, source);
  const loader = new SplitLoader(source, options);
  const loaded: Record<string, Dataset | StreamingDataset> = {};
  for (const [key, expression] of Object.entries(wanted)) {
    loaded[key] = options.streaming ? await loader.stream(expression) : await loader.load(expression);
  }
  if (!options.streaming) shareClassNames(loaded as DatasetDict);
  return typeof options.split === "string" ? loaded.only : loaded;
}

function wantedSplits(split: string | Record<string, string> | undefined, known: string[]): Record<string, string> {
  if (typeof split === "string") return { only: split };
  return split ?? Object.fromEntries(known.map((name) => [name, name]));
}

/** Before anything is read: the grammar, and whether the splits exist. */
function checkSplits(expression: string, source: Source): void {
  for (const { split } of parseSplit(expression)) {
    const known = source.splits.has(split) || (split === "all" && expression === "all");
    if (!known) throw unknownSplit(split, [...source.splits.keys()]);
  }
}

class SplitLoader {
  /** Splits that had to be read whole. */
  private readonly whole = new Map<string, Promise<Table>>();

  constructor(
    private readonly source: Source,
    private readonly options: LoadOptions,
  ) {}

  async load(expression: string): Promise<Dataset> {
    const ranges = await this.resolve(expression);
    if (ranges.every(({ start, end }) => start === end)) {
      throw new DatasetError(
        "EMPTY_SPLIT",
        `${this.source.name}: split "${expression}" has no rows. Its splits have: ${await this.listCounts()}.`,
      );
    }
    const parts: Dataset[] = [];
    for (const range of ranges) if (range.start < range.end) parts.push(await this.loadRange(range, expression));
    return Dataset.concat(parts);
  }

  async stream(expression: string): Promise<StreamingDataset> {
    const terms: SplitTerm[] =
      expression === "all" && !this.source.splits.has("all")
        ? [...this.source.splits.keys()].flatMap(parseSplit)
        : parseSplit(expression);
    const { splits, rename } = this.source;
    return new StreamingDataset(async function* (): AsyncGenerator<Row[]> {
      for (const term of terms) {
        const reader = splits.get(term.split)!;
        const range = await streamedRange(term, reader);
        for await (const table of reader.stream(range)) yield renamed(new Dataset(table), rename).toArray();
      }
    });
  }

  private async resolve(expression: string): Promise<SplitRange[]> {
    const terms = parseSplit(expression);
    const names = expression === "all" ? [...this.source.splits.keys()] : terms.map(({ split }) => split);
    const counts = new Map<string, number>();
    for (const name of names) counts.set(name, await this.countRows(name));
    return resolveSplit(expression, counts);
  }

  private async countRows(split: string): Promise<number> {
    return (await this.reader(split).countRows()) ?? (await this.readWhole(split)).length;
  }

  private reader(split: string): SplitReader {
    return this.source.splits.get(split)!;
  }

  private readWhole(split: string): Promise<Table> {
    let table = this.whole.get(split);
    if (table === undefined) {
      table = readTable(this.reader(split));
      this.whole.set(split, table);
    }
    return table;
  }

  private async loadRange({ split, start, end }: SplitRange, expression: string): Promise<Dataset> {
    const reader = this.reader(split);
    const files = await reader.files();
    const { name, rename, labelNames } = this.source;
    const options: DatasetOptions = { source: { name, split: expression, files }, labelNames };
    const rows = await reader.countRows();
    const isPart = rows !== undefined && (start > 0 || end < rows);
    if (!isPart)
      return this.finish(renamed(new Dataset(await this.readWhole(split), options), rename).slice(start, end));
    const part = this.finish(renamed(new Dataset(await readTable(reader, { start, end }), options), rename));
    // Texts as labels: the classes are those of the whole split, or a slice with one class would renumber them.
    if (part.labelColumn === undefined || part.labelNames === undefined || part.hasOwnClassNames) return part;
    const tables: Table[] = [];
    for await (const table of reader.stream(undefined, [part.labelColumn])) tables.push(table);
    return part.withOptions({
      labelNames: new Dataset(concatTables(tables), { labelColumn: part.labelColumn }).labelNames,
    });
  }

  /** The caller's own choice of columns and class names. */
  private finish(dataset: Dataset): Dataset {
    const { textColumn, labelColumn, labelNames } = this.options;
    if (textColumn === undefined && labelColumn === undefined && labelNames === undefined) return dataset;
    const chosen = { textColumn, labelColumn, labelNames };
    return dataset.withOptions(Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined)));
  }

  private async listCounts(): Promise<string> {
    const counts: string[] = [];
    for (const split of this.source.splits.keys()) {
      const rows = await this.reader(split).countRows();
      counts.push(rows === undefined ? split : `${split} (${rows})`);
    }
    return counts.join(", ");
  }
}

/** The rows of a term; the number of all rows is only found out when a percentage or a count from the end needs it. */
async function streamedRange(term: SplitTerm, reader: SplitReader): Promise<RowRange | undefined> {
  const { from = 0, to = Number.POSITIVE_INFINITY, unit } = term;
  if (term.from === undefined && term.to === undefined) return undefined;
  if (unit === "rows" && from >= 0 && to >= 0) return { start: from, end: Math.max(from, to) };
  let rows = await reader.countRows();
  if (rows === undefined) {
    rows = 0;
    for await (const table of reader.stream()) rows += table.length;
  }
  return resolveTerm(term, rows);
}

function renamed(dataset: Dataset, rename: Record<string, string>): Dataset {
  return Object.entries(rename).reduce(
    (rows, [from, to]) =>
      rows.columnNames.includes(from) && !rows.columnNames.includes(to) ? rows.renameColumn(from, to) : rows,
    dataset,
  );
}

/** Splits loaded together agree on their classes, even when one of them lacks a class. */
function shareClassNames(splits: DatasetDict): void {
  const named = Object.entries(splits).filter(([, split]) => split.labelNames !== undefined && !split.hasOwnClassNames);
  if (named.length < 2) return;
  const union = [...new Set(named.flatMap(([, split]) => split.labelNames!))].sort();
  for (const [key, split] of named) splits[key] = split.withOptions({ labelNames: union });
}
