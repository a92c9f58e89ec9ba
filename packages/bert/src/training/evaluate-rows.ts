import { type Evaluation, evaluateLogits } from "../metrics/evaluate.js";
import { argmax, softmax } from "../metrics/softmax.js";
import type { PackedInput, SequenceClassifier } from "../model/types.js";
import type { Prediction } from "../pipeline/pipeline.js";
import { computeRows, type TokenBatchOptions } from "../token-batches.js";
import type { TrainingArguments } from "./arguments.js";
import { resolveMaxLength } from "./prepare.js";
import type { EncodedRows } from "./rows.js";

export type EvaluationArguments = Pick<TrainingArguments, "evalBatchSize" | "maxLength" | "seed">;

/** Logits of rows in evaluation mode, (B, C). @throws the signal's reason when it is aborted */
export function predictRows(
  model: SequenceClassifier,
  rows: PackedInput,
  args: EvaluationArguments,
  options: Pick<TokenBatchOptions, "signal" | "onProgress"> = {},
): Promise<Float32Array> {
  const batching = { tokensPerBatch: evalTokensPerBatch(model, args), ...options };
  return computeRows(model, rows, model.numLabels, (input) => model.forward(input).logits, batching);
}

/** Tokens of a batch where nothing is trained. */
export function evalTokensPerBatch(model: SequenceClassifier, args: EvaluationArguments): number {
  return args.evalBatchSize * resolveMaxLength(args, model);
}

/** What logits say, by row. @param logits (B, C) @param names of the classes, C */
export function toPredictions(logits: Float32Array, names: readonly string[]): Prediction[] {
  const classes = names.length;
  const probabilities = softmax(logits, classes);
  return Array.from(argmax(logits, classes), (label, b) => ({
    label: names[label],
    score: probabilities[b * classes + label],
    logits: Array.from(logits.subarray(b * classes, (b + 1) * classes)),
  }));
}

/** Every metric of the model on rows with labels, in evaluation mode. @throws the signal's reason when it is aborted */
export async function evaluateRows(
  model: SequenceClassifier,
  rows: EncodedRows,
  args: EvaluationArguments,
  options: Pick<TokenBatchOptions, "signal" | "onProgress"> = {},
): Promise<Evaluation> {
  const logits = await predictRows(model, rows, args, options);
  return evaluateLogits(logits, rows.labels as Int32Array, model.numLabels, { seed: args.seed });
}
