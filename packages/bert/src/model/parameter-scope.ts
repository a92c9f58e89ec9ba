import { type Activation, linear, linearInt8, type Tensor } from "@node-bert/core-native";
import type { ParameterStore } from "../parameters/parameter-store.js";

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

  /** activation(x Wᵀ + b) with the weight and bias of that name, in the precision of the model's products. */
  project(x: Tensor, name: string, activation?: Activation, options?: { consumesX?: boolean }): Tensor {
    return this.multiply(x, `${name}.weight`, `${name}.bias`, activation, options);
  }

  /** {@link project} with names of their own. */
  multiply(
    x: Tensor,
    weight: string,
    bias: string,
    activation?: Activation,
    options?: { consumesX?: boolean },
  ): Tensor {
    const shift = this.value(bias);
    return this.store.int8
      ? linearInt8(x, this.value(weight), shift, activation)
      : linear(x, this.operand(weight), shift, activation, options);
  }

  /** Scale and shift of a LayerNorm. */
  layerNorm(name: string): { gamma: Tensor; beta: Tensor } {
    return { gamma: this.value(`${name}.weight`), beta: this.value(`${name}.bias`) };
  }

  /** In the device's float type. */
  value(name: string): Tensor {
    return this.store.value(this.#name(name));
  }

  /** As GEMMs take it. */
  operand(name: string): Tensor {
    return this.store.operand(this.#name(name));
  }

  #name(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }
}
