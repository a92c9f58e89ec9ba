/** Class probabilities in float64. @param logits (B, C) row-major @returns (B, C) */
export function softmax(logits: ArrayLike<number>, classes: number): Float64Array {
  const probabilities = new Float64Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) largest = Math.max(largest, logits[start + c]);
    let sum = 0;
    for (let c = 0; c < classes; c++) {
      const value = Math.exp(logits[start + c] - largest);
      probabilities[start + c] = value;
      sum += value;
    }
    for (let c = 0; c < classes; c++) probabilities[start + c] /= sum;
  }
  return probabilities;
}

/** Index of the largest logit of each row, the first of equals, as `argmax` has it. @param logits (B, C) @returns (B) */
export function argmax(logits: ArrayLike<number>, classes: number): Int32Array {
  const predicted = new Int32Array(logits.length / classes);
  for (let b = 0; b < predicted.length; b++) {
    let best = 0;
    for (let c = 1; c < classes; c++) if (logits[b * classes + c] > logits[b * classes + best]) best = c;
    predicted[b] = best;
  }
  return predicted;
}

/** −log softmax(logits)[label], averaged over rows, in float64. @param logits (B, C) @param labels (B) */
export function meanCrossEntropy(logits: ArrayLike<number>, labels: ArrayLike<number>, classes: number): number {
  let total = 0;
  for (let b = 0; b < labels.length; b++) {
    const start = b * classes;
    let largest = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classes; c++) largest = Math.max(largest, logits[start + c]);
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += Math.exp(logits[start + c] - largest);
    total += Math.log(sum) + largest - logits[start + labels[b]];
  }
  return total / labels.length;
}
