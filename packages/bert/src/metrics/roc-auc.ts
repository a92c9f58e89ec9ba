/**
 * Area under the ROC curve: the probability that a row of the class scores higher than a row of another, ties counting half
 * (Mann & Whitney's U).
 * @param scores (B) higher means more likely
 * @param isPositive of row b
 * @returns null when all rows are of one kind: the area is not defined then
 */
export function binaryRocAuc(scores: ArrayLike<number>, isPositive: (b: number) => boolean): number | null {
  const rows = scores.length;
  const order = Array.from({ length: rows }, (_, b) => b).sort((a, b) => scores[a] - scores[b]);
  let positives = 0;
  let rankSum = 0;
  for (let start = 0; start < rows; ) {
    let end = start;
    while (end < rows && scores[order[end]] === scores[order[start]]) end++;
    // Ranks count from 1; equal scores share the mean of their ranks.
    const rank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) {
      if (!isPositive(order[i])) continue;
      positives++;
      rankSum += rank;
    }
    start = end;
  }
  const negatives = rows - positives;
  if (positives === 0 || negatives === 0) return null;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** Probabilities nearer than this tie: equal logits give probabilities that rounding tells apart. */
const RESOLUTION = 2 ** -40;

/**
 * ROC-AUC as `roc_auc_score` has it: of class 1 when there are two classes, else the mean over classes of one against the rest.
 * @param probabilities (B, C)
 * @returns null when a class does not occur
 */
export function rocAuc(probabilities: ArrayLike<number>, labels: ArrayLike<number>, classes: number): number | null {
  const rows = labels.length;
  const column = new Float64Array(rows);
  let sum = 0;
  const wanted = classes === 2 ? [1] : Array.from({ length: classes }, (_, c) => c);
  for (const c of wanted) {
    for (let b = 0; b < rows; b++) column[b] = Math.round(probabilities[b * classes + c] / RESOLUTION);
    const area = binaryRocAuc(column, (b) => labels[b] === c);
    if (area === null) return null;
    sum += area;
  }
  return sum / wanted.length;
}
