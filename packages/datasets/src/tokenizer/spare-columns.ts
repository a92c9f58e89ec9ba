// Columns that a thread of the pool writes over again and again: the first touch of new memory takes long.

import { emptyColumns, type PackedColumns } from "./packed-encoding.js";

/** Columns longer than this are of a part that is one huge text. */
const MOST_TOKENS = 1 << 18;
/** Some megabytes. */
const MOST_COLUMNS = 16;

export class SpareColumns {
  readonly #spares: PackedColumns[] = [];

  take(): PackedColumns {
    return this.#spares.pop() ?? emptyColumns();
  }

  keep(columns: PackedColumns): void {
    if (columns.inputIds.length <= MOST_TOKENS && this.#spares.length < MOST_COLUMNS) this.#spares.push(columns);
  }
}
