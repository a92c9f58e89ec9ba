import { checkArguments, refuseUnknownArguments } from "./check-arguments.js";
import type { SchedulerName } from "./schedule.js";

/** What `truncation` of a tokenizer may be here: which part of a text that is too long is kept. */
export type Truncation = "head" | "tail" | "head-tail";

/** Settings of a {@link Trainer}; each default is that of Hugging Face's `TrainingArguments` where it has one. */
export interface TrainingArguments {
  /** Sequences whose gradients are computed at once (`per_device_train_batch_size`); default 8. */
  batchSize: number;
  /** Tokens of a batch, within a row's length, instead of `batchSize` rows: steps cost the same whatever the rows' lengths. Default: not. */
  tokensPerBatch: number | undefined;
  /**
   * Sequences of the maximal length that a forward pass takes when evaluating (`per_device_eval_batch_size`); of shorter ones it takes more,
   * as many tokens. The numbers do not depend on it. Default 8.
   */
  evalBatchSize: number;
  /** Batches whose gradients are summed for one step; default 1. */
  gradientAccumulation: number;
  /** Passes over the training rows, not necessarily whole; default 3. */
  epochs: number;
  /** Ends after this many steps whatever `epochs` says; default -1: as many as the epochs have. */
  maxSteps: number;
  /** Peak learning rate; default 5e-5. */
  learningRate: number;
  /** How it falls; default "linear". */
  scheduler: SchedulerName;
  /** Steps over which it rises from 0; default 0. Wins over `warmupRatio`. */
  warmupSteps: number;
  /** The same as a share of all steps, rounded up; default 0. */
  warmupRatio: number;
  /** AdamW's, not applied to biases and LayerNorm; default 0. */
  weightDecay: number;
  /** Default 0.9. */
  adamBeta1: number;
  /** Default 0.999. */
  adamBeta2: number;
  /** Default 1e-8. */
  adamEpsilon: number;
  /** Longer gradients are scaled down to this norm; 0: no clipping. Default 1. */
  maxGradientNorm: number;
  /** Of the order of rows, dropout and splits; default 42. */
  seed: number;
  /** Default "shuffled", anew in each epoch. */
  order: "shuffled" | "sequential";
  /** Tokens of the longest sequence, longer texts are truncated; default: what the model has positions for. */
  maxLength: number | undefined;
  /** Which part of a longer text is kept; default "head". */
  truncation: Truncation;
  /** Every how many steps one is logged, besides the first, the last and each epoch's last; default 500. */
  loggingSteps: number;
  /** When to evaluate while training; default "none". Validation rows are carved from the training rows unless given. */
  evalStrategy: "none" | "epoch" | "steps";
  /** For `evalStrategy: "steps"`; default: `loggingSteps`. */
  evalSteps: number | undefined;
  /** Share of the training rows set aside, of each class alike, when the strategy needs validation rows; default 0.1. */
  validationFraction: number;
  /** Keep the weights of the best evaluation instead of the last; default false. */
  loadBestModelAtEnd: boolean;
  /** What "best" means; default "loss". */
  metricForBestModel: "loss" | "accuracy" | "f1" | "mcc";
  /** Where checkpoints go; default: none are written. */
  outputDir: string | undefined;
  /** When to write them; default "no". */
  saveStrategy: "no" | "epoch" | "steps";
  /** For `saveStrategy: "steps"`; default 500. */
  saveSteps: number;
  /** How many checkpoints are kept, the newest; default: all. */
  saveTotalLimit: number | undefined;
  /** Fail, instead of warning, when more than 95 % of the training or test rows are of one class; default false. */
  strict: boolean;
}

export const DEFAULT_ARGUMENTS: Readonly<TrainingArguments> = Object.freeze({
  batchSize: 8,
  tokensPerBatch: undefined,
  evalBatchSize: 8,
  gradientAccumulation: 1,
  epochs: 3,
  maxSteps: -1,
  learningRate: 5e-5,
  scheduler: "linear",
  warmupSteps: 0,
  warmupRatio: 0,
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  maxGradientNorm: 1,
  seed: 42,
  order: "shuffled",
  maxLength: undefined,
  truncation: "head",
  loggingSteps: 500,
  evalStrategy: "none",
  evalSteps: undefined,
  validationFraction: 0.1,
  loadBestModelAtEnd: false,
  metricForBestModel: "loss",
  outputDir: undefined,
  saveStrategy: "no",
  saveSteps: 500,
  saveTotalLimit: undefined,
  strict: false,
});

/**
 * Fills in defaults and checks every value.
 * @throws {TrainingArgumentError} for an unknown key, naming the nearest known one or what Hugging Face's name is called here, and for a
 * value of the wrong type or out of range
 * @example
 * resolveArguments({ epochs: 1, learningRate: 2e-5 }).batchSize; // 8
 */
export function resolveArguments(given: Partial<TrainingArguments> = {}): TrainingArguments {
  refuseUnknownArguments(given, Object.keys(DEFAULT_ARGUMENTS));
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const args: TrainingArguments = { ...DEFAULT_ARGUMENTS, ...set };
  args.evalSteps ??= args.loggingSteps;
  checkArguments(args);
  return args;
}
