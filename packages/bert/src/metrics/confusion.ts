// Metrics that are functions of the confusion matrix alone. Definitions and conventions for 0/0 are scikit-learn's.

/** `confusion[actual][predicted]` is a count of rows. */
export type ConfusionMatrix = number[][];

/** @param labels (B) below classes @param predicted (B) below classes */
export function confusionMatrix(
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
): ConfusionMatrix {
  const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let b = 0; b < labels.length; b++) confusion[labels[b]][predicted[b]]++;
  return confusion;
}

/** Share of rows on the diagonal. */
export function accuracyOf(confusion: ConfusionMatrix): number {
  let correct = 0;
  let rows = 0;
  for (let actual = 0; actual < confusion.length; actual++) {
    correct += confusion[actual][actual];
    for (const count of confusion[actual]) rows += count;
  }
  return correct / rows;
}

/**
 * F1: of class 1 when there are two classes, else the mean over the classes that occur or are predicted (`f1_score`'s "binary" and
 * "macro"). A class with nothing right has 0.
 */
export function f1Of(confusion: ConfusionMatrix): number {
  if (confusion.length === 2) return f1OfClass(confusion, 1) ?? 0;
  let sum = 0;
  let counted = 0;
  for (let c = 0; c < confusion.length; c++) {
    const f1 = f1OfClass(confusion, c);
    if (f1 === undefined) continue;
    sum += f1;
    counted++;
  }
  return counted === 0 ? 0 : sum / counted;
}

/** 2 TP / (2 TP + FP + FN); undefined for a class that neither occurs nor is predicted. */
function f1OfClass(confusion: ConfusionMatrix, c: number): number | undefined {
  let actual = 0;
  let predicted = 0;
  for (let other = 0; other < confusion.length; other++) {
    actual += confusion[c][other];
    predicted += confusion[other][c];
  }
  return actual + predicted === 0 ? undefined : (2 * confusion[c][c]) / (actual + predicted);
}

/** Matthews' correlation coefficient, for any number of classes (Gorodkin 2004); 0 when only one class occurs or is predicted. */
export function matthewsOf(confusion: ConfusionMatrix): number {
  const classes = confusion.length;
  const actual = new Float64Array(classes);
  const predicted = new Float64Array(classes);
  let correct = 0;
  let rows = 0;
  for (let i = 0; i < classes; i++) {
    correct += confusion[i][i];
    for (let j = 0; j < classes; j++) {
      actual[i] += confusion[i][j];
      predicted[j] += confusion[i][j];
      rows += confusion[i][j];
    }
  }
  let both = 0;
  let actualSquared = 0;
  let predictedSquared = 0;
  for (let c = 0; c < classes; c++) {
    both += actual[c] * predicted[c];
    actualSquared += actual[c] ** 2;
    predictedSquared += predicted[c] ** 2;
  }
  const denominator = Math.sqrt(rows ** 2 - predictedSquared) * Math.sqrt(rows ** 2 - actualSquared);
  return denominator === 0 ? 0 : (correct * rows - both) / denominator;
}
