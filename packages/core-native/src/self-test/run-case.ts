// Runs an OpCase on a device with every precaution of a test: outputs are poisoned with NaN, every tensor lies between guard bands,
// and afterwards the guards and the inputs must be what they were.
import type { Device } from "../device.js";
import type { DType } from "../dtype.js";
import type { Tensor } from "../tensor.js";
import type { FloatType, Shape, Values } from "./compare.js";
import type { CallSpec, OpCase, TensorSpec, TensorType } from "./op-case.js";

/** A number that every type represents exactly and that no op computes. */
const SENTINEL = -12288;
const GUARD = 64; // elements; a multiple of 64 bytes in every type, so that a tensor keeps its allocation's alignment

export type Outputs = Record<string, Values>;

export interface CallResult {
  outputs: Outputs;
  /** From enqueue to completion. */
  milliseconds: number;
}

export interface CaseResult {
  forward: CallResult;
  backward?: CallResult;
  /** What an op did to memory that was not its to write; empty when all is well. */
  violations: string[];
}

export interface RunOptions {
  /** Round the inputs to what this activation type represents; default: the type that is run. */
  inputs?: FloatType;
  /** Elements that views start past an aligned address. */
  misalignment?: number;
}

export function dtypeOfTensor(type: TensorType, activation: FloatType): DType {
  switch (type) {
    case "x":
      return activation;
    case "s":
      return activation === "f64" ? "f64" : "f32";
    case "i":
      return "i32";
    case "h":
      return activation === "f16" ? "f16" : "bf16";
  }
}

/** The nearest numbers of a type, ties to even. */
export function rounded(data: ArrayLike<number>, dtype: DType): Float64Array {
  if (dtype !== "f32" && dtype !== "bf16" && dtype !== "f16") return Float64Array.from(data);
  const floats = Float32Array.from(data);
  if (dtype === "f16") return Float64Array.from(floats, roundToHalf);
  if (dtype === "bf16") {
    const words = new Uint32Array(floats.buffer);
    for (let i = 0; i < words.length; i++) words[i] = (words[i] + 0x7fff + ((words[i] >>> 16) & 1)) & 0xffff0000;
  }
  return Float64Array.from(floats);
}

/** The nearest multiple of the distance between f16 numbers around x, ties to even; numbers too large become infinite. */
function roundToHalf(x: number): number {
  if (!Number.isFinite(x) || x === 0) return x;
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(x))), -14);
  const unit = 2 ** (exponent - 10);
  const steps = x / unit;
  const floor = Math.floor(steps);
  const rest = steps - floor;
  const nearest = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
  return Math.abs(nearest * unit) > 65504 ? Math.sign(x) * Number.POSITIVE_INFINITY : nearest * unit;
}

/** A tensor in the middle of a larger one whose ends are filled with a sentinel. */
class Guarded {
  readonly body: Tensor;
  readonly #whole: Tensor;
  readonly #start: number;
  readonly #size: number;
  readonly #shape: Shape;
  #before: ArrayLike<number>;

  constructor(device: Device, shape: Shape, dtype: DType, data: ArrayLike<number> | undefined, misalignment: number) {
    this.#shape = shape;
    this.#size = shape.reduce((product, dimension) => product * dimension, 1);
    this.#start = GUARD + misalignment;
    const initial = data ?? new Float64Array(this.#size).fill(Number.NaN);
    const all = new Float64Array(this.#start + this.#size + GUARD).fill(SENTINEL);
    all.set(initial, this.#start);
    const host = dtype === "i32" ? Int32Array.from(all) : dtype === "f64" ? all : Float32Array.from(all);
    this.#whole = device.tensor(host, [all.length], dtype);
    this.body = this.#whole.view(shape, this.#start);
    this.#before = initial;
  }

  /** The elements, after a look at the guards. */
  async read(report: (what: string) => void): Promise<Values> {
    const all = await this.#whole.read();
    const end = this.#start + this.#size;
    for (let i = 0; i < all.length; i++) {
      if (i >= this.#start && i < end) continue;
      if (all[i] !== SENTINEL)
        report(i < end ? `wrote ${this.#start - i} before it` : `wrote ${i - end + 1} past its end`);
    }
    return { shape: this.#shape, data: all.slice(this.#start, end) };
  }

  /** Reports a change to an input. */
  async requireUnchanged(report: (what: string) => void): Promise<void> {
    const { data } = await this.read(report);
    for (let i = 0; i < data.length; i++) {
      if (data[i] !== this.#before[i]) return report(`changed an input at element ${i}`);
    }
  }

  /** From here on the present values are what must not change. */
  settle(values: Values): void {
    this.#before = values.data;
  }

  dispose(): void {
    this.body.dispose();
    this.#whole.dispose();
  }
}

class CaseRun {
  readonly violations: string[] = [];
  readonly #tensors = new Map<string, Guarded>();
  readonly #device: Device;

  constructor(device: Device, activation: FloatType, opCase: OpCase, { inputs, misalignment = 0 }: RunOptions) {
    this.#device = device;
    const used = new Set([opCase.forward, opCase.backward].flatMap((call) => call?.order ?? []));
    for (const [name, spec] of Object.entries(opCase.tensors)) {
      if (!used.has(name)) continue;
      const data = spec.data === undefined ? undefined : representable(spec, inputs ?? activation);
      const dtype = dtypeOfTensor(spec.type, activation);
      this.#tensors.set(name, new Guarded(device, spec.shape, dtype, data, misalignment));
    }
  }

  async call(call: CallSpec): Promise<CallResult> {
    const named = call.order.map((name) => (name === null ? undefined : this.#tensors.get(name)!));
    await this.#device.synchronize();
    const start = performance.now();
    this.#device.run(
      call.op as Parameters<Device["run"]>[0],
      named.map((tensor) => tensor?.body),
      call.params,
    );
    await this.#device.synchronize();
    const milliseconds = performance.now() - start;

    const changed = [...call.writes, ...(call.updates ?? [])];
    const outputs: Outputs = {};
    for (const name of new Set(call.order)) {
      if (name === null) continue;
      const tensor = this.#tensors.get(name)!;
      const report = (what: string) => this.violations.push(`${call.op}: ${name}: ${what}`);
      if (changed.includes(name)) {
        outputs[name] = await tensor.read(report);
        tensor.settle(outputs[name]);
      } else if (call.scratch?.includes(name)) {
        await tensor.read(report);
      } else {
        await tensor.requireUnchanged(report);
      }
    }
    return { outputs, milliseconds };
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
  }
}

function representable(spec: TensorSpec, inputs: FloatType): ArrayLike<number> {
  return rounded(spec.data!, dtypeOfTensor(spec.type, inputs));
}

/**
 * Runs forward, then backward on what forward saved.
 * @throws whatever an op throws or rejects with
 */
export async function runCase(
  device: Device,
  activation: FloatType,
  opCase: OpCase,
  options: RunOptions = {},
): Promise<CaseResult> {
  const run = new CaseRun(device, activation, opCase, options);
  try {
    const forward = await run.call(opCase.forward);
    const backward = opCase.backward === undefined ? undefined : await run.call(opCase.backward);
    return { forward, backward, violations: run.violations };
  } finally {
    run.dispose();
  }
}
