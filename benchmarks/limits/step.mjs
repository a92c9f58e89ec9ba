// What a training step has to compute and to move, counted.

/**
 * The linear layers of a step, `[N, K, M, how often]`: N tokens from K to M. Each is three products: forward, and the gradients of input and
 * weight. Attention's products and the head are left out: they would only raise the share.
 */
export function linearLayers({ layers, hiddenSize: H, intermediateSize: F, batchSize, length }) {
  const N = batchSize * length;
  return [
    [N, H, 3 * H, layers],
    [N, H, H, layers],
    [N, H, F, layers],
    [N, F, H, layers],
  ];
}

export const flopsOf = (shapes) => shapes.reduce((sum, [N, K, M, times]) => sum + 3 * times * 2 * N * K * M, 0);

/**
 * Seconds of all the step's products at the best rate that each was measured at.
 * @param best of each shape the seconds of its three products
 */
export function productSeconds(shapes, best) {
  return shapes.reduce((sum, [, , , times], i) => sum + times * Object.values(best[i]).reduce((a, b) => a + b, 0), 0);
}

/** Of each product the fastest of several measurements. */
export function bestOf(measurements) {
  return measurements[0].map((shape, i) =>
    Object.fromEntries(
      Object.keys(shape).map((name) => [name, Math.min(...measurements.map((measured) => measured[i][name]))]),
    ),
  );
}

export const BYTES = {
  /** AdamW reads parameter, gradient and two moments, and writes all but the gradient. */
  adamw: (parameters) => 7 * 4 * parameters,
  adamwBf16: (parameters) => (7 * 4 + 2) * parameters,
  sumElements: 2 ** 26,
  /** One vector added to another in place: two are read and one is written. With a third to write to, its lines would be read, too. */
  sum: () => 3 * 4 * 2 ** 26,
};
