import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SequenceClassifier } from "../model/types.js";
import { extractFeatures, type FeatureOptions } from "../pooling.js";
import { SafetensorsFile } from "../safetensors/open-file.js";
import { writeSafetensors } from "../safetensors/write-file.js";
import { hashRows } from "../training/hash-rows.js";
import { type EncodedRows, rowCount } from "../training/rows.js";
import { arraySource, flatSource } from "../training/tensor-source.js";

/** Changes when features of the same weights and rows would. */
const VERSION = 1;

/**
 * Features from the cache, or computed and cached. The key is the content of all that they depend on: encoder weights, configuration, precision,
 * pooling, ids and lengths. It is stored in the file and compared, so nothing stale or foreign is ever used.
 * @param folder undefined: no cache
 */
export async function cachedFeatures(
  model: SequenceClassifier,
  rows: EncodedRows,
  options: FeatureOptions,
  folder: string | undefined,
): Promise<{ features: Float32Array; cached: boolean }> {
  if (folder === undefined) return { features: await extractFeatures(model, rows, options), cached: false };
  const key = await featureKey(model, rows, options);
  const path = join(folder, `features-${key.slice(0, 32)}.safetensors`);
  const shape = [rowCount(rows), model.config.hiddenSize];
  const found = await readFeatures(path, key, shape);
  if (found !== undefined) return { features: found, cached: true };

  const features = await extractFeatures(model, rows, options);
  const beside = `${path}.${process.pid}.partial`;
  try {
    await mkdir(folder, { recursive: true });
    await writeSafetensors(beside, [arraySource("features", features, shape)], { key });
    await rename(beside, path);
  } catch {
    // A full or read-only disk: the features are here all the same, and the next run computes them again.
    await rm(beside, { force: true }).catch(() => {});
  }
  return { features, cached: false };
}

async function featureKey(
  model: SequenceClassifier,
  rows: EncodedRows,
  { pooling = "mean" }: FeatureOptions,
): Promise<string> {
  const hash = createHash("sha256");
  const { otherFields: _, id2label: __, ...computed } = model.config;
  hash.update(JSON.stringify({ VERSION, pooling, precision: model.precision, device: model.device.name, computed }));
  hash.update(hashRows(rows, { labels: false }));
  const encoder = [...model.parameters].filter(({ name }) => name.includes("embeddings.") || name.includes("encoder."));
  for (const { name, tensor, size } of encoder) {
    using flat = tensor.view([size]);
    hash.update(`${name};${size};`);
    for await (const chunk of flatSource(name, flat).chunks()) hash.update(chunk);
  }
  return hash.digest("hex");
}

/** @returns undefined when the file is not there, damaged or of other content: it is computed anew then */
async function readFeatures(path: string, key: string, shape: readonly number[]): Promise<Float32Array | undefined> {
  if (!existsSync(path)) return undefined;
  let file: SafetensorsFile;
  try {
    file = await SafetensorsFile.open(path);
  } catch {
    return undefined;
  }
  try {
    const entry = file.tensors.get("features");
    if (file.metadata.key !== key || entry?.type !== "F32" || entry.shape.join() !== shape.join()) return undefined;
    const bytes = await file.readBytes("features");
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  } finally {
    await file.close();
  }
}
