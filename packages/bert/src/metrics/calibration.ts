/** Rows whose confidence lies in (lower, upper]. */
export interface CalibrationBin {
  lower: number;
  upper: number;
  rows: number;
  /** Mean probability of the predicted class; 0 in an empty bin. */
  confidence: number;
  /** Share of rows predicted right; 0 in an empty bin. */
  accuracy: number;
}

export interface Calibration {
  /** Expected calibration error: Σ (rows of bin / rows) · |accuracy − confidence|. */
  error: number;
  bins: CalibrationBin[];
}

/**
 * Expected calibration error over bins of equal width (Guo et al. 2017, "On Calibration of Modern Neural Networks").
 * @param probabilities (B, C)
 * @param bins default 15, as in the paper
 */
export function calibrationOf(
  probabilities: ArrayLike<number>,
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
  bins = 15,
): Calibration {
  const rows = labels.length;
  const counts = new Float64Array(bins);
  const confidences = new Float64Array(bins);
  const correct = new Float64Array(bins);
  for (let b = 0; b < rows; b++) {
    const confidence = probabilities[b * classes + predicted[b]];
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1));
    counts[bin]++;
    confidences[bin] += confidence;
    if (labels[b] === predicted[b]) correct[bin]++;
  }
  let error = 0;
  const listed: CalibrationBin[] = [];
  for (let i = 0; i < bins; i++) {
    const n = counts[i];
    error += Math.abs(correct[i] - confidences[i]) / rows;
    listed.push({
      lower: i / bins,
      upper: (i + 1) / bins,
      rows: n,
      confidence: n === 0 ? 0 : confidences[i] / n,
      accuracy: n === 0 ? 0 : correct[i] / n,
    });
  }
  return { error, bins: listed };
}
