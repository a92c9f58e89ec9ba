import { readFileSync, writeFileSync } from "node:fs";

export interface RawEntry {
  dtype: unknown;
  shape: unknown;
  data_offsets: unknown;
}

/** A safetensors file from a header that may say anything. */
export function rawFile(header: unknown, dataBytes: number): Buffer {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

/** Rewrites the header of a safetensors file. */
export function editHeader(path: string, edit: (header: Record<string, RawEntry>) => void): void {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, RawEntry>;
  edit(header);
  const data = bytes.subarray(8 + length);
  writeFileSync(path, Buffer.concat([rawFile(header, 0), data]));
}
