import type { Evaluation } from "../metrics/evaluate.js";
import type { SequenceClassifier } from "../model/types.js";
import { type EvaluationArguments, evaluateRows } from "./evaluate-rows.js";
import type { Notice } from "./events.js";
import { type Objective, type ObjectiveBatch, paddedSize } from "./objective.js";
import type { TrainingPlan } from "./plan.js";
import { type EncodedRows, takeRows } from "./rows.js";

/** Fewer steps leave BERT close to where it started. */
const FEW_STEPS = 100;

/** The cross-entropy of a classifier's labels, judged by every metric on validation rows. */
export class ClassificationObjective implements Objective<Evaluation> {
  readonly settings = {};
  readonly evaluate: (() => Promise<Evaluation>) | undefined;

  constructor(
    readonly model: SequenceClassifier,
    readonly rows: EncodedRows,
    validation: EncodedRows | undefined,
    args: EvaluationArguments,
  ) {
    this.evaluate = validation === undefined ? undefined : () => evaluateRows(model, validation, args);
  }

  batch(rows: Int32Array): ObjectiveBatch {
    const batch = takeRows(this.rows, rows) as EncodedRows & { labels: Int32Array };
    return {
      tokens: batch.inputIds.length,
      paddedTokens: paddedSize(batch.cuSeqlens),
      terms: rows.length,
      rowOf: (term) => rows[term],
      loss: () => this.model.loss(batch),
    };
  }

  remark({ steps }: TrainingPlan): Notice | undefined {
    if (steps >= FEW_STEPS) return undefined;
    const message = `${steps} step${steps === 1 ? " is" : "s are"} few: a fine-tuned BERT needs some hundreds. Read the accuracy with its interval, or take more rows or epochs.`;
    return { level: "warning", code: "FEW_STEPS", message };
  }
}
