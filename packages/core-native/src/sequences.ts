import type { Device } from "./device.js";
import { OpError } from "./errors.js";
import type { Tensor } from "./tensor.js";

/**
 * Where each sequence of a packed batch starts: sequence b is rows `cuSeqlens[b]` (inclusive) to `cuSeqlens[b + 1]` (exclusive) of an
 * (N, …) tensor. Checked on the host, so that ops can refuse a mismatch when they are enqueued.
 */
export class Sequences implements Disposable {
  readonly cuSeqlens: Int32Array; // (B + 1)
  readonly tensor: Tensor; // (B + 1) i32
  /** B, N and S of the shape alphabet. */
  readonly count: number;
  readonly tokens: number;
  readonly longest: number;

  /** @internal Use {@link Device.sequences}. @throws {OpError} when it does not start at 0 or decreases. */
  constructor(device: Device, cuSeqlens: Int32Array) {
    if (!(cuSeqlens instanceof Int32Array) || cuSeqlens.length === 0 || cuSeqlens[0] !== 0)
      throw new OpError("ERR_INVALID_OP", "sequences: expected an Int32Array of B + 1 offsets that starts with 0");
    let longest = 0;
    for (let b = 1; b < cuSeqlens.length; b++) {
      const length = cuSeqlens[b] - cuSeqlens[b - 1];
      if (length < 0)
        throw new OpError(
          "ERR_INVALID_OP",
          `sequences: offset ${b} is ${cuSeqlens[b]}, below offset ${b - 1} (${cuSeqlens[b - 1]})`,
        );
      if (length > longest) longest = length;
    }
    this.cuSeqlens = cuSeqlens;
    this.count = cuSeqlens.length - 1;
    this.tokens = cuSeqlens[this.count];
    this.longest = longest;
    this.tensor = device.tensor(cuSeqlens);
  }

  /** Row of the first token ([CLS]) of each sequence, (B). @throws {OpError} when a sequence is empty. */
  firstTokens(): Int32Array {
    for (let b = 0; b < this.count; b++)
      if (this.cuSeqlens[b] === this.cuSeqlens[b + 1])
        throw new OpError("ERR_INVALID_OP", `firstTokens: sequence ${b} is empty, expected at least one token`);
    return this.cuSeqlens.slice(0, this.count);
  }

  dispose(): void {
    this.tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
