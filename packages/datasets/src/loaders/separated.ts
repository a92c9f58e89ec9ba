// CSV (RFC 4180 quotes, by csv-parse) and TSV (tabs never quoted, as GLUE's SST-2 has it). Cells are text; a column whose
// every cell is a numeral becomes numbers.

import { Readable } from "node:stream";
import type { CsvError } from "csv-parse";
import { makeTable, type RowRange, type Table } from "../data/table.js";
import { DatasetError, describePlace } from "../errors.js";
import { type FileFormat, type ReadOptions, ROWS_PER_TABLE } from "./format.js";
import { readLineBlocks, readTextBlocks } from "./text-blocks.js";

interface Record {
  cells: string[];
  /** Line on which it ends, from 1. */
  line: number;
}

/** Comma-separated values with a header line. */
export const csv: FileFormat = {
  name: "CSV",
  stream: (path, options, range) => toTables(csvRecords(path, options.delimiter ?? ","), path, options, range),
};

/** Tab-separated values with a header line. */
export const tsv: FileFormat = {
  name: "TSV",
  stream: (path, options, range) => toTables(tsvRecords(path, options.delimiter ?? "\t"), path, options, range),
};

async function* tsvRecords(path: string, delimiter: string): AsyncGenerator<Record[]> {
  for await (const { lines, firstLine } of readLineBlocks(path)) {
    const records: Record[] = [];
    for (let i = 0; i < lines.length; i++) {
      if (lines[i] !== "") records.push({ cells: lines[i].split(delimiter), line: firstLine + i });
    }
    yield records;
  }
}

async function* csvRecords(path: string, delimiter: string): AsyncGenerator<Record[]> {
  const { CsvError, parse } = await import("csv-parse");
  const blocks = (async function* () {
    for await (const { text } of readTextBlocks(path)) yield text;
  })();
  const source = Readable.from(blocks);
  const parser = parse({ delimiter, relax_column_count: true, skip_empty_lines: true, info: true });
  source.on("error", (error) => parser.destroy(error));
  let records: Record[] = [];
  try {
    for await (const { record, info } of source.pipe(parser) as AsyncIterable<{
      record: string[];
      info: { lines: number };
    }>) {
      records.push({ cells: record, line: info.lines });
      if (records.length === ROWS_PER_TABLE) {
        yield records;
        records = [];
      }
    }
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    throw brokenCsv(cause, path);
  } finally {
    source.destroy();
    parser.destroy();
  }
  yield records;
}

function brokenCsv(cause: CsvError, path: string): DatasetError {
  const line = typeof cause.lines === "number" ? cause.lines : undefined;
  const where = describePlace({ file: path, line });
  const what =
    cause.code === "CSV_QUOTE_NOT_CLOSED"
      ? "a quoted cell is never closed"
      : `broken quotes (a quote inside a cell must be doubled and the cell quoted)`;
  return new DatasetError("BAD_FILE", `${where}: ${what}. Correct the line.`, { cause });
}

async function* toTables(
  batches: AsyncIterable<Record[]>,
  path: string,
  options: ReadOptions,
  range: RowRange | undefined,
): AsyncGenerator<Table> {
  let names = options.columnNames;
  let numeric: boolean[] | undefined;
  let row = 0;
  for await (const batch of batches) {
    let records = batch;
    if (names === undefined && records.length > 0) {
      names = checkHeader(records[0], path);
      records = records.slice(1);
    }
    if (names === undefined || records.length === 0) continue;
    for (const record of records) checkWidth(record, names, path);
    const start = Math.max((range?.start ?? 0) - row, 0);
    const wanted = range === undefined ? records : records.slice(start, Math.max(range.end - row, 0));
    row += records.length;
    if (wanted.length > 0) {
      numeric ??= names.map((_, c) => records.every(({ cells }) => isNumeral(cells[c])));
      yield toTable(wanted, names, numeric, path);
    }
    if (range !== undefined && row >= range.end) return;
  }
}

function toTable(records: Record[], names: string[], numeric: boolean[], path: string): Table {
  const columns = new Map<string, unknown[]>();
  for (const [c, name] of names.entries()) {
    columns.set(
      name,
      records.map(({ cells, line }) => {
        if (!numeric[c]) return cells[c];
        if (isNumeral(cells[c])) return Number(cells[c]);
        throw new DatasetError(
          "BAD_FILE",
          `${describePlace({ file: path, line, column: name })}: expected a number, as on the lines before, but found ${JSON.stringify(cells[c])}.`,
        );
      }),
    );
  }
  return makeTable(columns);
}

/** Numerals that a number gives back unchanged: "007" and "1e3" stay text. */
function isNumeral(cell: string): boolean {
  return cell.length < 17 && cell !== "" && String(Number(cell)) === cell && Number.isFinite(Number(cell));
}

function checkHeader({ cells, line }: Record, path: string): string[] {
  const twice = cells.find((name, i) => cells.indexOf(name) !== i);
  if (twice === undefined) return cells;
  throw new DatasetError(
    "BAD_FILE",
    `${describePlace({ file: path, line })}: the header names the column "${twice}" twice. If the file has no header, give columnNames.`,
  );
}

function checkWidth({ cells, line }: Record, names: string[], path: string): void {
  if (cells.length === names.length) return;
  throw new DatasetError(
    "BAD_FILE",
    `${describePlace({ file: path, line })}: ${cells.length} cells where the header has ${names.length} (${names.join(", ")}). ` +
      "Quote cells that contain the separator.",
  );
}
