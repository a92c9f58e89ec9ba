// Whether two contenders gave the same answer. The error is ‖difference‖ / ‖expected − its mean over the rows‖ over the logits of all rows: a
// program that gave every row the same logits would be off by 1, one that mixed up the rows by about 1.4.

/** The most that a precision may differ from PyTorch's fp32 on random weights; int8's is what dynamic quantization of the peers needs. */
export const TOLERANCE = { fp32: 1e-3, bf16: 0.25, int8: 0.9 };

const norm = (values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

/**
 * @param logits (rows, C) @param expected (rows, C)
 * @returns the error
 * @throws Error when the shapes differ, or the error is above the precision's tolerance, or not a number
 */
export function compareLogits(name, logits, expected, precision) {
  const shape = (rows) => `${rows.length} × ${rows[0]?.length}`;
  if (logits.length !== expected.length || logits.some((row, b) => row.length !== expected[b].length))
    throw new Error(`${name} gave logits of ${shape(logits)}, expected ${shape(expected)}`);
  const [given, wanted] = [logits.flat(), expected.flat()];
  const mean = expected[0].map((_, c) => expected.reduce((sum, row) => sum + row[c], 0) / expected.length);
  const spread = norm(expected.flatMap((row) => row.map((value, c) => value - mean[c])));
  const error = norm(given.map((value, i) => value - wanted[i])) / spread;
  // Not `>`: a NaN must fail.
  if (!(error <= TOLERANCE[precision]))
    throw new Error(`${name} does not do the same work: its logits are off by ${error}`);
  return error;
}
