// Which rows make which batch. An epoch's plan depends on the options, the seed and the number of the epoch alone, so a
// position in training is two integers, and a run goes on from it as if it had never stopped.

import { DatasetError } from "../errors.js";
import { BatchRandom } from "./random.js";

/** In which order rows are seen. */
export type BatchOrder = "sequential" | "shuffled" | "grouped-by-length";

/** How batches are made. */
export interface BatchSamplerOptions {
  /** Number of rows; not needed when `lengths` are given. */
  rows?: number;
  /** Tokens of each row; needed for grouping and for a token budget. */
  lengths?: ArrayLike<number>;
  /** Most rows in a batch. */
  batchSize?: number;
  /** Most tokens in a batch; a row that is longer makes a batch of its own. */
  tokenBudget?: number;
  /** Default sequential. */
  order?: BatchOrder;
  /** Default 42. */
  seed?: number;
  /** Leaves out a last batch that is smaller than `batchSize`. Default false: every row is seen in every epoch. */
  dropLast?: boolean;
}

/** A place in training, before the batch `step` of `epoch`; both count from 0. */
export interface BatchPosition {
  epoch: number;
  step: number;
}

/** A batch and its place. */
export interface PlannedBatch extends BatchPosition {
  /** Row numbers. */
  rows: Uint32Array;
  /** Where to go on after it; what a checkpoint stores. */
  next: BatchPosition;
}

/** Batches whose rows are sorted together when grouping by length: enough to be of a length, few enough to stay random. */
const GROUPED_BATCHES = 50;

/**
 * Plans batches of row numbers.
 *
 * @example
 * const sampler = new BatchSampler({ rows: 10, batchSize: 4, order: "shuffled", seed: 1 });
 * for (const { rows, next } of sampler.iterate({ epoch: 0, step: 1 }, 2)) console.log(rows, next); // resumes after the first batch
 */
export class BatchSampler {
  readonly rows: number;
  private readonly options: BatchSamplerOptions;
  private planned: { epoch: number; batches: Uint32Array[] } | undefined;

  /** @throws DatasetError BAD_OPTION for sizes that are not whole numbers from 1, or lengths that are missing. */
  constructor(options: BatchSamplerOptions) {
    this.options = options;
    this.rows = options.lengths?.length ?? options.rows ?? 0;
    checkOptions(options);
  }

  /** Batches of an epoch, in order. */
  batches(epoch: number): readonly Uint32Array[] {
    if (this.planned?.epoch !== epoch) this.planned = { epoch, batches: this.plan(epoch) };
    return this.planned.batches;
  }

  /** Number of batches of an epoch; with a token budget it may differ between epochs. */
  steps(epoch: number): number {
    return this.batches(epoch).length;
  }

  /** Row numbers of one batch. @throws DatasetError BAD_OPTION for a step that the epoch does not have. */
  batch({ epoch, step }: BatchPosition): Uint32Array {
    const rows = this.batches(epoch)[step];
    if (rows !== undefined) return rows;
    throw new DatasetError("BAD_OPTION", `Epoch ${epoch} has ${this.steps(epoch)} batches; there is no batch ${step}.`);
  }

  /** Batches from a position on, through the epochs up to `epochs` (exclusive). */
  *iterate(from: BatchPosition = { epoch: 0, step: 0 }, epochs: number = from.epoch + 1): Generator<PlannedBatch> {
    for (let epoch = from.epoch; epoch < epochs; epoch++) {
      const batches = this.batches(epoch);
      for (let step = epoch === from.epoch ? from.step : 0; step < batches.length; step++) {
        const next = step + 1 < batches.length ? { epoch, step: step + 1 } : { epoch: epoch + 1, step: 0 };
        yield { epoch, step, rows: batches[step], next };
      }
    }
  }

  private plan(epoch: number): Uint32Array[] {
    const { order = "sequential", seed = 42 } = this.options;
    const rows = Uint32Array.from({ length: this.rows }, (_, i) => i);
    if (order === "sequential") return this.cut(rows);
    const random = new BatchRandom(seed, epoch);
    random.shuffle(rows);
    return order === "shuffled" ? this.cut(rows) : this.group(rows, random);
  }

  /**
   * Sorts runs of some batches by length, cuts them, and shuffles the batches. The batch with the longest row comes first,
   * so that what does not fit into memory fails at once.
   */
  private group(rows: Uint32Array, random: BatchRandom): Uint32Array[] {
    const lengths = this.options.lengths!;
    const run = GROUPED_BATCHES * (this.options.batchSize ?? this.rowsPerBudget());
    for (let first = 0; first < rows.length; first += run) {
      const part = rows.subarray(first, first + run);
      part.set(Array.from(part).sort((a, b) => lengths[b] - lengths[a]));
    }
    const batches = random.shuffle(this.cut(rows));
    const longestOf = (batch: Uint32Array) => batch.reduce((most, row) => Math.max(most, lengths[row]), 0);
    let longest = 0;
    for (let i = 1; i < batches.length; i++) if (longestOf(batches[i]) > longestOf(batches[longest])) longest = i;
    if (batches.length > 0) [batches[0], batches[longest]] = [batches[longest], batches[0]];
    return batches;
  }

  private rowsPerBudget(): number {
    const { lengths, tokenBudget } = this.options;
    const tokens = Array.from(lengths!).reduce((sum, length) => sum + length, 0);
    return Math.max(Math.ceil((tokenBudget! * this.rows) / Math.max(tokens, 1)), 1);
  }

  private cut(rows: Uint32Array): Uint32Array[] {
    const {
      batchSize = Number.POSITIVE_INFINITY,
      tokenBudget = Number.POSITIVE_INFINITY,
      lengths,
      dropLast,
    } = this.options;
    const batches: Uint32Array[] = [];
    let first = 0;
    let tokens = 0;
    for (let i = 0; i < rows.length; i++) {
      const length = lengths?.[rows[i]] ?? 0;
      if (i > first && (i - first >= batchSize || tokens + length > tokenBudget)) {
        batches.push(rows.slice(first, i));
        first = i;
        tokens = 0;
      }
      tokens += length;
    }
    const last = rows.slice(first);
    if (last.length > 0 && !(dropLast && last.length < batchSize)) batches.push(last);
    return batches;
  }
}

function checkOptions({ batchSize, tokenBudget, lengths, order, rows, dropLast, seed }: BatchSamplerOptions): void {
  for (const [name, value] of Object.entries({ batchSize, tokenBudget })) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 1)) {
      throw new DatasetError("BAD_OPTION", `${name} is ${value}; expected a whole number from 1.`);
    }
  }
  const refuse = (message: string) => {
    throw new DatasetError("BAD_OPTION", message);
  };
  if (batchSize === undefined && tokenBudget === undefined) refuse("Give batchSize, tokenBudget, or both.");
  if (rows === undefined && lengths === undefined) refuse("Give the number of rows, or their lengths.");
  if (rows !== undefined && lengths !== undefined && rows !== lengths.length) {
    refuse(`There are ${rows} rows but ${lengths.length} lengths.`);
  }
  if (lengths === undefined && (tokenBudget !== undefined || order === "grouped-by-length")) {
    refuse("A token budget and grouping by length need the lengths of the rows.");
  }
  if (dropLast && batchSize === undefined)
    refuse("dropLast needs batchSize: a token budget says nothing about which batch is too small.");
  if (seed !== undefined && !(Number.isSafeInteger(seed) && seed >= 0))
    refuse(`The seed is ${seed}; expected a whole number from 0.`);
}
