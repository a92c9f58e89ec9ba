// What the Trainer's tests share: fixture folders of test/fixtures (see its README) as models and rows.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Device, openDevice } from "@node-bert/core-native";
import { BertForSequenceClassification } from "../../src/model/bert-for-sequence-classification.js";
import { SafetensorsFile } from "../../src/safetensors/open-file.js";
import type { EncodedRows } from "../../src/training/rows.js";
import { takeRows } from "../../src/training/rows.js";

/** One thread: these models are small, and tests of several files run at once. */
export const cpu: Device = openDevice("cpu", { threads: 1 });

export function fixturePath(path: string): string {
  return fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));
}

export function fixtureJson<T>(path: string): T {
  return JSON.parse(readFileSync(fixturePath(path), "utf8")) as T;
}

/** The model of a fixture folder; dropout is 0 in their configurations. */
export function fixtureModel(
  folder: "tiny" | "odd",
  options: { device?: Device; dropout?: number; precision?: "fp32" | "bf16"; seed?: number } = {},
): Promise<BertForSequenceClassification> {
  return BertForSequenceClassification.fromPretrained(fixturePath(`${folder}/model`), {
    device: cpu,
    onNotice: () => {},
    ...options,
  });
}

/** The 40 labelled rows of a fixture folder, or those that are named. */
export async function fixtureRows(folder: "tiny" | "odd", indices?: ArrayLike<number>): Promise<EncodedRows> {
  const file = await SafetensorsFile.open(fixturePath(`${folder}/rows.safetensors`));
  try {
    const read = async (name: string): Promise<Int32Array> => {
      const bytes = await file.readBytes(name);
      return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4).slice();
    };
    const cuSeqlens = await read("packed.cu_seqlens");
    const rows: EncodedRows = {
      inputIds: await read("packed.input_ids"),
      tokenTypeIds: await read("packed.token_type_ids"),
      cuSeqlens,
      originalLengths: Int32Array.from(cuSeqlens.subarray(1), (end, b) => end - cuSeqlens[b]),
      labels: await read("labels"),
    };
    return indices === undefined ? rows : takeRows(rows, indices);
  } finally {
    await file.close();
  }
}

/** Rows of one length, so that every step has the same shapes. */
export function equalRows(count: number, length: number, vocabulary: number): EncodedRows {
  const cuSeqlens = Int32Array.from({ length: count + 1 }, (_, b) => b * length);
  return {
    inputIds: Int32Array.from({ length: count * length }, (_, i) => 1 + ((i * 7919) % (vocabulary - 1))),
    tokenTypeIds: new Int32Array(count * length),
    cuSeqlens,
    originalLengths: new Int32Array(count).fill(length),
    labels: Int32Array.from({ length: count }, (_, b) => b % 2),
  };
}

export async function readWeights(model: BertForSequenceClassification): Promise<Map<string, Float32Array>> {
  const weights = new Map<string, Float32Array>();
  for (const { name, tensor } of model.parameters) weights.set(name, (await tensor.read()) as Float32Array);
  return weights;
}

/** ‖got − expected‖ / ‖expected‖, NaN where anything is NaN. */
export function normalisedError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (got[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return got.length === expected.length ? Math.sqrt(difference / norm) : Number.NaN;
}

/** Callbacks that keep tests quiet. */
export const quiet = { onNotice: () => {}, onLog: () => {}, onEvaluated: () => {} };
