import { type BootstrapOptions, bootstrapIntervals, type Interval } from "./bootstrap.js";
import { type CalibrationBin, calibrationOf } from "./calibration.js";
import { accuracyOf, type ConfusionMatrix, confusionMatrix, f1Of, matthewsOf } from "./confusion.js";
import { rocAuc } from "./roc-auc.js";
import { argmax, meanCrossEntropy, softmax } from "./softmax.js";

/** What is known of a classifier on labelled rows. `null`: not defined on these rows. */
export interface Evaluation {
  rows: number;
  accuracy: number;
  /** 95 % bootstrap interval. */
  accuracyInterval: Interval;
  /** Of class 1 for two classes, else the macro mean. */
  f1: number;
  f1Interval: Interval;
  /** Matthews' correlation coefficient. */
  mcc: number;
  /** Of class 1 for two classes, else one against the rest, macro mean; null when a class does not occur. */
  rocAuc: number | null;
  /** Mean cross-entropy. */
  loss: number;
  /** Expected calibration error over 15 bins. */
  calibrationError: number;
  calibration: CalibrationBin[];
  /** `confusion[actual][predicted]`. */
  confusion: ConfusionMatrix;
}

/**
 * Every metric of a classifier's logits.
 * @param logits (B, C) row-major, B ≥ 1
 * @param labels (B) below C
 * @example
 * evaluateLogits([2, 0, 0, 1], [0, 1], 2).accuracy; // 1
 */
export function evaluateLogits(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
  bootstrap: BootstrapOptions = {},
): Evaluation {
  const probabilities = softmax(logits, classes);
  const predicted = argmax(logits, classes);
  const confusion = confusionMatrix(labels, predicted, classes);
  const [accuracyInterval, f1Interval] = bootstrapIntervals(labels, predicted, classes, [accuracyOf, f1Of], bootstrap);
  const calibration = calibrationOf(probabilities, labels, predicted, classes);
  return {
    rows: labels.length,
    accuracy: accuracyOf(confusion),
    accuracyInterval,
    f1: f1Of(confusion),
    f1Interval,
    mcc: matthewsOf(confusion),
    rocAuc: rocAuc(probabilities, labels, classes),
    loss: meanCrossEntropy(logits, labels, classes),
    calibrationError: calibration.error,
    calibration: calibration.bins,
    confusion,
  };
}
