import { DEFAULT_ARGUMENTS, resolveArguments, type TrainingArguments } from "../training/arguments.js";
import { refuseUnknownArguments } from "../training/check-arguments.js";
import { TrainingArgumentError } from "../training/errors.js";

/** What a classifier is trained with and a language model is not. */
const NOT_HERE = [
  "batchSize",
  "evalBatchSize",
  "truncation",
  "loadBestModelAtEnd",
  "metricForBestModel",
  "strict",
] as const;

/** Settings of a {@link Pretrainer}: those of training that make sense here, with BERT's own defaults (Devlin et al. 2019, Liu et al. 2019). */
export interface PretrainingArguments extends Omit<TrainingArguments, (typeof NOT_HERE)[number]> {
  /** Tokens of a batch, within a sequence's length; default 8192. */
  tokensPerBatch: number;
  /** Share of the tokens that are to be predicted; default 0.15. */
  maskProbability: number;
  /** Masks all pieces of a word or none; default false. */
  wholeWords: boolean;
}

const {
  batchSize: _,
  evalBatchSize: __,
  truncation: ___,
  loadBestModelAtEnd: ____,
  metricForBestModel: _____,
  strict: ______,
  ...shared
} = DEFAULT_ARGUMENTS;

export const DEFAULT_PRETRAINING_ARGUMENTS: Readonly<PretrainingArguments> = Object.freeze({
  ...shared,
  epochs: 1,
  learningRate: 5e-4,
  warmupRatio: 0.06,
  weightDecay: 0.01,
  adamBeta2: 0.98,
  adamEpsilon: 1e-6,
  loggingSteps: 100,
  validationFraction: 0.01,
  tokensPerBatch: 8192,
  maskProbability: 0.15,
  wholeWords: false,
});

/** @throws {TrainingArgumentError} as `resolveArguments`, and for a share of tokens that is none */
export function resolvePretrainingArguments(given: Partial<PretrainingArguments> = {}): PretrainingArguments {
  refuseUnknownArguments(given, Object.keys(DEFAULT_PRETRAINING_ARGUMENTS));
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const { maskProbability, wholeWords, ...training } = {
    ...DEFAULT_PRETRAINING_ARGUMENTS,
    ...set,
  } as PretrainingArguments;
  if (!(typeof maskProbability === "number" && maskProbability > 0 && maskProbability < 1))
    throw new TrainingArgumentError(`maskProbability is ${maskProbability}, expected a number between 0 and 1`);
  if (typeof wholeWords !== "boolean")
    throw new TrainingArgumentError(`wholeWords is ${wholeWords}, expected true or false`);
  return { ...resolveArguments(training), tokensPerBatch: training.tokensPerBatch, maskProbability, wholeWords };
}
