// How fast a model runs here: rates of whole forward passes, and of whole training steps, over rows of made-up words.
import { InputError } from "../errors.js";
import type { PackedInput, SequenceClassifier } from "../model/types.js";
import { Trainer } from "../training/trainer.js";

export interface ThroughputOptions {
  work: "inference" | "training";
  /** Sequences of a batch, B. */
  batchSize: number;
  /** Tokens of each sequence, S. */
  length: number;
  /** How long to measure, after one batch or step that warms up; at least three are measured. Default 1. */
  seconds?: number;
}

/** Of repeated measurements; quantiles are interpolated linearly. */
export interface MeasuredSpread {
  n: number;
  median: number;
  p10: number;
  p90: number;
}

export interface Throughput {
  work: "inference" | "training";
  precision: string;
  batchSize: number;
  length: number;
  secondsPerBatch: MeasuredSpread;
  sequencesPerSecond: MeasuredSpread;
}

const LEAST_BATCHES = 3;

/**
 * Measures one shape. Training is at learning rate 0: the optimizer does all of its work, and the weights stay what they are.
 *
 * @throws {InputError} for a length that the model has no positions for, or sizes that are no counts
 * @example
 * const { sequencesPerSecond } = await measureThroughput(model, { work: "inference", batchSize: 8, length: 16 });
 * console.log(sequencesPerSecond.median > 0);
 */
export async function measureThroughput(model: SequenceClassifier, options: ThroughputOptions): Promise<Throughput> {
  const { work, batchSize, length, seconds = 1 } = options;
  const longest = model.config.maxPositionEmbeddings;
  if (!(Number.isInteger(batchSize) && batchSize >= 1))
    throw new InputError(`batchSize is ${batchSize}, expected an integer of at least 1.`);
  if (!(Number.isInteger(length) && length >= 1 && length <= longest))
    throw new InputError(`length is ${length}, expected an integer from 1 to ${longest}, the model's positions.`);
  const rows = makeRows(model, batchSize, length);
  const times =
    work === "inference" ? await timeInference(model, rows, seconds) : await timeTraining(model, rows, seconds);
  return {
    work,
    precision: model.precision,
    batchSize,
    length,
    secondsPerBatch: summarize(times),
    sequencesPerSecond: summarize(times.map((time) => batchSize / time)),
  };
}

type Rows = Required<PackedInput> & { originalLengths: Int32Array; labels: Int32Array };

function makeRows(model: SequenceClassifier, batchSize: number, length: number): Rows {
  const { vocabSize } = model.config;
  return {
    inputIds: Int32Array.from({ length: batchSize * length }, (_, i) => (i * 7919) % vocabSize),
    tokenTypeIds: new Int32Array(batchSize * length),
    cuSeqlens: Int32Array.from({ length: batchSize + 1 }, (_, b) => b * length),
    originalLengths: new Int32Array(batchSize).fill(length),
    labels: Int32Array.from({ length: batchSize }, (_, b) => b % model.numLabels),
  };
}

/** Whether to go on. */
const unfinished = (times: readonly number[], seconds: number): boolean =>
  times.length < LEAST_BATCHES || times.reduce((sum, time) => sum + time, 0) < seconds;

async function timeInference(model: SequenceClassifier, rows: Rows, seconds: number): Promise<number[]> {
  model.eval();
  const times: number[] = [];
  for (let warm = false; !warm || unfinished(times, seconds); warm = true) {
    const start = performance.now();
    const { logits } = model.forward(rows);
    await logits.read();
    logits.dispose();
    if (warm) times.push((performance.now() - start) / 1000);
  }
  return times;
}

async function timeTraining(model: SequenceClassifier, rows: Rows, seconds: number): Promise<number[]> {
  const args = {
    batchSize: rows.labels.length,
    maxSteps: Number.MAX_SAFE_INTEGER,
    learningRate: 0,
    order: "sequential" as const,
  };
  using trainer = new Trainer({ model, args, train: rows });
  const times: number[] = [];
  let last: number | undefined;
  for await (const event of trainer.run()) {
    if (event.type !== "step") continue;
    const now = performance.now();
    // The first step tells nothing: memory is got for it.
    if (last !== undefined) times.push((now - last) / 1000);
    last = now;
    if (!unfinished(times, seconds)) break;
  }
  await model.device.synchronize();
  model.eval();
  return times;
}

function summarize(values: readonly number[]): MeasuredSpread {
  const sorted = [...values].sort((a, b) => a - b);
  const quantile = (q: number): number => {
    const position = q * (sorted.length - 1);
    const below = Math.floor(position);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
  };
  return { n: values.length, median: quantile(0.5), p10: quantile(0.1), p90: quantile(0.9) };
}
