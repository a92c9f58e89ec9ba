import type { Device, Tensor } from "@node-bert/core-native";
import { ParameterError } from "../errors.js";
import { nearestName } from "../training/nearest-name.js";
import { GradientArena } from "./gradient-arena.js";
import { layOut, type ParameterBlock, type PlacedBlock, type PlacedParameter } from "./layout.js";
import { type TrainableRange, trainableRanges } from "./ranges.js";
import { type ParameterSelector, selectParameters } from "./select.js";

/** One parameter: a named view into the arena. */
export interface Parameter {
  /** Hugging Face's name. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly size: number;
  /** In elements, in the arena. */
  readonly offset: number;
  /** Whether AdamW's weight decay applies. */
  readonly decay: boolean;
  readonly trainable: boolean;
  /** The values in the device's float type. After writing to it: {@link ParameterStore.refreshCopies}. */
  readonly tensor: Tensor;
  /** Its gradient while there is one: for trainable parameters, from `train()` on. */
  readonly gradient: Tensor | undefined;
}

interface Entry {
  placed: PlacedParameter;
  block: StoredBlock;
  tensor: Tensor;
  trainable: boolean;
}

interface StoredBlock {
  placed: PlacedBlock;
  /** The block in the device's float type. */
  value: Tensor;
  /** What GEMMs use: the 16-bit working copy where there is one, or `value` itself. */
  operand: Tensor;
}

/**
 * All parameters of a model in one flat arena on the device, in the device's float type, with named views. In bf16 and f16 the operands of GEMMs have
 * working copies in an arena of their own, unless the device rounds weights as it multiplies. Gradients are a third arena, which holds what is trainable and exists only while training.
 */
export class ParameterStore implements Disposable {
  readonly device: Device;
  /** All values, (n). */
  readonly arena: Tensor;
  /** The type of GEMM operands and activations. */
  readonly activationType: "f32" | "f64" | "bf16" | "f16";
  /** Whether GEMMs multiply in 8 bits. They quantize the values themselves. */
  readonly int8: boolean;
  /** Working copies in bf16 or f16 of the arena's elements `copiesFrom` … `copiesFrom + copies.size`. */
  readonly copies: Tensor | undefined;
  readonly copiesFrom: number;
  readonly #blocks = new Map<string, StoredBlock>();
  readonly #parameters = new Map<string, Entry>();
  #gradients: GradientArena | undefined;
  #ranges: TrainableRange[] | undefined;

  /** @throws {ParameterError} when a name occurs twice or is in no weight-decay group */
  constructor(
    device: Device,
    blocks: readonly ParameterBlock[],
    activationType: "f32" | "f64" | "bf16" | "f16",
    options: { int8?: boolean } = {},
  ) {
    this.device = device;
    this.activationType = activationType;
    this.int8 = options.int8 ?? false;
    const placed = layOut(blocks);
    const end = (block: PlacedBlock): number => block.offset + block.room;
    this.arena = device.zeros([end(placed[placed.length - 1])]);
    const isShort = activationType === "bf16" || activationType === "f16";
    const isCopied = isShort && !this.int8 && !(activationType === "bf16" && device.roundsWeights);
    const operands = isCopied ? placed.filter((block) => block.operand) : [];
    this.copiesFrom = operands[0]?.offset ?? 0;
    if (operands.length > 0)
      this.copies = device.zeros([end(operands[operands.length - 1]) - this.copiesFrom], activationType);
    for (const block of placed) this.#place(block);
  }

