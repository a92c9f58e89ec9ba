// The format (Hugging Face, "Safetensors"): 8 bytes of header length n, little-endian; n bytes of JSON; the data. Nothing in a header is believed
// before it was checked against the file: the regions of the tensors must tile the data exactly.
import { WeightsError } from "../errors.js";
import { duplicateKey } from "./duplicate-key.js";

/** Bytes of one element, by the format's names of types. */
export const TYPE_BYTES: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
};

/** The format's own limit: more would be an attack, or no header. */
export const LARGEST_HEADER_BYTES = 100_000_000;

export interface TensorEntry {
  name: string;
  /** "F32", "BF16", … */
  type: string;
  shape: readonly number[];
  /** In bytes, from the start of the file. */
  offset: number;
  bytes: number;
}

export interface Header {
  metadata: Readonly<Record<string, string>>;
  tensors: ReadonlyMap<string, TensorEntry>;
}

/**
 * Reads the length field.
 * @param prefix the first 8 bytes of the file, or fewer if it has fewer
 * @throws {WeightsError}
 */
export function parseHeaderLength(prefix: Uint8Array, fileBytes: number, path: string): number {
  if (prefix.length < 8)
    throw new WeightsError(
      `${path}: truncated, it has ${fileBytes} bytes; a safetensors file starts with 8 of length.`,
    );
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(LARGEST_HEADER_BYTES))
    throw new WeightsError(
      `${path}: its header claims ${length} bytes, expected at most ${LARGEST_HEADER_BYTES}: this is no safetensors file, or a damaged one.`,
    );
  if (length > BigInt(fileBytes - 8))
    throw new WeightsError(
      `${path}: truncated, its header claims ${length} bytes but only ${fileBytes - 8} follow. Download or copy it again.`,
    );
  return Number(length);
}

/**
 * Checks a header.
 * @param bytes the JSON
 * @param dataStart where the data starts in the file
 * @throws {WeightsError} naming file and tensor
 */
export function parseHeader(bytes: Uint8Array, dataStart: number, fileBytes: number, path: string): Header {
  const json = parseJson(bytes, path);
  const metadata: Record<string, string> = {};
  const tensors = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(json)) {
    if (name !== "__metadata__") {
      tensors.set(name, parseEntry(name, value, dataStart, fileBytes, path));
      continue;
    }
    if (value === null || typeof value !== "object" || Object.values(value).some((text) => typeof text !== "string"))
      throw new WeightsError(`${path}: __metadata__ is ${JSON.stringify(value)}, expected an object of strings.`);
    Object.assign(metadata, value);
  }
  checkTiling([...tensors.values()], dataStart, fileBytes, path);
  return { metadata, tensors };
}

function parseJson(bytes: Uint8Array, path: string): Record<string, unknown> {
  let json: unknown;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    json = JSON.parse(text);
  } catch (cause) {
    throw new WeightsError(`${path}: its header is not JSON (${(cause as Error).message}).`, { cause });
  }
  if (json === null || typeof json !== "object" || Array.isArray(json))
    throw new WeightsError(`${path}: its header is ${JSON.stringify(json)?.slice(0, 40)}, expected a JSON object.`);
  const duplicate = duplicateKey(text);
  if (duplicate !== undefined)
    throw new WeightsError(`${path}: the tensor ${duplicate} is there twice, expected each name once.`);
  return json as Record<string, unknown>;
}

function parseEntry(name: string, value: unknown, dataStart: number, fileBytes: number, path: string): TensorEntry {
  const wrong = (what: string): WeightsError => new WeightsError(`${path}: tensor ${name}: ${what}.`);
  if (value === null || typeof value !== "object")
    throw wrong(`its entry is ${JSON.stringify(value)}, expected an object`);
  const { dtype, shape, data_offsets: offsets } = value as Record<string, unknown>;
  if (typeof dtype !== "string" || !Object.hasOwn(TYPE_BYTES, dtype))
    throw wrong(`dtype is ${JSON.stringify(dtype)}, expected one of ${Object.keys(TYPE_BYTES).join(", ")}`);
  if (!isSizes(shape)) throw wrong(`shape is ${JSON.stringify(shape)}, expected an array of integers`);
  if (!isSizes(offsets) || offsets.length !== 2)
    throw wrong(`data_offsets is ${JSON.stringify(offsets)}, expected two integers`);
  const [begin, end] = offsets;
  const dataBytes = fileBytes - dataStart;
  if (begin > end) throw wrong(`data_offsets ${begin} to ${end} run backwards`);
  if (end > dataBytes)
    throw wrong(
      `its data ends at byte ${end} of ${dataBytes} in the file: the file is truncated, or its header is wrong`,
    );
  const bytes = shape.reduce((product, dim) => product * dim, TYPE_BYTES[dtype]);
  if (bytes !== end - begin)
    throw wrong(
      `shape (${shape.join(", ")}) in ${dtype} takes ${bytes} bytes, but its data_offsets span ${end - begin}`,
    );
  return { name, type: dtype, shape, offset: dataStart + begin, bytes };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function checkTiling(entries: TensorEntry[], dataStart: number, fileBytes: number, path: string): void {
  entries.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = dataStart;
  let previous = "the header";
  for (const { name, offset, bytes } of entries) {
    if (offset < end) throw new WeightsError(`${path}: the data of tensor ${name} overlaps that of ${previous}.`);
    if (offset > end)
      throw new WeightsError(
        `${path}: ${offset - end} bytes between ${previous} and tensor ${name} belong to no tensor.`,
      );
    end = offset + bytes;
    previous = `tensor ${name}`;
  }
  if (end !== fileBytes)
    throw new WeightsError(`${path}: ${fileBytes - end} bytes after ${previous} belong to no tensor.`);
}
