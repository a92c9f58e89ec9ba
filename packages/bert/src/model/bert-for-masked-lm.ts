import { crossEntropy, gatherRows, layerNorm, type Tensor } from "@node-bert/core-native";
import type { BertConfig } from "../config.js";
import { InputError } from "../errors.js";
import type { ParameterBlock } from "../parameters/layout.js";
import { BertEncoder } from "./bert-encoder.js";
import { BertPreTrainedModel, type ModelOptions } from "./bert-pre-trained-model.js";
import { packBatch } from "./packed-batch.js";
import { encoderBlocks, headBlock } from "./parameter-blocks.js";
import { ParameterScope } from "./parameter-scope.js";
import type { BertInput, ForwardOptions } from "./types.js";

export interface MaskedLMOutput {
  logits: Tensor; // (M, V) at the positions asked for
  /** Where sequences start in the packed batch. */
  cuSeqlens: Int32Array; // (B + 1)
  hiddenStates?: Tensor[]; // L + 1 of (N, H)
}

/** Labels that do not count, as in PyTorch. */
const IGNORED_LABEL = -100;

/**
 * BERT as a masked language model; the decoder's weights are the word embeddings. Mirrors transformers' `BertForMaskedLM`, but decodes only where
 * it is asked to: of a batch's tokens 15 % are masked, and each decoded one costs H · V.
 */
export class BertForMaskedLM extends BertPreTrainedModel {
  static override readonly architecture: string = "BertForMaskedLM";
  readonly #encoder: BertEncoder;
  readonly #scope: ParameterScope;

  constructor(config: BertConfig, options: ModelOptions) {
    super(config, options);
    this.#scope = new ParameterScope(this.parameters);
    this.#encoder = new BertEncoder(config, this.#scope.scope("bert"));
  }

  static override blocks(config: BertConfig): ParameterBlock[] {
    const { hiddenSize: H, vocabSize: V } = config;
    const head = "cls.predictions";
    return [
      ...encoderBlocks(config, { prefix: "bert.", pooler: false, tiedDecoder: true }),
      headBlock(`${head}.transform.dense.weight`, [H, H], true),
      headBlock(`${head}.transform.dense.bias`, [H]),
      headBlock(`${head}.transform.LayerNorm.weight`, [H]),
      headBlock(`${head}.transform.LayerNorm.bias`, [H]),
      headBlock(`${head}.bias`, [V]),
    ];
  }

  /**
   * Enqueues a forward pass.
   * @param options.positions rows of the packed batch to decode, in [0, N); default: all of them
   * @throws {InputError} for ids, types or lengths that the model has no embedding for
   */
  forward(input: BertInput, options: ForwardOptions & { positions?: Int32Array } = {}): MaskedLMOutput {
    const batch = packBatch(input, this.config);
    const { positions } = options;
    const tokens = batch.inputIds.length;
    const outside = positions?.find((n) => !(n >= 0 && n < tokens));
    if (outside !== undefined || positions?.length === 0)
      throw new InputError(
        `positions has ${outside ?? "no entry"}, expected rows from 0 to ${tokens - 1} of the packed batch.`,
      );
    return this.device.scope(() => {
      const encoded = this.#encoder.forward(batch, this.training, { keepHiddenStates: options.hiddenStates });
      const hidden = encoded.lastHiddenState;
      const chosen = positions === undefined ? hidden : gatherRows(hidden, this.device.tensor(positions));
      const logits = this.#decode(chosen);
      const { cuSeqlens } = batch;
      return encoded.hiddenStates === undefined
        ? { logits, cuSeqlens }
        : { logits, cuSeqlens, hiddenStates: encoded.hiddenStates };
    });
  }

  /** @param hidden (M, H) @returns (M, V) */
  #decode(hidden: Tensor): Tensor {
    const { hiddenAct, layerNormEps } = this.config;
    const scope = this.#scope.scope("cls.predictions");
    const { gamma, beta } = scope.layerNorm("transform.LayerNorm");
    const transformed = layerNorm(scope.project(hidden, "transform.dense", hiddenAct), gamma, beta, {
      eps: layerNormEps,
    });
    return this.#scope.multiply(transformed, "bert.embeddings.word_embeddings.weight", "cls.predictions.bias");
  }

  /**
   * A forward pass and its cross-entropy at the labelled positions.
   * @param input.labels (N) of the packed batch: the token to be predicted, −100 where there is none
   * @returns loss (1), and of each labelled position losses (M) and logits (M, V)
   * @throws {InputError} for a label that is no token, or when nothing is labelled
   */
  loss(input: BertInput & { labels: Int32Array }): { loss: Tensor; losses: Tensor; logits: Tensor } {
    const { labels } = input;
    const tokens = packBatch(input, this.config).inputIds.length;
    if (labels.length !== tokens)
      throw new InputError(
        `labels has ${labels.length} entries, expected ${tokens}, one per token of the packed batch.`,
      );
    const rows: number[] = [];
    labels.forEach((label, n) => {
      if (label === IGNORED_LABEL) return;
      if (!(label >= 0 && label < this.config.vocabSize))
        throw new InputError(
          `Token ${n}: the label is ${label}, expected ${IGNORED_LABEL} or 0 to ${this.config.vocabSize - 1}.`,
        );
      rows.push(n);
    });
    if (rows.length === 0)
      throw new InputError(`All labels are ${IGNORED_LABEL}, expected at least one token to predict.`);
    return this.device.scope(() => {
      const { logits } = this.forward(input, { positions: Int32Array.from(rows) });
      const targets = this.device.tensor(Int32Array.from(rows, (n) => labels[n]));
      return { ...crossEntropy(logits, targets), logits };
    });
  }
}
