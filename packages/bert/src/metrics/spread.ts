/** Mean and sample standard deviation (n − 1) of repeated runs. */
export interface Spread {
  mean: number;
  /** 0 for one value. */
  deviation: number;
  values: number[];
}

/** What `--seeds 5` reports of a metric. @param values at least one */
export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)), values: [...values] };
}
