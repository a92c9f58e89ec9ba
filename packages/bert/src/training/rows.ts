// Where training data comes in. The types are structural: @node-bert/datasets has classes that fit, and so may anything else.
import type { PackedInput, TextEncoder } from "../model/types.js";
import type { Truncation } from "./arguments.js";
import { TrainingDataError } from "./errors.js";

/** What a tokenizer makes of texts. */
export interface PackedEncoding extends Required<PackedInput> {
  /** Tokens with special ones before truncation, (B). */
  originalLengths: Int32Array;
}

/** What is needed of a dataset. `Dataset` of @node-bert/datasets is one. */
export interface LabelledRows {
  readonly length: number;
  readonly textColumn: string;
  readonly labelColumn: string | undefined;
  /** Index is the class: ["neg", "pos"]. */
  readonly labelNames: string[] | undefined;
  texts(): string[] | (readonly [string, string])[];
  labels(): Int32Array;
}

/** Rows after tokenization. Give these instead of texts to tokenize only once for many trainings. */
export interface EncodedRows extends PackedEncoding {
  labels: Int32Array | undefined; // (B)
  labelNames?: readonly string[];
}

export interface EncodeOptions {
  maxLength: number;
  truncation: Truncation;
  /** What the rows are called in errors: "train", "test". */
  split: string;
}

/** Texts that are tokenized between two turns of the event loop. */
const CHUNK = 512;

/**
 * Tokenizes rows; rows that are encoded already are only checked.
 * @throws {TrainingDataError} when there is no row, no label column where labels are needed, or a row that is too long
 */
export async function encodeRows(
  rows: LabelledRows | EncodedRows,
  tokenizer: TextEncoder | undefined,
  options: EncodeOptions,
): Promise<EncodedRows> {
  if ("inputIds" in rows) return checkEncoded(rows, options);
  if (rows.length === 0)
    throw new TrainingDataError(
      `The ${options.split} split has no rows, expected at least one. Check its slice or filter.`,
    );
  if (rows.labelColumn === undefined)
    throw new TrainingDataError(
      `The ${options.split} split has no label column: beside ${rows.textColumn} none of its columns looks like labels. Name it when loading.`,
    );
  const encoded = await encodeTexts(rows.texts(), tokenizer, options);
  return { ...encoded, labels: rows.labels(), labelNames: rows.labelNames };
}

/** Tokenizes texts, or pairs of texts, giving the event loop turns in between. */
export async function encodeTexts(
  texts: readonly string[] | readonly (readonly [string, string])[],
  tokenizer: TextEncoder | undefined,
  { maxLength, truncation, split }: EncodeOptions,
): Promise<PackedEncoding> {
  if (tokenizer === undefined)
    throw new TrainingDataError(
      `The ${split} rows are texts but the Trainer has no tokenizer. Give it one, or encoded rows.`,
    );
  const parts: PackedEncoding[] = [];
  for (let from = 0; from < texts.length; from += CHUNK) {
    parts.push(tokenizer.encodeBatch(texts.slice(from, from + CHUNK) as readonly string[], { maxLength, truncation }));
    await new Promise(setImmediate);
  }
  return concatenate(parts);
}

function concatenate(parts: readonly PackedEncoding[]): PackedEncoding {
  const rows = parts.reduce((sum, part) => sum + part.cuSeqlens.length - 1, 0);
  const tokens = parts.reduce((sum, part) => sum + part.inputIds.length, 0);
  const all: PackedEncoding = {
    inputIds: new Int32Array(tokens),
    tokenTypeIds: new Int32Array(tokens),
    cuSeqlens: new Int32Array(rows + 1),
    originalLengths: new Int32Array(rows),
  };
  let row = 0;
  let token = 0;
  for (const part of parts) {
    all.inputIds.set(part.inputIds, token);
    all.tokenTypeIds.set(part.tokenTypeIds, token);
    all.originalLengths.set(part.originalLengths, row);
    for (let b = 1; b < part.cuSeqlens.length; b++) all.cuSeqlens[row + b] = token + part.cuSeqlens[b];
    row += part.cuSeqlens.length - 1;
    token += part.inputIds.length;
  }
  return all;
}

function checkEncoded(rows: EncodedRows, { maxLength, split }: EncodeOptions): EncodedRows {
  const count = rowCount(rows);
  if (count < 1) throw new TrainingDataError(`The ${split} split has no rows, expected at least one.`);
  if (rows.labels !== undefined && rows.labels.length !== count)
    throw new TrainingDataError(`The ${split} split has ${count} rows but ${rows.labels.length} labels.`);
  for (let b = 0; b < count; b++) {
    const length = rows.cuSeqlens[b + 1] - rows.cuSeqlens[b];
    if (length < 1 || length > maxLength)
      throw new TrainingDataError(`Row ${b} of the ${split} split has ${length} tokens, expected 1 to ${maxLength}.`);
  }
  return rows;
}

/** Rows of an encoding. */
export function rowCount(rows: PackedEncoding): number {
  return rows.cuSeqlens.length - 1;
}

/** The rows that `indices` name, in that order, packed anew. */
export function takeRows(rows: EncodedRows, indices: ArrayLike<number>): EncodedRows {
  const count = indices.length;
  const cuSeqlens = new Int32Array(count + 1);
  for (let i = 0; i < count; i++)
    cuSeqlens[i + 1] = cuSeqlens[i] + rows.cuSeqlens[indices[i] + 1] - rows.cuSeqlens[indices[i]];
  const inputIds = new Int32Array(cuSeqlens[count]);
  const tokenTypeIds = new Int32Array(cuSeqlens[count]);
  const originalLengths = new Int32Array(count);
  const labels = rows.labels === undefined ? undefined : new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const [from, to] = [rows.cuSeqlens[indices[i]], rows.cuSeqlens[indices[i] + 1]];
    inputIds.set(rows.inputIds.subarray(from, to), cuSeqlens[i]);
    tokenTypeIds.set(rows.tokenTypeIds.subarray(from, to), cuSeqlens[i]);
    originalLengths[i] = rows.originalLengths[indices[i]];
    if (labels !== undefined && rows.labels !== undefined) labels[i] = rows.labels[indices[i]];
  }
  return { inputIds, tokenTypeIds, cuSeqlens, originalLengths, labels, labelNames: rows.labelNames };
}
