// Batches of packed sequences out of larger ones.

import { DatasetError } from "../errors.js";
import type { PackedEncoding } from "../packed-encoding.js";

/**
 * Sequences `rows` of a packed encoding, in that order, packed.
 *
 * @param rows (B) numbers of sequences; they may repeat.
 * @throws DatasetError ROW_OUT_OF_RANGE.
 */
export function packRows(encoding: PackedEncoding, rows: ArrayLike<number>): PackedEncoding {
  const cuSeqlens = packedStarts(encoding.cuSeqlens, rows);
  const tokens = cuSeqlens[rows.length];
  const packed: PackedEncoding = {
    inputIds: new Int32Array(tokens),
    tokenTypeIds: new Int32Array(tokens),
    cuSeqlens,
    originalLengths: Int32Array.from(rows, (row) => encoding.originalLengths[row]),
  };
  if (encoding.offsets) packed.offsets = new Int32Array(2 * tokens);
  if (encoding.wordIds) packed.wordIds = new Int32Array(tokens);
  for (let b = 0; b < rows.length; b++) {
    const start = encoding.cuSeqlens[rows[b]];
    const end = encoding.cuSeqlens[rows[b] + 1];
    packed.inputIds.set(encoding.inputIds.subarray(start, end), cuSeqlens[b]);
    packed.tokenTypeIds.set(encoding.tokenTypeIds.subarray(start, end), cuSeqlens[b]);
    packed.offsets?.set(encoding.offsets!.subarray(2 * start, 2 * end), 2 * cuSeqlens[b]);
    packed.wordIds?.set(encoding.wordIds!.subarray(start, end), cuSeqlens[b]);
  }
  return packed;
}

/** Where each of `rows` starts when packed, and the end. */
export function packedStarts(cuSeqlens: ArrayLike<number>, rows: ArrayLike<number>): Int32Array {
  const starts = new Int32Array(rows.length + 1);
  for (let b = 0; b < rows.length; b++) {
    const row = rows[b];
    if (!(row >= 0 && row < cuSeqlens.length - 1)) {
      throw new DatasetError("ROW_OUT_OF_RANGE", `There is no row ${row}; there are ${cuSeqlens.length - 1}.`);
    }
    starts[b + 1] = starts[b] + cuSeqlens[row + 1] - cuSeqlens[row];
  }
  return starts;
}

/** Position of every token in its own sequence, from 0. Returns (N). */
export function packedPositions(cuSeqlens: ArrayLike<number>): Int32Array {
  const positions = new Int32Array(cuSeqlens[cuSeqlens.length - 1]);
  for (let b = 0; b + 1 < cuSeqlens.length; b++) {
    for (let n = cuSeqlens[b]; n < cuSeqlens[b + 1]; n++) positions[n] = n - cuSeqlens[b];
  }
  return positions;
}
