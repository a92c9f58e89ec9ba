import type { Evaluation } from "../metrics/evaluate.js";
import type { Spread } from "../metrics/spread.js";
import type { TrainingResult } from "../training/events.js";

/**
 * - `untrained`: the pretrained encoder under a new, random head, as it is before any training. Not a baseline: it guesses.
 * - `probe`: logistic regression on the frozen encoder's features.
 * - `last-k`: the last k layers, the pooler and the head trained.
 * - `full`: everything trained.
 * - `partial`: everything trained, some layers from random values instead of the pretrained ones.
 */
export type MethodName = "untrained" | "probe" | "last-k" | "full" | "partial";

/** In the order in which they are run and shown. */
export const METHOD_NAMES: readonly MethodName[] = ["untrained", "probe", "last-k", "partial", "full"];

/** k of `last-k`. */
export const DEFAULT_LAST_LAYERS = 2;

/** A row's prediction and what it should be. */
export interface SamplePrediction {
  label: string;
  score: number;
  logits: number[]; // (C)
  actual: string;
}

/** What a method came to on the evaluation rows. */
export interface ComparedMethod {
  name: MethodName;
  /** What exactly was done, for a person. */
  description: string;
  trainableParameters: number;
  /** Of learning: the training loop, or features and fit. With several seeds their mean. */
  seconds: number;
  /**
   * Most bytes of the device's memory in use at once during the method: weights, gradients, optimizer state, activations. Not the whole
   * process: rows, tokenizer and Node itself are the same for every method and left out. With several seeds the largest.
   */
  peakMemoryBytes: number;
  /** Of the first seed. */
  eval: Evaluation;
  /** Of `untrained`: what the random head says of the first 8 evaluation rows, with the first seed. */
  predictions?: SamplePrediction[];
  /** Of the first seed, where something was trained step by step. */
  train?: TrainingResult;
  /** Over all seeds, when there are several. */
  seeds?: { seeds: number[]; accuracy: Spread; f1: Spread; loss: Spread };
}
