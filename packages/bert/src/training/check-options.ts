import { DEFAULT_ARGUMENTS } from "./arguments.js";
import { TrainingArgumentError } from "./errors.js";
import { nearestName } from "./nearest-name.js";

/** What people bring from Hugging Face's `Trainer`. */
const TRAINER_OPTIONS: Readonly<Record<string, string>> = {
  trainDataset: "train",
  evalDataset: "validation",
  eval: "validation",
  testDataset: "test",
  processingClass: "tokenizer",
};

/** @throws {TrainingArgumentError} for an option that a Trainer does not have: it would be ignored in silence */
export function refuseUnknownOptions(options: object): void {
  const known = ["model", "tokenizer", "args", "train", "validation", "test", "callbacks"];
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    if (key === "computeMetrics")
      throw new TrainingArgumentError(
        'A Trainer has no option "computeMetrics": accuracy, F1, MCC, ROC-AUC, loss and the confusion matrix are always computed.',
      );
    const isArgument = Object.hasOwn(DEFAULT_ARGUMENTS, key);
    const near = isArgument ? `args: { ${key} }` : (TRAINER_OPTIONS[key] ?? nearestName(key, known));
    const advice = near === undefined ? `Known are: ${known.join(", ")}.` : `Did you mean ${near}?`;
    throw new TrainingArgumentError(`A Trainer has no option "${key}". ${advice}`);
  }
}
