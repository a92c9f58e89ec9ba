import {
  addLayerNorm,
  attention,
  attentionProbabilities,
  forget,
  gatherRows,
  type Sequences,
  type Tensor,
} from "@node-bert/core-native";
import type { BertConfig } from "../config.js";
import type { ParameterScope } from "./parameter-scope.js";

/**
 * One layer of the encoder (Devlin et al. 2019; post-LayerNorm as in Vaswani et al. 2017): self-attention, then the feed-forward network, each
 * followed by dropout, residual and LayerNorm. Mirrors transformers' `BertLayer`.
 */
export class BertLayer {
  readonly #config: BertConfig;
  readonly #scope: ParameterScope;
  readonly #index: number;

  constructor(config: BertConfig, scope: ParameterScope, index: number) {
    this.#config = config;
    this.#scope = scope;
    this.#index = index;
  }

  /**
   * @param hidden (N, H)
   * @param rows (M) numbers of the tokens whose states are wanted; all when left out
   * @returns (N, H) or (M, H)
   */
  forward(hidden: Tensor, sequences: Sequences, training: boolean, rows?: Tensor): Tensor {
    const { device } = hidden;
    const active = training && this.#scope.store.trainsAtOrBelow("layer", this.#index);
    return device.scope(() => {
      const attended = device.scope(() => this.#attend(hidden, sequences, active, rows));
      return this.#feedForward(attended, active);
    });
  }

  /**
   * What each token attends to in this layer, without dropout; {@link forward} never computes it as such.
   * @param hidden (N, H)
   * @returns (A, Σ len²)
   */
  attentionProbabilities(hidden: Tensor, sequences: Sequences): Tensor {
    return hidden.device.scope(() => {
      const qkv = this.#scope.project(hidden, "attention.self.qkv");
      return attentionProbabilities(qkv, sequences, { heads: this.#config.numAttentionHeads });
    });
  }

  /** LayerNorm(hidden + dropout(attention(hidden))) */
  #attend(hidden: Tensor, sequences: Sequences, active: boolean, rows?: Tensor): Tensor {
    const { numAttentionHeads, attentionProbsDropoutProb, hiddenDropoutProb, layerNormEps } = this.#config;
    const scope = this.#scope.scope("attention");
    const qkv = scope.project(hidden, "self.qkv"); // (N, 3H)
    const contexts = attention(qkv, sequences, {
      heads: numAttentionHeads,
      dropout: active ? attentionProbsDropoutProb : 0,
    });
    const [context, residual] =
      rows === undefined ? [contexts, hidden] : [gatherRows(contexts, rows), gatherRows(hidden, rows)];
    const { gamma, beta } = scope.layerNorm("output.LayerNorm");
    return addLayerNorm(scope.project(context, "output.dense"), residual, gamma, beta, {
      eps: layerNormEps,
      dropout: active ? hiddenDropoutProb : 0,
      overwriteX: true,
    });
  }

  /** LayerNorm(attended + dropout(W₂ gelu(W₁ attended))) */
  #feedForward(attended: Tensor, active: boolean): Tensor {
    const { hiddenAct, hiddenDropoutProb, layerNormEps } = this.#config;
    const { gamma, beta } = this.#scope.layerNorm("output.LayerNorm");
    const activated = this.#scope.project(attended, "intermediate.dense", hiddenAct); // (N, F)
    const output = this.#scope.project(activated, "output.dense", "none", { consumesX: true });
    const states = addLayerNorm(output, attended, gamma, beta, {
      eps: layerNormEps,
      dropout: active ? hiddenDropoutProb : 0,
      overwriteX: true,
    });
    forget(attended);
    return states;
  }
}
