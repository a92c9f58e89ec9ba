// Reverse-mode differentiation. Ops called while a tape records append an entry: what they produced, what their backward needs, and a
// function from the output's gradient to calls of `tape.add` for each input. Parameters accumulate into `parameter.grad` directly.
import { OpError } from "./errors.js";
import type { Tensor } from "./tensor.js";

export interface TapeEntry {
  /** What the op produced. */
  output: Tensor;
  /** Tensors that its backward reads and that others made; kept until the backward pass ends when a scope would have freed them. */
  inputs: readonly Tensor[];
  /** Tensors that the op made for its backward alone; freed once that has run. */
  extras?: readonly Tensor[];
  /** Adds to the gradients of the op's inputs. `dy` is the gradient of the output; no one else uses it afterwards. */
  backward: (dy: Tensor) => void;
}

let active: Tape | undefined;

/**
 * Frees a result that nothing reads any more in the forward pass, where backward can make it again to the same bits for less than it takes to keep it:
 * that of {@link addLayerNorm}, unless it is rounded to 16 bits. Its readers must be ops that do so: {@link linear}, and residuals.
 */
export function forget(tensor: Tensor): void {
  if (tensor.remake !== undefined && tensor.owner === "tape") tensor.dispose();
}

/**
 * Records the ops of a forward pass and runs their backward pass.
 *
 * @example
 * const tape = new Tape();
 * const { loss } = tape.record(() => crossEntropy(linear(x, weight, bias), labels));
 * tape.backward(loss); // weight.grad and bias.grad have been added to; what the forward pass kept is freed
 */
export class Tape {
  #entries: TapeEntry[] = [];
  #gradients = new Map<Tensor, Tensor>();
  #owned = new Set<Tensor>();

  /** The tape that records now, if any and if one of `inputs` needs a gradient. */
  static recording(...inputs: readonly (Tensor | undefined)[]): Tape | undefined {
    if (active === undefined) return undefined;
    for (const input of inputs) if (input?.requiresGrad) return active;
    return undefined;
  }

  /** Runs `forward` with this tape recording; tapes do not nest. */
  record<T>(forward: () => T): T {
    if (active !== undefined) throw new OpError("ERR_INVALID_OP", "Tape.record: another tape is recording");
    active = this;
    try {
      const result = forward();
      if (result instanceof Promise)
        throw new OpError("ERR_INVALID_OP", "Tape.record: the function returned a promise, expected a synchronous one");
      return result;
    } finally {
      active = undefined;
    }
  }

  /** Appends an op. The tape takes over its output and extras: the backward pass frees them as soon as nothing needs them. */
  append(entry: TapeEntry): void {
    entry.output.requiresGrad = true;
    this.#own(entry.output);
    for (const tensor of entry.extras ?? []) this.#own(tensor);
    for (const tensor of entry.inputs) if (tensor.owner === "scope") this.#own(tensor);
    this.#entries.push(entry);
  }

  /** The gradient gathered so far for `tensor`. After backward(): that of a leaf without `.grad`. */
  gradient(tensor: Tensor): Tensor | undefined {
    return this.#gradients.get(tensor);
  }

  /** Adds `gradient`, which the tape takes over, to the gradient of `input`; drops it when the input needs none. */
  add(input: Tensor, gradient: Tensor): void {
    const existing = this.#gradients.get(input);
    if (!input.requiresGrad) gradient.dispose();
    else if (existing === undefined) {
      this.#own(gradient);
      this.#gradients.set(input, gradient);
    } else if (existing !== gradient) {
      existing.device.run("add", [existing, gradient, existing], []);
      gradient.dispose();
    }
  }

  /**
   * Runs the backward pass from `output`, once.
   * @param gradient of the output; default: ones. The caller keeps it.
   * @param options.keep outputs of recorded ops that the caller wants to use afterwards (the output itself always is).
   */
  backward(output: Tensor, gradient?: Tensor, options: { keep?: readonly Tensor[] } = {}): void {
    if (active === this) throw new OpError("ERR_INVALID_OP", "Tape.backward: the tape is still recording");
    if (!output.requiresGrad)
      throw new OpError(
        "ERR_INVALID_OP",
        "Tape.backward: no trainable tensor contributed to this output while the tape recorded",
      );
    const { device } = output;
    const kept = new Set<Tensor>([output, ...(options.keep ?? [])]);
    const seed = device.empty(output.shape, output.dtype);
    if (gradient === undefined) device.run("fill", [seed], [1]);
    else device.run("convert", [gradient, seed], []);
    this.#gradients.set(output, seed);
    this.#own(seed);
    for (let entry = this.#entries.pop(); entry !== undefined; entry = this.#entries.pop()) {
      const dy = this.#gradients.get(entry.output);
      if (dy !== undefined) entry.backward(dy);
      for (const tensor of entry.extras ?? []) this.#release(tensor);
      if (!kept.has(entry.output)) this.#release(entry.output);
      if (dy !== undefined) {
        this.#gradients.delete(entry.output);
        this.#release(dy);
      }
    }
    const leaves = new Set(this.#gradients.values());
    for (const tensor of this.#owned) if (!kept.has(tensor) && !leaves.has(tensor)) this.#release(tensor);
    for (const tensor of kept) {
      tensor.requiresGrad = false;
      if (this.#owned.delete(tensor) && !tensor.disposed) tensor.device.disown(tensor);
    }
  }

  /** Frees everything the tape holds, gradients of leaves without `.grad` included. */
  dispose(): void {
    for (const tensor of this.#owned) tensor.dispose();
    this.#owned.clear();
    this.#entries = [];
    this.#gradients.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #own(tensor: Tensor): void {
    tensor.owner = "tape";
    this.#owned.add(tensor);
  }

  #release(tensor: Tensor): void {
    if (this.#owned.delete(tensor)) tensor.dispose();
  }
}
