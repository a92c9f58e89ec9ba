import type { TrainingArguments } from "./arguments.js";
import { TrainingArgumentError } from "./errors.js";
import { nearestName } from "./nearest-name.js";

/** Names that people bring from Hugging Face's `TrainingArguments`, with what they are called here or why there is none. */
const HUGGING_FACE_NAMES: Readonly<Record<string, string>> = {
  per_device_train_batch_size: "batchSize",
  per_gpu_train_batch_size: "batchSize",
  train_batch_size: "batchSize",
  per_device_eval_batch_size: "evalBatchSize",
  eval_batch_size: "evalBatchSize",
  gradient_accumulation_steps: "gradientAccumulation",
  num_train_epochs: "epochs",
  lr_scheduler_type: "scheduler",
  max_grad_norm: "maxGradientNorm",
  evaluation_strategy: "evalStrategy",
  eval_strategy: "evalStrategy",
  logging_steps: "loggingSteps",
  lr: "learningRate",
  max_seq_length: "maxLength",
  data_seed: "seed",
};

const ELSEWHERE: Readonly<Record<string, string>> = {
  fp16: 'choose the precision when the model is loaded: fromPretrained(name, { precision: "bf16" })',
  bf16: 'choose the precision when the model is loaded: fromPretrained(name, { precision: "bf16" })',
  precision: 'choose the precision when the model is loaded: fromPretrained(name, { precision: "bf16" })',
  no_cuda: "choose the device when the model is loaded",
  use_cpu: "choose the device when the model is loaded",
  dropout: "dropout belongs to the model: fromPretrained(name, { dropout: 0 })",
  report_to: "metrics are always written locally and nothing is sent anywhere; use callbacks for more",
  logging_dir: "metrics are written into the run folder",
  save_safetensors: "weights are always saved as safetensors",
  dataloader_num_workers: "there are no worker processes; rows are tokenized once, before training",
  compute_metrics: "accuracy, F1, MCC, ROC-AUC, loss and the confusion matrix are always computed",
};

/** Which of our names was probably meant by one that is none, in snake_case or camelCase: Hugging Face's name for it, or a near miss. */
export function nearestArgument(key: string, known: readonly string[]): string | undefined {
  const near = HUGGING_FACE_NAMES[toSnakeCase(key)];
  return near !== undefined && known.includes(near) ? near : nearestName(key, known);
}

function toSnakeCase(key: string): string {
  return key.replace(/([A-Z])/g, (letter) => `_${letter.toLowerCase()}`);
}

/** @throws {TrainingArgumentError} for a key that is not one of `known` */
export function refuseUnknownArguments(given: object, known: readonly string[]): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    const elsewhere = ELSEWHERE[toSnakeCase(key)];
    if (elsewhere !== undefined)
      throw new TrainingArgumentError(`There is no training argument "${key}": ${elsewhere}.`);
    const near = nearestArgument(key, known);
    throw new TrainingArgumentError(
      near === undefined
        ? `There is no training argument "${key}". Known are: ${known.join(", ")}.`
        : `There is no training argument "${key}". Did you mean "${near}"?`,
    );
  }
}

/** @throws {TrainingArgumentError} */
export function checkArguments(args: TrainingArguments): void {
  for (const key of ["batchSize", "gradientAccumulation", "loggingSteps", "evalSteps", "saveSteps"] as const)
    requireInteger(key, args[key], 1);
  requireInteger("warmupSteps", args.warmupSteps, 0);
  requireInteger("seed", args.seed, 0);
  if (args.maxSteps !== -1) requireInteger("maxSteps", args.maxSteps, 1);
  if (args.maxLength !== undefined) requireInteger("maxLength", args.maxLength, 3);
  if (args.tokensPerBatch !== undefined) requireInteger("tokensPerBatch", args.tokensPerBatch, 1);
  if (args.saveTotalLimit !== undefined) requireInteger("saveTotalLimit", args.saveTotalLimit, 1);

  requireNumber("epochs", args.epochs, (x) => x > 0, "above 0");
  requireNumber("learningRate", args.learningRate, (x) => x >= 0, "0 or more");
  requireNumber("weightDecay", args.weightDecay, (x) => x >= 0, "0 or more");
  requireNumber("maxGradientNorm", args.maxGradientNorm, (x) => x >= 0, "0 (no clipping) or more");
  requireNumber("warmupRatio", args.warmupRatio, (x) => x >= 0 && x <= 1, "from 0 to 1");
  requireNumber("validationFraction", args.validationFraction, (x) => x > 0 && x < 1, "between 0 and 1");
  requireNumber("adamBeta1", args.adamBeta1, (x) => x >= 0 && x < 1, "from 0 to below 1");
  requireNumber("adamBeta2", args.adamBeta2, (x) => x >= 0 && x < 1, "from 0 to below 1");
  requireNumber("adamEpsilon", args.adamEpsilon, (x) => x > 0, "above 0");

  requireOneOf("scheduler", args.scheduler, ["linear", "constant", "cosine"]);
  requireOneOf("order", args.order, ["shuffled", "sequential"]);
  requireOneOf("truncation", args.truncation, ["head", "tail", "head-tail"]);
  requireOneOf("evalStrategy", args.evalStrategy, ["none", "epoch", "steps"]);
  requireOneOf("saveStrategy", args.saveStrategy, ["no", "epoch", "steps"]);
  requireOneOf("metricForBestModel", args.metricForBestModel, ["loss", "accuracy", "f1", "mcc"]);
  for (const key of ["loadBestModelAtEnd", "strict"] as const)
    if (typeof args[key] !== "boolean") throw invalid(key, args[key], "true or false");
  if (args.outputDir !== undefined && typeof args.outputDir !== "string")
    throw invalid("outputDir", args.outputDir, "a folder's path");

  if (args.loadBestModelAtEnd && args.evalStrategy === "none")
    throw new TrainingArgumentError(
      'loadBestModelAtEnd needs evaluations to choose by: set evalStrategy to "epoch" or "steps".',
    );
  if (args.saveStrategy !== "no" && args.outputDir === undefined)
    throw new TrainingArgumentError(
      `saveStrategy is "${args.saveStrategy}" but outputDir is not set: say where checkpoints go.`,
    );
}

function requireInteger(key: string, value: unknown, least: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < least)
    throw invalid(key, value, `an integer of at least ${least}`);
}

function requireNumber(key: string, value: unknown, holds: (value: number) => boolean, expected: string): void {
  if (typeof value !== "number" || !Number.isFinite(value) || !holds(value))
    throw invalid(key, value, `a number ${expected}`);
}

function requireOneOf(key: string, value: unknown, choices: readonly string[]): void {
  if (choices.includes(value as string)) return;
  const near = typeof value === "string" ? nearestName(value, choices) : undefined;
  const hint = near === undefined ? "" : `. Did you mean "${near}"?`;
  throw invalid(key, value, `one of ${choices.map((choice) => `"${choice}"`).join(", ")}${hint}`);
}

function invalid(key: string, value: unknown, expected: string): TrainingArgumentError {
  const shown = typeof value === "string" ? `"${value}"` : String(value);
  return new TrainingArgumentError(`${key} is ${shown}, expected ${expected}`);
}
