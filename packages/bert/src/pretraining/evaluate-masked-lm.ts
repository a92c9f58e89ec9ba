import type { BertForMaskedLM } from "../model/bert-for-masked-lm.js";
import { tokenBatches } from "../token-batches.js";
import type { PackedEncoding } from "../training/rows.js";
import { type MaskingOptions, type MaskingVocabulary, maskTokens } from "./masking.js";

/** How well masked tokens are predicted. */
export interface MaskedLMEvaluation {
  /** Mean cross-entropy, in nats. */
  loss: number;
  /** e^loss. */
  perplexity: number;
  /** Share of the tokens for which the most probable one is right. */
  accuracy: number;
  /** Tokens that were to be predicted. */
  predictions: number;
  sequences: number;
  tokens: number;
}

/**
 * Masks rows, the same way each time, and lets the model predict what was there, in evaluation mode.
 * @param tokensPerBatch the numbers depend on it only in that batches are masked one by one
 */
export async function evaluateMaskedLM(
  model: BertForMaskedLM,
  rows: PackedEncoding,
  vocabulary: MaskingVocabulary,
  options: MaskingOptions,
  seed: number,
  tokensPerBatch: number,
): Promise<MaskedLMEvaluation> {
  const wasTraining = model.training;
  model.eval();
  try {
    let [loss, right, predictions] = [0, 0, 0];
    // Draws of step 0, which no training step has.
    for (const [index, { input }] of tokenBatches(rows, tokensPerBatch).entries()) {
      const masked = maskTokens(input.inputIds, vocabulary, options, seed, [0, index]);
      if (masked.positions.length === 0) continue;
      const { losses, logits } = model.device.scope(() => {
        const output = model.loss({ ...input, inputIds: masked.inputIds, labels: masked.labels });
        return { losses: output.losses.read(), logits: output.logits.read() };
      });
      const [lossOf, logitOf] = [await losses, await logits];
      masked.positions.forEach((n, m) => {
        loss += lossOf[m];
        if (isLargest(logitOf, m * vocabulary.size, vocabulary.size, masked.labels[n])) right++;
      });
      predictions += masked.positions.length;
    }
    const mean = loss / predictions;
    return {
      loss: mean,
      perplexity: Math.exp(mean),
      accuracy: right / predictions,
      predictions,
      sequences: rows.cuSeqlens.length - 1,
      tokens: rows.inputIds.length,
    };
  } finally {
    if (wasTraining) model.train();
  }
}

/** Whether the largest of `count` numbers, of equals the first, is the one that is asked for. */
function isLargest(values: ArrayLike<number>, from: number, count: number, index: number): boolean {
  const value = values[from + index];
  for (let i = 0; i < count; i++) {
    const other = values[from + i];
    if (!(other < value || (other === value && i >= index))) return false;
  }
  return true;
}
