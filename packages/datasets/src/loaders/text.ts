import { makeTable, type RowRange, type Table } from "../data/table.js";
import type { FileFormat, ReadOptions } from "./format.js";
import { readLineBlocks } from "./text-blocks.js";

/** Plain text: every line is a row with the one column `text`. */
export const text: FileFormat = {
  name: "text",
  async *stream(path: string, _options: ReadOptions, range?: RowRange): AsyncGenerator<Table> {
    let row = 0;
    for await (const { lines } of readLineBlocks(path)) {
      const start = Math.max((range?.start ?? 0) - row, 0);
      const rows = lines.slice(start, range === undefined ? undefined : Math.max(range.end - row, 0));
      row += lines.length;
      if (rows.length > 0) yield makeTable(new Map([["text", rows]]));
      if (range !== undefined && row >= range.end) return;
    }
  },
};
