// Made-up rows, and parts of a run.

/** `count` rows of made-up words, `lengthOf(row)` tokens each, as the Trainer takes them. */
export function makeRows(count, lengthOf, vocabSize) {
  const originalLengths = Int32Array.from({ length: count }, (_, row) => lengthOf(row));
  const cuSeqlens = new Int32Array(count + 1);
  for (let row = 0; row < count; row++) cuSeqlens[row + 1] = cuSeqlens[row] + originalLengths[row];
  const inputIds = Int32Array.from({ length: cuSeqlens[count] }, (_, i) => 1996 + ((i * 7919) % (vocabSize - 1996)));
  const labels = Int32Array.from({ length: count }, (_, row) => row % 2);
  return { inputIds, tokenTypeIds: new Int32Array(inputIds.length), cuSeqlens, originalLengths, labels };
}

/** The steps of a run in `parts` of about as many, `{ steps, seconds }` each. @param seconds of every step */
export function countsOfSteps(seconds, parts) {
  const count = Math.min(parts, seconds.length);
  return Array.from({ length: count }, (_, part) => {
    const [first, last] = [part, part + 1].map((edge) => Math.round((edge * seconds.length) / count));
    return { steps: last - first, seconds: seconds.slice(first, last).reduce((a, b) => a + b, 0) };
  });
}
