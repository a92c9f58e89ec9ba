import { embeddings, type Tensor } from "@node-bert/core-native";
import type { BertConfig } from "../config.js";
import type { PackedBatch } from "./packed-batch.js";
import type { ParameterScope } from "./parameter-scope.js";

/** Sum of word, position and token-type embeddings, LayerNorm, dropout. Mirrors transformers' `BertEmbeddings`. */
export class BertEmbeddings {
  readonly #config: BertConfig;
  readonly #scope: ParameterScope;

  constructor(config: BertConfig, scope: ParameterScope) {
    this.#config = config;
    this.#scope = scope;
  }

  /** @returns (N, H) */
  forward(batch: PackedBatch, training: boolean): Tensor {
    const { store } = this.#scope;
    const { hiddenDropoutProb, layerNormEps } = this.#config;
    const upload = (values: Int32Array): Tensor => store.device.tensor(values);
    return embeddings(
      upload(batch.inputIds),
      upload(batch.positions),
      upload(batch.tokenTypeIds),
      {
        word: this.#scope.value("word_embeddings.weight"),
        position: this.#scope.value("position_embeddings.weight"),
        type: this.#scope.value("token_type_embeddings.weight"),
        ...this.#scope.layerNorm("LayerNorm"),
      },
      {
        eps: layerNormEps,
        dropout: training && store.trainsAtOrBelow("embeddings") ? hiddenDropoutProb : 0,
        dtype: store.activationType,
      },
    );
  }
}
