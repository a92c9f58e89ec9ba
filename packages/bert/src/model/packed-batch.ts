// Everything that ids, types and lengths can be wrong with is found here, on the host, before anything is enqueued.
import type { BertConfig } from "../config.js";
import { InputError } from "../errors.js";
import type { BertInput, PackedInput, PaddedInput } from "./types.js";

/** A checked batch, packed, with the position of each token. */
export interface PackedBatch {
  inputIds: Int32Array; // (N)
  positions: Int32Array; // (N)
  tokenTypeIds: Int32Array; // (N)
  cuSeqlens: Int32Array; // (B + 1)
}

/** @throws {InputError} naming sequence and token */
export function packBatch(input: BertInput, config: BertConfig): PackedBatch {
  const batch = "cuSeqlens" in input ? fromPacked(input) : fromPadded(input);
  checkBatch(batch, config);
  return batch;
}

function fromPacked({ inputIds, tokenTypeIds, cuSeqlens }: PackedInput): PackedBatch {
  if (!(inputIds instanceof Int32Array) || !(cuSeqlens instanceof Int32Array))
    throw new InputError("A packed batch has inputIds and cuSeqlens that are no Int32Array, expected Int32Arrays.");
  if (cuSeqlens.length < 2 || cuSeqlens[0] !== 0 || cuSeqlens[cuSeqlens.length - 1] !== inputIds.length)
    throw new InputError(
      `cuSeqlens has ${cuSeqlens.length} offsets from ${cuSeqlens[0]} to ${cuSeqlens[cuSeqlens.length - 1]}, ` +
        `expected B + 1 from 0 to the number of tokens, ${inputIds.length}, with B at least 1.`,
    );
  const types = tokenTypeIds ?? new Int32Array(inputIds.length);
  if (types.length !== inputIds.length)
    throw new InputError(`There are ${types.length} tokenTypeIds for ${inputIds.length} inputIds, expected as many.`);
  const positions = new Int32Array(inputIds.length);
  for (let b = 0; b + 1 < cuSeqlens.length; b++)
    for (let n = cuSeqlens[b]; n < cuSeqlens[b + 1]; n++) positions[n] = n - cuSeqlens[b];
  return { inputIds, positions, tokenTypeIds: types, cuSeqlens };
}

function fromPadded({ inputIds, attentionMask, tokenTypeIds }: PaddedInput): PackedBatch {
  const columns = inputIds[0]?.length ?? 0;
  for (const [name, rows] of Object.entries({ inputIds, attentionMask, tokenTypeIds })) {
    if (rows === undefined) continue;
    if (rows.length !== inputIds.length || inputIds.length === 0)
      throw new InputError(`${name} has ${rows.length} rows, expected ${inputIds.length || "at least one"}.`);
    const odd = rows.findIndex((row) => row.length !== columns);
    if (odd >= 0)
      throw new InputError(
        `${name}: row ${odd} has ${rows[odd].length} columns, expected ${columns}: pad rows to equal length.`,
      );
  }
  const cuSeqlens = new Int32Array(inputIds.length + 1);
  const packed: [ids: number[], positions: number[], types: number[]] = [[], [], []];
  for (let b = 0; b < inputIds.length; b++) {
    for (let s = 0; s < columns; s++) {
      const mask = attentionMask?.[b][s] ?? 1;
      if (mask === 0) continue;
      if (mask !== 1) throw new InputError(`attentionMask: row ${b}, column ${s} is ${mask}, expected 0 or 1.`);
      if (!Number.isInteger(inputIds[b][s]))
        throw new InputError(`inputIds: row ${b}, column ${s} is ${inputIds[b][s]}, expected an integer.`);
      packed[0].push(inputIds[b][s]);
      packed[1].push(s);
      packed[2].push(tokenTypeIds?.[b][s] ?? 0);
    }
    cuSeqlens[b + 1] = packed[0].length;
  }
  const [ids, positions, types] = packed.map((values) => Int32Array.from(values));
  return { inputIds: ids, positions, tokenTypeIds: types, cuSeqlens };
}

function checkBatch({ inputIds, positions, tokenTypeIds, cuSeqlens }: PackedBatch, config: BertConfig): void {
  for (let b = 0; b + 1 < cuSeqlens.length; b++) {
    const [from, to] = [cuSeqlens[b], cuSeqlens[b + 1]];
    if (to <= from) throw new InputError(`Sequence ${b} has no token, expected at least one.`);
    if (positions[to - 1] >= config.maxPositionEmbeddings)
      throw new InputError(
        `Sequence ${b} has ${positions[to - 1] + 1} tokens, expected at most ${config.maxPositionEmbeddings}: ` +
          "the model has no more positions. Truncate when tokenizing.",
      );
    for (let n = from; n < to; n++) {
      if (!(inputIds[n] >= 0 && inputIds[n] < config.vocabSize))
        throw new InputError(
          `Sequence ${b}, token ${n - from}: the id is ${inputIds[n]}, expected 0 to ${config.vocabSize - 1}: ` +
            "does the tokenizer belong to this model?",
        );
      if (!(tokenTypeIds[n] >= 0 && tokenTypeIds[n] < config.typeVocabSize))
        throw new InputError(
          `Sequence ${b}, token ${n - from}: the token type is ${tokenTypeIds[n]}, expected 0 to ${config.typeVocabSize - 1}.`,
        );
    }
  }
}
