import type { SequenceClassifier } from "../model/types.js";
import { type EncodedRows, rowCount, takeRows } from "./rows.js";

export interface PredictOptions {
  batchSize: number;
  signal?: AbortSignal;
  /** Called as rows are done. */
  onProgress?: (rows: number, of: number) => void;
}

/**
 * Logits of rows, in evaluation mode. The next batch is enqueued before the last one is read.
 * @returns (B, C)
 * @throws the signal's reason when it is aborted
 */
export async function predictRows(
  model: SequenceClassifier,
  rows: EncodedRows,
  options: PredictOptions,
): Promise<Float64Array> {
  const wasTraining = model.training;
  if (wasTraining) model.eval();
  try {
    return await predictBatches(model, rows, options);
  } finally {
    if (wasTraining) model.train();
  }
}

async function predictBatches(
  model: SequenceClassifier,
  rows: EncodedRows,
  options: PredictOptions,
): Promise<Float64Array> {
  const { batchSize, signal, onProgress } = options;
  const count = rowCount(rows);
  const classes = model.numLabels;
  const logits = new Float64Array(count * classes);
  const store = async (reading: Promise<ArrayLike<number>>, from: number): Promise<void> => {
    const values = await reading;
    logits.set(values, from * classes);
    onProgress?.(from + values.length / classes, count);
  };
  let previous: Promise<void> | undefined;
  for (let from = 0; from < count; from += batchSize) {
    signal?.throwIfAborted();
    const indices = Int32Array.from({ length: Math.min(batchSize, count - from) }, (_, i) => from + i);
    const batch = takeRows(rows, indices);
    const { reading } = model.device.scope(() => ({ reading: model.forward(batch).logits.read() }));
    const next = store(reading, from);
    next.catch(() => {});
    await previous;
    previous = next;
  }
  await previous;
  return logits;
}
