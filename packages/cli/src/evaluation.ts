import type { Evaluation } from "@node-bert/bert";
import { number, percent, table } from "./output.js";

/** An evaluation as lines for a person. */
export function renderEvaluation(evaluation: Evaluation, labels: readonly string[]): string {
  const interval = ([low, high]: readonly [number, number]) => `(95 % interval ${percent(low)} to ${percent(high)})`;
  const lines = [
    ["rows", String(evaluation.rows)],
    ["accuracy", `${percent(evaluation.accuracy)} ${interval(evaluation.accuracyInterval as [number, number])}`],
    ["F1", `${percent(evaluation.f1)} ${interval(evaluation.f1Interval as [number, number])}`],
    ["MCC", number(evaluation.mcc)],
    ["ROC AUC", number(evaluation.rocAuc)],
    ["loss", number(evaluation.loss)],
    ["calibration error", percent(evaluation.calibrationError)],
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  const confusion = table(
    ["actual \\ predicted", ...labels],
    evaluation.confusion.map((row, actual) => [labels[actual], ...Array.from(row, String)]),
    ["left", ...labels.map(() => "right" as const)],
  );
  return `${lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n")}\n\n${confusion}`;
}
