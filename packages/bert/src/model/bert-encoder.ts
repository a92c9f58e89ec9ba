import { gatherRows, linear, meanPool, type Sequences, type Tensor } from "@node-bert/core-native";
import type { BertConfig } from "../config.js";
import { InputError } from "../errors.js";
import { BertEmbeddings } from "./bert-embeddings.js";
import { BertLayer } from "./bert-layer.js";
import { cast } from "./cast.js";
import type { PackedBatch } from "./packed-batch.js";
import type { ParameterScope } from "./parameter-scope.js";
import type { Pooling } from "./types.js";

export interface EncoderResult {
  lastHiddenState: Tensor; // (N, H)
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

  /** Must run inside a `device.scope`: it frees each layer's input as soon as nothing needs it, so inference takes the memory of one layer. */
  forward(batch: PackedBatch, training: boolean, keepHiddenStates: boolean): EncoderResult {
    const sequences = this.#scope.store.device.sequences(batch.cuSeqlens);
    let hidden = this.#embeddings.forward(batch, training);
    const hiddenStates = [hidden];
    for (const layer of this.#layers) {
      const next = layer.forward(hidden, sequences, training);
      hiddenStates.push(next);
      // What a tape recorded belongs to the tape; a layer that was not recorded needs its input no more.
      if (!next.requiresGrad && !keepHiddenStates) hidden.dispose();
      hidden = next;
    }
    return { lastHiddenState: hidden, sequences, hiddenStates: keepHiddenStates ? hiddenStates : undefined };
  }

  /** The attention weights of each layer: a pass of its own. @returns L of (A, Σ len²) */
  attentions(batch: PackedBatch): Tensor[] {
    const { hiddenStates = [], sequences } = this.forward(batch, false, true);
    return this.#layers.map((layer, i) => layer.attentionProbabilities(hiddenStates[i], sequences));
  }

  /** One vector for each sequence, in the device's float type whatever the layers compute in. @returns (B, H) */
  pool(lastHiddenState: Tensor, sequences: Sequences, pooling: Pooling): Tensor {
    const { device } = lastHiddenState;
    if (pooling === "mean") return meanPool(cast(lastHiddenState, device.floatType), sequences);
    if (pooling !== "cls" && pooling !== "pooler")
      throw new InputError(`pooling is ${JSON.stringify(pooling)}, expected "mean", "cls" or "pooler".`);
    sequences.firstTokens(); // refuses empty sequences; of others the first tokens are where they start
    const index = sequences.tensor.view([sequences.count]);
    const first = cast(gatherRows(lastHiddenState, index), device.floatType);
    if (pooling === "cls") return first;
    // tanh(W h[CLS] + b), transformers' BertPooler
    return linear(first, this.#scope.value("pooler.dense.weight"), this.#scope.value("pooler.dense.bias"), "tanh");
  }
}
