import { makeTable, type Row, type RowRange, sliceTable, type Table, tableFromRows } from "../data/table.js";
import { DatasetError, describePlace } from "../errors.js";
import type { FileFormat, ReadOptions } from "./format.js";
import { jsonl } from "./jsonl.js";
import { readText, readTextBlocks } from "./text-blocks.js";

/**
 * JSON: an array of objects, an object that holds one (under `field`, or as its only array), an object of columns, or
 * JSON Lines under the wrong name, as many are.
 */
export const json: FileFormat = {
  name: "JSON",
  async *stream(path: string, options: ReadOptions, range?: RowRange): AsyncGenerator<Table> {
    if (await looksLikeLines(path)) {
      yield* jsonl.stream(path, options, range);
      return;
    }
    const table = toTable(parseDocument(await readText(path), path), path, options.field);
    if (table.length === 0) return;
    const end = Math.min(range?.end ?? table.length, table.length);
    yield sliceTable(table, { start: Math.min(range?.start ?? 0, end), end });
  },
};

/** True when the first line is a whole object and another line follows. */
async function looksLikeLines(path: string): Promise<boolean> {
  for await (const { text } of readTextBlocks(path)) {
    const start = text.trimStart();
    const end = start.indexOf("\n");
    if (!start.startsWith("{") || end < 0 || start.slice(end).trim() === "") return false;
    try {
      JSON.parse(start.slice(0, end));
      return true;
    } catch {
      return false;
    }
  }
  return false;
}

function parseDocument(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const position = /position (\d+)/.exec((cause as Error).message)?.[1];
    const line = position === undefined ? undefined : text.slice(0, Number(position)).split("\n").length;
    const where = describePlace({ file: path, line });
    throw new DatasetError("BAD_FILE", `${where}: not JSON (${(cause as Error).message}).`, { cause });
  }
}

function toTable(document: unknown, path: string, field: string | undefined): Table {
  const found = field === undefined ? document : (document as Row | null)?.[field];
  if (field !== undefined && found === undefined) {
    throw new DatasetError(
      "BAD_FILE",
      `${path}: there is no key "${field}" at the top. Give the key that holds the rows.`,
    );
  }
  if (Array.isArray(found)) return rowsToTable(found, path);
  if (typeof found === "object" && found !== null) {
    const entries = Object.entries(found);
    const arrays = entries.filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
    if (arrays.length === 1 && arrays[0][1].every(isRow)) return rowsToTable(arrays[0][1], path);
    if (arrays.length > 0 && arrays.length === entries.length) return makeTable(new Map(arrays));
    if (arrays.length === 0) return tableFromRows([found as Row]);
  }
  throw new DatasetError(
    "BAD_FILE",
    `${path}: no rows found. Expected an array of objects, or an object with one such array (name it with field).`,
  );
}

function rowsToTable(rows: unknown[], path: string): Table {
  const bad = rows.findIndex((row) => !isRow(row));
  if (bad < 0) return tableFromRows(rows as Row[]);
  throw new DatasetError("BAD_FILE", `${describePlace({ file: path, row: bad })}: expected an object.`);
}

function isRow(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
