// The folders of test/fixtures: models saved by Hugging Face and what it computes with them (test/fixtures/README.md).
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { PackedInput } from "../../src/model/types.js";
import { SafetensorsFile } from "../../src/safetensors/open-file.js";

export const FIXTURES = fileURLToPath(new URL("../fixtures/", import.meta.url));

export function modelFolder(name: string): string {
  return `${FIXTURES}${name}/model`;
}

/** A safetensors file held in memory. */
export interface Reference {
  names: string[];
  floats(name: string): { shape: readonly number[]; data: Float32Array };
  ints(name: string): Int32Array;
  input: Required<PackedInput>;
  labels: Int32Array;
}

export async function readReference(path: string): Promise<Reference> {
  const file = await SafetensorsFile.open(resolve(FIXTURES, path));
  const bytes = new Map<string, Uint8Array>();
  for (const name of file.tensors.keys()) bytes.set(name, await file.readBytes(name));
  await file.close();
  const buffer = (name: string): ArrayBuffer => {
    const found = bytes.get(name);
    if (found === undefined) throw new Error(`${path} has no ${name}`);
    return found.buffer as ArrayBuffer;
  };
  const ints = (name: string): Int32Array => new Int32Array(buffer(name));
  return {
    names: [...bytes.keys()],
    floats: (name) => ({ shape: file.tensors.get(name)!.shape, data: new Float32Array(buffer(name)) }),
    ints,
    input: {
      inputIds: ints("packed.input_ids"),
      tokenTypeIds: ints("packed.token_type_ids"),
      cuSeqlens: ints("packed.cu_seqlens"),
    },
    labels: bytes.has("labels") ? ints("labels") : new Int32Array(0),
  };
}

export function readJson(path: string): Record<string, unknown> {
  return JSON.parse(readFileSync(`${FIXTURES}${path}`, "utf8")) as Record<string, unknown>;
}

/** (B, S) rows of a packed array, padded at the end. */
export function padRows(values: Int32Array, cuSeqlens: Int32Array, columns: number, padding = 0): number[][] {
  return Array.from({ length: cuSeqlens.length - 1 }, (_, b) => {
    const row = Array.from(values.subarray(cuSeqlens[b], cuSeqlens[b + 1]));
    return [...row, ...new Array<number>(columns - row.length).fill(padding)];
  });
}
