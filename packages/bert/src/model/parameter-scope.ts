import type { Tensor } from "@node-bert/core-native";
import type { ParameterStore } from "../parameters/parameter-store.js";

/** The weight and bias of a Linear, ready for `linear`. */
export interface LinearParameters {
  weight: Tensor; // (M, K)
  bias: Tensor; // (M)
}

/** Parameters under a path, so that modules name them as their checkpoint does: `scope.linear("attention.output.dense")`. */
export class ParameterScope {
  readonly store: ParameterStore;
  readonly path: string;

  constructor(store: ParameterStore, path = "") {
    this.store = store;
    this.path = path;
  }

  scope(path: string): ParameterScope {
    return new ParameterScope(this.store, this.#name(path));
  }

  /** In the type of GEMM operands. */
  linear(name: string): LinearParameters {
    return { weight: this.store.operand(this.#name(`${name}.weight`)), bias: this.value(`${name}.bias`) };
  }

  /** Scale and shift of a LayerNorm. */
  layerNorm(name: string): { gamma: Tensor; beta: Tensor } {
    return { gamma: this.value(`${name}.weight`), beta: this.value(`${name}.bias`) };
  }

  /** In the device's float type. */
  value(name: string): Tensor {
    return this.store.value(this.#name(name));
  }

  /** In the type of GEMM operands. */
  operand(name: string): Tensor {
    return this.store.operand(this.#name(name));
  }

  #name(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}
