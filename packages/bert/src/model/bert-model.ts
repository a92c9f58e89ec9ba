import type { Tensor } from "@node-bert/core-native";
import type { BertConfig } from "../config.js";
import type { ParameterBlock } from "../parameters/layout.js";
import { BertEncoder } from "./bert-encoder.js";
import { BertPreTrainedModel, type ModelOptions } from "./bert-pre-trained-model.js";
import { packBatch } from "./packed-batch.js";
import { encoderBlocks } from "./parameter-blocks.js";
import { ParameterScope } from "./parameter-scope.js";
import type { BertInput, ForwardOptions, Pooling } from "./types.js";

export interface BertModelOutput {
  lastHiddenState: Tensor; // (N, H) in the activations' type
  poolerOutput: Tensor; // (B, H) in the device's float type
  /** Where sequences start in the hidden states. */
  cuSeqlens: Int32Array; // (B + 1)
  hiddenStates?: Tensor[]; // L + 1 of (N, H)
}

/**
 * BERT without a head (Devlin et al. 2019). Mirrors transformers' `BertModel`.
 *
 * @example
 * const model = await BertModel.fromPretrained("models/bert");
 * const features = model.pool({ inputIds: [[101, 7592, 102]] }, "mean"); // (1, H)
 */
export class BertModel extends BertPreTrainedModel {
  static override readonly architecture: string = "BertModel";
  readonly #encoder: BertEncoder;

  constructor(config: BertConfig, options: ModelOptions) {
    super(config, options);
    this.#encoder = new BertEncoder(config, new ParameterScope(this.parameters));
  }

  static override blocks(config: BertConfig): ParameterBlock[] {
    return encoderBlocks(config, { prefix: "", pooler: true, tiedDecoder: false });
  }

  /** Enqueues a forward pass. @throws {InputError} for ids, types or lengths that the model has no embedding for */
  forward(input: BertInput, options: ForwardOptions = {}): BertModelOutput {
    const batch = packBatch(input, this.config);
    return this.device.scope(() => {
      const { lastHiddenState, sequences, hiddenStates } = this.#encoder.forward(batch, this.training, {
        keepHiddenStates: options.hiddenStates,
      });
      const poolerOutput = this.#encoder.poolFirst(lastHiddenState, sequences);
      return hiddenStates === undefined
        ? { lastHiddenState, poolerOutput, cuSeqlens: batch.cuSeqlens }
        : { lastHiddenState, poolerOutput, cuSeqlens: batch.cuSeqlens, hiddenStates };
    });
  }

  /**
   * What each token attends to, in every layer and head, without dropout; for looking at. Training and inference never store these.
   * @returns L of (A, Σ len²): for each head, the (query, key) squares of the sequences one after another
   */
  attentions(input: BertInput): Tensor[] {
    const batch = packBatch(input, this.config);
    return this.device.scope(() => this.#encoder.attentions(batch));
  }

  /** One vector for each sequence, in the device's float type. @returns (B, H) */
  pool(input: BertInput, pooling: Pooling): Tensor {
    const batch = packBatch(input, this.config);
    return this.device.scope(() => this.#encoder.pool(batch, this.training, pooling));
  }
}
