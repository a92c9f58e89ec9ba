import type { Device, Tensor } from "@node-bert/core-native";
import type { BertConfig } from "./config.js";
import type { BertInput, PackedInput, Pooling } from "./model/types.js";
import { computeRows, type TokenBatchOptions } from "./token-batches.js";

/** A model with an encoder: {@link BertModel}, {@link BertForSequenceClassification}. */
export interface PoolingModel {
  readonly config: BertConfig;
  readonly device: Device;
  readonly training: boolean;
  train(): unknown;
  eval(): unknown;
  pool(input: BertInput, pooling: Pooling): Tensor;
}

export interface FeatureOptions extends TokenBatchOptions {
  /** Default "mean": of the three the best features where nothing is trained. */
  pooling?: Pooling;
}

/**
 * One vector for each sequence from the encoder's last hidden state, without dropout; for a linear probe, search, clustering.
 * @returns (rows, H), in input order
 * @throws {InputError} for ids, types or lengths that the model has no embedding for
 * @example
 * const features = await extractFeatures(model, tokenizer.encodeBatch(texts, { maxLength: 128 }), { pooling: "mean" });
 */
export async function extractFeatures(
  model: PoolingModel,
  sequences: PackedInput,
  options: FeatureOptions = {},
): Promise<Float32Array> {
  const { pooling = "mean", ...batching } = options;
  return computeRows(model, sequences, model.config.hiddenSize, (input) => model.pool(input, pooling), batching);
}
