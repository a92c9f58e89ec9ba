import type { BertForMaskedLM } from "../model/bert-for-masked-lm.js";
import { type Objective, type ObjectiveBatch, paddedSize } from "../training/objective.js";
import { type EncodedRows, takeRows } from "../training/rows.js";
import { evaluateMaskedLM, type MaskedLMEvaluation } from "./evaluate-masked-lm.js";
import { type MaskingOptions, type MaskingVocabulary, maskTokens } from "./masking.js";

export interface MaskedLMSettings {
  vocabulary: MaskingVocabulary;
  masking: MaskingOptions;
  seed: number;
  /** Of the forward passes that judge. */
  evalTokensPerBatch: number;
}

/** The cross-entropy of masked tokens, masked anew in each step, judged on rows set aside. */
export class MaskedLMObjective implements Objective<MaskedLMEvaluation> {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly evaluate: (() => Promise<MaskedLMEvaluation>) | undefined;
  readonly #with: MaskedLMSettings;

  constructor(
    readonly model: BertForMaskedLM,
    readonly rows: EncodedRows,
    heldOut: EncodedRows | undefined,
    settings: MaskedLMSettings,
  ) {
    const { vocabulary, masking, seed, evalTokensPerBatch } = settings;
    this.#with = settings;
    this.settings = { maskProbability: masking.probability, wholeWords: masking.wholeWords };
    this.evaluate =
      heldOut === undefined
        ? undefined
        : () => evaluateMaskedLM(model, heldOut, vocabulary, masking, seed, evalTokensPerBatch);
  }

  batch(rows: Int32Array, step: number, index: number): ObjectiveBatch {
    const { vocabulary, masking, seed } = this.#with;
    const batch = takeRows(this.rows, rows);
    const masked = maskTokens(batch.inputIds, vocabulary, masking, seed, [step, index]);
    return {
      tokens: batch.inputIds.length,
      paddedTokens: paddedSize(batch.cuSeqlens),
      terms: masked.positions.length,
      rowOf: (term) => rows[batch.cuSeqlens.findIndex((start) => start > masked.positions[term]) - 1],
      loss: () => this.model.loss({ ...batch, inputIds: masked.inputIds, labels: masked.labels }),
    };
  }
}
