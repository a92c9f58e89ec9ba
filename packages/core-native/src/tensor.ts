import type { Device } from "./device.js";
import { DTYPE_BYTES, type DType, sizeOf, type TensorData } from "./dtype.js";
import { DisposedError, OpError, wrapNativeError } from "./errors.js";

/**
 * A dense row-major array on a device: a small handle over shared storage. Ops on it are enqueued and return at once; only `read()` waits.
 *
 * `dispose()` is immediate, idempotent and safe while ops on the tensor are queued: memory is reused in stream order. `using x = …` and
 * `device.scope(() => …)` call it for you.
 *
 * @example
 * const x = device.tensor(new Float32Array([1, 2, 3, 4]), [2, 2]);
 * console.log(await x.read()); // Float32Array [1, 2, 3, 4]
 * x.dispose();
 */
export class Tensor implements Disposable {
  readonly device: Device;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Whether ops on this tensor are recorded by an active {@link Tape}. Set it on leaves; outputs of recorded ops have it. */
  requiresGrad = false;
  /** Where gradients of a parameter are accumulated (+=). Leaves without it get their gradient from `tape.gradient(leaf)`. */
  grad: Tensor | undefined;
  /** @internal What this is an activation of, while a tape keeps that: backward may compute this again instead of keeping it. */
  activationOf: { before: Tensor; activation: number } | undefined;
  /** @internal Makes it again, to the same bits, from what a tape keeps until the backward pass has come to it; see {@link forget}. */
  remake: (() => Tensor) | undefined;
  /** @internal Who disposes of it when nobody else does: a scope, a tape, or nobody (the finalizer). */
  owner: "scope" | "tape" | undefined;
  #handle: number;

  /** @internal Tensors are made by a {@link Device}. */
  constructor(device: Device, handle: number, shape: readonly number[], dtype: DType) {
    this.device = device;
    this.#handle = handle;
    this.shape = shape;
    this.dtype = dtype;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Bytes of its elements. */
  get bytes(): number {
    return this.size * DTYPE_BYTES[this.dtype];
  }

  get disposed(): boolean {
    return this.#handle === 0;
  }

  /** @internal The addon's handle. @throws {DisposedError} */
  get handle(): number {
    if (this.#handle === 0) throw new DisposedError(`A tensor of shape (${this.shape.join(", ")})`);
    return this.#handle;
  }

  /**
   * Copies the elements to the host once everything enqueued before has run. bf16 and f16 are widened to a Float32Array.
   * @throws {DeviceError} when an op enqueued before failed; the message names it.
   */
  async read(): Promise<TensorData> {
    if (this.dtype === "bf16" || this.dtype === "f16") {
      const wide = this.device.empty(this.shape, "f32");
      this.device.run("convert", [this, wide], []);
      const pending = wide.read();
      wide.dispose();
      return pending;
    }
    let buffer: ArrayBuffer;
    try {
      buffer = await this.device.native.download(this.handle, this.bytes);
    } catch (error) {
      throw wrapNativeError(error);
    }
    switch (this.dtype) {
      case "f32":
        return new Float32Array(buffer);
      case "f64":
        return new Float64Array(buffer);
      case "i32":
        return new Int32Array(buffer);
      default:
        return new Uint8Array(buffer);
    }
  }

  /** The one element of a tensor of size 1. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new OpError("ERR_INVALID_OP", `item: the tensor has ${this.size} elements, expected 1`);
    return (await this.read())[0];
  }

  /** Overwrites the elements, in stream order, with host data of the same number of elements (converted to this type). */
  write(data: TensorData): void {
    this.device.upload(this, data);
  }

  /** A tensor of `shape` over the same storage, from element `offset` on. Storage lives as long as any of its tensors. */
  view(shape: readonly number[], offset = 0): Tensor {
    return this.device.viewOf(this, shape, offset);
  }

  /** Rows `from` (inclusive) to `to` (exclusive) along the first dimension, over the same storage. */
  rows(from: number, to: number): Tensor {
    const width = sizeOf(this.shape.slice(1));
    if (!(from >= 0 && from <= to && to <= this.shape[0]))
      throw new OpError("ERR_INVALID_OP", `rows: ${from}..${to} lie outside (${this.shape.join(", ")})`);
    return this.view([to - from, ...this.shape.slice(1)], from * width);
  }

  dispose(): void {
    if (this.#handle === 0) return;
    this.device.freeTensor(this, this.#handle);
    this.#handle = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
