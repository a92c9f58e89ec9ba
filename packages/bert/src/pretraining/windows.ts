import type { PackedEncoding } from "../training/rows.js";

/**
 * Cuts sequences that are too long into as many as it takes, each with the special tokens of its own at both ends. Nothing is thrown away, and no
 * sequence has tokens of two texts.
 * @param encoding each sequence is [CLS] … [SEP]
 * @param maxLength tokens of the longest, special ones included
 */
export function cutIntoWindows(encoding: PackedEncoding, maxLength: number): PackedEncoding {
  const { inputIds, cuSeqlens } = encoding;
  const inner = maxLength - 2;
  const lengths: number[] = [];
  const ids: Int32Array[] = [];
  for (let b = 0; b + 1 < cuSeqlens.length; b++) {
    const [from, to] = [cuSeqlens[b], cuSeqlens[b + 1] - 1];
    for (let start = from + 1; start < to; start += inner) {
      const window = new Int32Array(Math.min(inner, to - start) + 2);
      window[0] = inputIds[from];
      window.set(inputIds.subarray(start, start + window.length - 2), 1);
      window[window.length - 1] = inputIds[to];
      ids.push(window);
      lengths.push(window.length);
    }
  }
  const offsets = new Int32Array(lengths.length + 1);
  lengths.forEach((length, b) => {
    offsets[b + 1] = offsets[b] + length;
  });
  const all = new Int32Array(offsets[lengths.length]);
  ids.forEach((window, b) => {
    all.set(window, offsets[b]);
  });
  return {
    inputIds: all,
    tokenTypeIds: new Int32Array(all.length),
    cuSeqlens: offsets,
    originalLengths: Int32Array.from(lengths),
  };
}
