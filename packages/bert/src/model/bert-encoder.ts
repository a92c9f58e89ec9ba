import { forget, gatherRows, linear, meanPool, type Sequences, type Tensor } from "@node-bert/core-native";
import type { BertConfig } from "../config.js";
import { InputError } from "../errors.js";
import { BertEmbeddings } from "./bert-embeddings.js";
import { BertLayer } from "./bert-layer.js";
import { cast } from "./cast.js";
import type { PackedBatch } from "./packed-batch.js";
import type { ParameterScope } from "./parameter-scope.js";
import type { Pooling } from "./types.js";

export interface EncoderResult {
  lastHiddenState: Tensor; // (N, H); (B, H) of `firstTokens`
  /** Where its sequences start; disposed of with the surrounding scope. */
  sequences: Sequences;
  hiddenStates?: Tensor[]; // L + 1 of (N, H)
}

/** Embeddings and layers: what every model with a head shares. Mirrors the body of transformers' `BertModel`. */
export class BertEncoder {
  readonly #scope: ParameterScope;
  readonly #embeddings: BertEmbeddings;
  readonly #layers: BertLayer[];

  constructor(config: BertConfig, scope: ParameterScope) {
    this.#scope = scope;
    this.#embeddings = new BertEmbeddings(config, scope.scope("embeddings"));
    this.#layers = Array.from(
      { length: config.numHiddenLayers },
      (_, i) => new BertLayer(config, scope.scope(`encoder.layer.${i}`), i),
    );
  }

  /**
   * Must run inside a `device.scope`: it frees each layer's input as soon as nothing needs it, so inference takes the memory of one layer.
   * `firstTokens`: of the last layer only the states of the sequences' first tokens are wanted, and what the others would take after its
   * attention is not computed: three quarters of that layer's products.
   */
  forward(
    batch: PackedBatch,
    training: boolean,
    { keepHiddenStates = false, firstTokens = false } = {},
  ): EncoderResult {
    const sequences = this.#scope.store.device.sequences(batch.cuSeqlens);
    if (firstTokens) sequences.firstTokens(); // refuses empty sequences; of others the first tokens are where they start
    const starts = firstTokens ? sequences.tensor.view([sequences.count]) : undefined;
    let hidden = this.#embeddings.forward(batch, training);
    const hiddenStates = [hidden];
    for (const layer of this.#layers) {
      const wanted = layer === this.#layers.at(-1) ? starts : undefined;
      const next = layer.forward(hidden, sequences, training, wanted);
      hiddenStates.push(next);
      // What a tape recorded belongs to the tape, which can make some of it again; a layer that was not recorded needs its input no more.
      if (!next.requiresGrad && !keepHiddenStates) hidden.dispose();
      else if (!keepHiddenStates) forget(hidden);
      hidden = next;
    }
    return { lastHiddenState: hidden, sequences, hiddenStates: keepHiddenStates ? hiddenStates : undefined };
  }

  /** The attention weights of each layer: a pass of its own. @returns L of (A, Σ len²) */
  attentions(batch: PackedBatch): Tensor[] {
    const { hiddenStates = [], sequences } = this.forward(batch, false, { keepHiddenStates: true });
    return this.#layers.map((layer, i) => layer.attentionProbabilities(hiddenStates[i], sequences));
  }

  /** One vector for each sequence, in the device's float type whatever the layers compute in. @returns (B, H) */
  pool(batch: PackedBatch, training: boolean, pooling: Pooling): Tensor {
    if (pooling !== "mean" && pooling !== "cls" && pooling !== "pooler")
      throw new InputError(`pooling is ${JSON.stringify(pooling)}, expected "mean", "cls" or "pooler".`);
    // In training all are computed: the rows go by number into dropout's masks.
    const firstTokens = pooling !== "mean" && !training;
    const { lastHiddenState, sequences } = this.forward(batch, training, { firstTokens });
    if (pooling === "mean") return meanPool(cast(lastHiddenState, lastHiddenState.device.floatType), sequences);
    const first = firstTokens ? lastHiddenState : this.#firstOf(lastHiddenState, sequences);
    return pooling === "cls" ? cast(first, first.device.floatType) : this.#pooler(first);
  }

  /** The pooler's vectors where all states are at hand. @param lastHiddenState (N, H) @returns (B, H) */
  poolFirst(lastHiddenState: Tensor, sequences: Sequences): Tensor {
    return this.#pooler(this.#firstOf(lastHiddenState, sequences));
  }

  #firstOf(hidden: Tensor, sequences: Sequences): Tensor {
    sequences.firstTokens(); // refuses empty sequences; of others the first tokens are where they start
    return gatherRows(hidden, sequences.tensor.view([sequences.count]));
  }

  /** tanh(W h[CLS] + b), transformers' BertPooler */
  #pooler(first: Tensor): Tensor {
    const x = cast(first, first.device.floatType);
    return linear(x, this.#scope.value("pooler.dense.weight"), this.#scope.value("pooler.dense.bias"), "tanh");
  }
}
