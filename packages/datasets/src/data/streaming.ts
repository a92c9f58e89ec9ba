// Rows that are read as they are iterated, in constant memory.

import { DatasetError } from "../errors.js";
import { NumpyGenerator } from "./numpy-random.js";
import type { Row } from "./table.js";

/**
 * A lazy sequence of rows: nothing is read until it is iterated, every iteration reads anew, and memory holds one table
 * of rows (a parquet row group, or some thousand lines) at a time.
 *
 * @example
 * const stream = await loadDataset("big.parquet", { split: "train", streaming: true });
 * for await (const row of stream.filter((row) => row.label === 1).take(10)) console.log(row.text);
 */
export class StreamingDataset implements AsyncIterable<Row> {
  /** @param tables gives the rows in pieces, anew at each call. */
  constructor(private readonly tables: () => AsyncIterable<Row[]>) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Row> {
    for await (const rows of this.tables()) yield* rows;
  }

  /** Rows in arrays of `size`, the last one shorter. */
  async *batches(size: number): AsyncGenerator<Row[]> {
    checkCount("Batch size", size, 1);
    let batch: Row[] = [];
    for await (const row of this) {
      batch.push(row);
      if (batch.length === size) {
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0) yield batch;
  }

  /** Rows changed one by one. */
  map(transform: (row: Row, i: number) => Row | Promise<Row>): StreamingDataset {
    return this.through(async function* (rows, first) {
      const mapped: Row[] = [];
      for (let i = 0; i < rows.length; i++) mapped.push(await transform(rows[i], first + i));
      yield mapped;
    });
  }

  /** The rows for which `keep` is true. */
  filter(keep: (row: Row, i: number) => boolean | Promise<boolean>): StreamingDataset {
    return this.through(async function* (rows, first) {
      const kept: Row[] = [];
      for (let i = 0; i < rows.length; i++) if (await keep(rows[i], first + i)) kept.push(rows[i]);
      yield kept;
    });
  }

  /** The first `count` rows; reading stops there. */
  take(count: number): StreamingDataset {
    checkCount("take", count, 0);
    const { tables } = this;
    return new StreamingDataset(async function* () {
      let left = count;
      if (left === 0) return;
      for await (const rows of tables()) {
        yield rows.slice(0, left);
        left -= rows.length;
        if (left <= 0) return;
      }
    });
  }

  /** All but the first `count` rows. */
  skip(count: number): StreamingDataset {
    checkCount("skip", count, 0);
    return this.through(async function* (rows, first) {
      yield rows.slice(Math.max(count - first, 0));
    });
  }

  /**
   * An approximate shuffle: each row is drawn from a buffer of the next `bufferSize` rows (default 1000).
   * Rows far apart stay far apart; for a true shuffle load the dataset into memory.
   */
  shuffle(seed: number, { bufferSize = 1000 }: { bufferSize?: number } = {}): StreamingDataset {
    checkCount("bufferSize", bufferSize, 1);
    const rows = this[Symbol.asyncIterator].bind(this);
    return new StreamingDataset(async function* () {
      const generator = new NumpyGenerator(seed);
      const buffer: Row[] = [];
      for await (const row of rows()) {
        if (buffer.length < bufferSize) {
          buffer.push(row);
          continue;
        }
        const i = generator.below(bufferSize);
        yield [buffer[i]];
        buffer[i] = row;
      }
      yield Array.from(generator.permutation(buffer.length), (i) => buffer[i]);
    });
  }

  private through(step: (rows: Row[], first: number) => AsyncIterable<Row[]>): StreamingDataset {
    const { tables } = this;
    return new StreamingDataset(async function* () {
      let first = 0;
      for await (const rows of tables()) {
        yield* step(rows, first);
        first += rows.length;
      }
    });
  }
}

function checkCount(name: string, count: number, least: number): void {
  if (Number.isInteger(count) && count >= least) return;
  throw new DatasetError("BAD_OPTION", `${name} is ${count}; expected a whole number from ${least}.`);
}
