import type { Tensor } from "@node-bert/core-native";
import type { SequenceClassifier } from "../model/types.js";
import type { Notice, Scores } from "./events.js";
import type { TrainingPlan } from "./plan.js";
import type { EncodedRows } from "./rows.js";

/** What a training run needs of a model. */
export interface TrainedModel extends Pick<SequenceClassifier, "config" | "device" | "parameters" | "savePretrained"> {
  train(): unknown;
  eval(): unknown;
}

/** Rows that go through the model together. */
export interface ObjectiveBatch {
  tokens: number;
  /** Had each row been padded to the longest: B · S. */
  paddedTokens: number;
  /** How many losses its loss is the mean of. */
  terms: number;
  /** Which of the batch's rows a loss belongs to. */
  rowOf(term: number): number;
  /** Enqueues the forward pass. @returns loss (1), the mean, and losses (terms) */
  loss(): { loss: Tensor; losses: Tensor };
}

/** What a training minimizes: how rows become a loss, and how it is judged. Everything else about a run is the same for all. */
export interface Objective<E extends Scores = Scores> {
  readonly model: TrainedModel;
  readonly rows: EncodedRows;
  /** What, beside the training arguments, decides what is computed: a checkpoint is resumed only with the same. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** @param rows numbers of rows @param step from 1 @param index which of the step's batches */
  batch(rows: Int32Array, step: number, index: number): ObjectiveBatch;
  /** Judges the model on rows that it is not trained on; undefined where there are none. */
  evaluate: (() => Promise<E>) | undefined;
  /** What a person should know of such a plan. */
  remark?(plan: TrainingPlan): Notice | undefined;
}

/** Tokens of a batch that is padded to its longest row. @param cuSeqlens (B + 1) */
export function paddedSize(cuSeqlens: Int32Array): number {
  let longest = 0;
  for (let b = 1; b < cuSeqlens.length; b++) longest = Math.max(longest, cuSeqlens[b] - cuSeqlens[b - 1]);
  return (cuSeqlens.length - 1) * longest;
}
