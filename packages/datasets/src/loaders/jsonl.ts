import { type Row, type RowRange, type Table, tableFromRows } from "../data/table.js";
import { DatasetError, describePlace } from "../errors.js";
import type { FileFormat, ReadOptions } from "./format.js";
import { readLineBlocks } from "./text-blocks.js";

/** JSON Lines: one object per line; blank lines are skipped. */
export const jsonl: FileFormat = {
  name: "JSON Lines",
  async *stream(path: string, _options: ReadOptions, range?: RowRange): AsyncGenerator<Table> {
    let row = 0;
    for await (const { lines, firstLine } of readLineBlocks(path)) {
      const rows: Row[] = [];
      for (let i = 0; i < lines.length; i++) {
        if (lines[i].trim() === "") continue;
        if (range === undefined || (row >= range.start && row < range.end)) {
          rows.push(parseRow(lines[i], path, firstLine + i));
        }
        row += 1;
      }
      if (rows.length > 0) yield tableFromRows(rows);
      if (range !== undefined && row >= range.end) return;
    }
  },
};

function parseRow(line: string, path: string, number: number): Row {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    const where = describePlace({ file: path, line: number });
    throw new DatasetError(
      "BAD_FILE",
      `${where}: not JSON (${(cause as Error).message}). Every line must be one object.`,
      {
        cause,
      },
    );
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Row;
  const where = describePlace({ file: path, line: number });
  const found = value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
  throw new DatasetError(
    "BAD_FILE",
    `${where}: expected an object such as {"text": "…", "label": 0} but found ${found}.`,
  );
}