  #place(placed: PlacedBlock): void {
    const [rows, ...rest] = placed.shape;
    const shape = [rows * placed.names.length, ...rest];
    const value = this.arena.view(shape, placed.offset);
    const copied = this.copies !== undefined && placed.operand;
    const operand = copied ? this.copies!.view(shape, placed.offset - this.copiesFrom) : value;
    const block = { placed, value, operand };
    this.#blocks.set(placed.key, block);
    for (const parameter of placed.parameters) {
      const tensor = placed.names.length === 1 ? value : this.arena.view(parameter.shape, parameter.offset);
      this.#parameters.set(parameter.name, { placed: parameter, block, tensor, trainable: true });
    }
    this.#markTrainable(block);
  }

  /** Parameter names, in the arena's order. */
  names(): string[] {
    return [...this.#parameters.keys()];
  }

  has(name: string): boolean {
    return this.#parameters.has(name);
  }

  /** @throws {ParameterError} when there is no such parameter */
  get(name: string): Parameter {
    const entry = this.#parameters.get(name);
    if (entry === undefined) {
      const near = nearestName(name, this.names());
      throw new ParameterError(`There is no parameter ${name}.${near === undefined ? "" : ` Did you mean ${near}?`}`);
    }
    return {
      ...entry.placed,
      decay: entry.block.placed.decay,
      trainable: entry.trainable,
      tensor: entry.tensor,
      gradient: entry.trainable ? this.#gradients?.ofParameter(name) : undefined,
    };
  }

  *[Symbol.iterator](): Iterator<Parameter> {
    for (const name of this.#parameters.keys()) yield this.get(name);
  }

  /** The blocks as they were described, in the arena's order. */
  get blocks(): readonly ParameterBlock[] {
    return [...this.#blocks.values()].map(({ placed }) => placed);
  }

  /** A block in the device's float type: embedding tables, biases, LayerNorm. */
  value(key: string): Tensor {
    return this.#block(key).value;
  }

  /** A block as GEMMs take it. */
  operand(key: string): Tensor {
    return this.#block(key).operand;
  }

  #block(key: string): StoredBlock {
    const block = this.#blocks.get(key);
    if (block === undefined) throw new ParameterError(`There is no parameter block ${key}.`);
    return block;
  }

  /** Numbers of elements. */
  count(): { total: number; trainable: number } {
    let [total, trainable] = [0, 0];
    for (const { placed, trainable: isTrainable } of this.#parameters.values()) {
      total += placed.size;
      if (isTrainable) trainable += placed.size;
    }
    return { total, trainable };
  }

  /**
   * Chooses what is trained; everything else is frozen: it gets no gradient and no optimizer state.
   * @param selectors whose union is trained; see {@link ParameterSelector}
   * @returns how many elements are trainable now
   * @throws {ParameterError} when a selector matches nothing; nothing has changed then
   * @example
   * model.parameters.setTrainable("last-2");
   */
  setTrainable(...selectors: ParameterSelector[]): number {
    const selected = selectParameters(this.blocks, selectors);
    const hadGradients = this.#gradients !== undefined;
    this.releaseGradients();
    for (const [name, entry] of this.#parameters) entry.trainable = selected.has(name);
    for (const block of this.#blocks.values()) this.#markTrainable(block);
    if (hadGradients) this.buildGradients();
    return this.count().trainable;
  }

  #markTrainable(block: StoredBlock): void {
    const trainable = block.placed.names.some((name) => this.#parameters.get(name)?.trainable);
    block.value.requiresGrad = trainable;
    block.operand.requiresGrad = trainable;
  }

  /** Whether any parameter of a part, or below it, is trained; parts go from the embeddings over the layers to the head. */
  trainsAtOrBelow(part: ParameterBlock["part"], layer = 0): boolean {
    const height = heightOf(part, layer);
    for (const { placed, value } of this.#blocks.values())
      if (value.requiresGrad && heightOf(placed.part, placed.layer ?? 0) <= height) return true;
    return false;
  }

  /** Makes the gradient arena, zeroed, unless it is there. */
  buildGradients(): void {
    if (this.#gradients !== undefined) return;
    const trained = [...this.#blocks.values()].filter(({ value }) => value.requiresGrad);
    this.#gradients = new GradientArena(
      this.device,
      trained.map(({ placed }) => placed),
    );
    for (const { placed, value, operand } of trained) {
      const gradient = this.#gradients.ofBlock(placed.key);
      value.grad = gradient;
      operand.grad = gradient;
    }
  }

  /** All gradients, (n) of the trainable blocks one after another, when there are any. */
  get gradientArena(): Tensor | undefined {
    return this.#gradients?.arena;
  }

  zeroGradients(): void {
    if (this.#gradients?.arena !== undefined) this.device.run("fill", [this.#gradients.arena], [0]);
  }

  /** Frees the gradients; ranges given out before are void. */
  releaseGradients(): void {
    for (const range of this.#ranges ?? [])
      for (const view of [range.parameter, range.gradient, range.copy]) view?.dispose();
    this.#ranges = undefined;
    for (const { value, operand } of this.#blocks.values()) {
      value.grad = undefined;
      operand.grad = undefined;
    }
    this.#gradients?.dispose();
    this.#gradients = undefined;
  }

  /**
   * The trainable parameters as the fewest stretches that an optimizer can sweep: equal decay, and either all or none with a 16-bit copy. Builds the
   * gradients. Valid until the next {@link setTrainable} or {@link releaseGradients}.
   */
  trainableRanges(): readonly TrainableRange[] {
    this.buildGradients();
    this.#ranges ??= trainableRanges(this, [...this.#parameters.values()], this.#gradients!);
    return this.#ranges;
  }

  /** Rounds the values into the 16-bit working copies. An optimizer that is given the ranges' copies does that itself. */
  refreshCopies(): void {
    if (this.copies === undefined) return;
    const values = this.arena.view(this.copies.shape, this.copiesFrom);
    this.device.run("convert", [values, this.copies], []);
    values.dispose();
  }

  dispose(): void {
    this.releaseGradients();
    for (const { tensor } of this.#parameters.values()) tensor.dispose();
    for (const { value, operand } of this.#blocks.values()) {
      value.dispose();
      operand.dispose();
    }
    this.copies?.dispose();
    this.arena.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function heightOf(part: ParameterBlock["part"], layer: number): number {
  if (part === "embeddings") return -1;
  if (part === "layer") return layer;
  return part === "pooler" ? Number.MAX_SAFE_INTEGER - 1 : Number.MAX_SAFE_INTEGER;
}
