import { gatherRows, meanPool, type Tensor } from "@node-bert/core-native";
import type { SequenceClassifier } from "../model/types.js";
import { type EncodedRows, rowCount, takeRows } from "../training/rows.js";

/** How a sequence's hidden states become one vector: their mean over its tokens, or the first one's, [CLS]. */
export type Pooling = "mean" | "cls";

export interface FeatureOptions {
  pooling: Pooling;
  batchSize: number;
  signal?: AbortSignal;
  onProgress?: (rows: number, of: number) => void;
}

/**
 * The frozen encoder's last hidden states, pooled.
 * @returns (B, H)
 */
export async function extractFeatures(
  model: SequenceClassifier,
  rows: EncodedRows,
  options: FeatureOptions,
): Promise<Float32Array> {
  const { batchSize, signal, onProgress } = options;
  const count = rowCount(rows);
  const width = model.config.hiddenSize;
  const features = new Float32Array(count * width);
  model.eval();
  const store = async (reading: Promise<ArrayLike<number>>, from: number): Promise<void> => {
    const values = await reading;
    features.set(values, from * width);
    onProgress?.(from + values.length / width, count);
  };
  let previous: Promise<void> | undefined;
  for (let from = 0; from < count; from += batchSize) {
    signal?.throwIfAborted();
    const indices = Int32Array.from({ length: Math.min(batchSize, count - from) }, (_, i) => from + i);
    const batch = takeRows(rows, indices);
    const { reading } = model.device.scope(() => ({ reading: pooledStates(model, batch, options.pooling).read() }));
    const next = store(reading, from);
    next.catch(() => {});
    await previous;
    previous = next;
  }
  await previous;
  return features;
}

/** @returns (B, H) */
function pooledStates(model: SequenceClassifier, batch: EncodedRows, pooling: Pooling): Tensor {
  const { device } = model;
  const states = model.forward(batch, { hiddenStates: true }).hiddenStates?.at(-1) as Tensor;
  const sequences = device.sequences(batch.cuSeqlens);
  return pooling === "mean" ? meanPool(states, sequences) : gatherRows(states, device.tensor(sequences.firstTokens()));
}
