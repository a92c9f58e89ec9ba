// Medians and spreads of repeated measurements.

/** The q-quantile (0 … 1) of a non-empty list, interpolated linearly between neighbours as numpy does. */
export function quantile(values, q) {
  if (values.length === 0) throw new Error("quantile: no values");
  const sorted = [...values].sort((a, b) => a - b);
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}

/** How results record a measurement: `{ n, median, p10, p90 }`. */
export function summarize(values) {
  return { n: values.length, median: quantile(values, 0.5), p10: quantile(values, 0.1), p90: quantile(values, 0.9) };
}
