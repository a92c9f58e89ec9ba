import type { Device, Tensor } from "@node-bert/core-native";
import type { PlacedBlock } from "./layout.js";

/**
 * The gradients of some blocks in one flat tensor, in the order of the parameter arena, so that neighbours there are neighbours here. A block of
 * which only a part is trained (a value bias without query and key) has a gradient as a whole: one GEMM computes it.
 */
export class GradientArena implements Disposable {
  /** Undefined when nothing is trained. */
  readonly arena: Tensor | undefined; // (n)
  readonly #blocks = new Map<string, Tensor>();
  readonly #parameters = new Map<string, { offset: number; view: Tensor }>();

  constructor(device: Device, blocks: readonly PlacedBlock[]) {
    const size = blocks.reduce((sum, block) => sum + block.room, 0);
    if (size > 0) this.arena = device.zeros([size]);
    let offset = 0;
    for (const block of blocks) {
      const [rows, ...rest] = block.shape;
      this.#blocks.set(block.key, this.arena!.view([rows * block.names.length, ...rest], offset));
      for (const parameter of block.parameters) {
        const at = offset + parameter.offset - block.offset;
        this.#parameters.set(parameter.name, { offset: at, view: this.arena!.view(parameter.shape, at) });
      }
      offset += block.room;
    }
  }

  ofBlock(key: string): Tensor | undefined {
    return this.#blocks.get(key);
  }

  ofParameter(name: string): Tensor | undefined {
    return this.#parameters.get(name)?.view;
  }

  /** Where a parameter's gradient starts, in elements. */
  offsetOf(name: string): number {
    return this.#parameters.get(name)?.offset ?? 0;
  }

  dispose(): void {
    for (const view of this.#blocks.values()) view.dispose();
    for (const { view } of this.#parameters.values()) view.dispose();
    this.arena?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
