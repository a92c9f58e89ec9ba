import { DTYPE_BYTES, DTYPE_NUMBER, type DType, dtypeOf, sizeOf, type TensorData } from "./dtype.js";
import { BackendError, DisposedError, OpError, wrapNativeError } from "./errors.js";
import { loadAddon, type NativeDevice } from "./native.js";
import { OP_NUMBER, type OpName } from "./op-numbers.js";
import { Sequences } from "./sequences.js";
import { Tensor } from "./tensor.js";

export interface DeviceOptions {
  /** CPU threads; default: `NODE_BERT_THREADS`, else as many as the process may use. */
  threads?: number;
}

/** Bytes are of the caching allocator; `allocations` counts raw allocations ever made and is flat in steady state. */
export interface MemoryStats {
  bytesInUse: number;
  bytesReserved: number;
  peakBytesInUse: number;
  allocations: number;
  liveTensors: number;
}

/** What a backend says about itself: instruction set, threads, libraries, limits. */
export type DeviceInfo = Record<string, unknown>;

/** Room for the largest command: op, counts, 20 tensors, 16 params. */
const COMMAND_LENGTH = 64;

interface Forgotten {
  native: NativeDevice;
  handle: number;
  shape: readonly number[];
  madeAt: string | undefined;
}

const forgotten = new FinalizationRegistry<Forgotten>(({ native, handle, shape, madeAt }) => {
  if (native.free(handle) && madeAt !== undefined)
    process.stderr.write(
      `node-bert: a tensor of shape (${shape.join(", ")}) was never disposed; it was made ${madeAt}\n`,
    );
});

/**
 * A queue of ops with the memory they work on. Every op is enqueued and returns at once; the device's own thread runs them in order.
 * The only waits are {@link Tensor.read} and {@link Device.synchronize}.
 */
export class Device implements Disposable {
  readonly name: string;
  /** The type of parameters and statistics here: "f64" on the reference device, "f32" elsewhere. */
  readonly floatType: "f32" | "f64";
  /** @internal */
  readonly native: NativeDevice;
  readonly #command = new Float64Array(COMMAND_LENGTH);
  #scopes: Tensor[][] = [];
  #closed = false;
  #dropout = { low: 0, high: 0, step: 0, op: 0 };

  /** @internal Use {@link openDevice}. */
  constructor(name: string, backend: string, index: number, options: DeviceOptions) {
    const threads = options.threads ?? Number(process.env.NODE_BERT_THREADS ?? 0);
    if (!Number.isInteger(threads) || threads < 0 || threads > 1024)
      throw new BackendError("ERR_DEVICE", `threads is ${threads}, expected an integer from 1 to 1024, or 0 for all`);
    this.name = name;
    this.floatType = backend === "reference" ? "f64" : "f32";
    try {
      this.native = new (loadAddon().Device)(backend, index, threads, this.#command);
    } catch (error) {
      throw wrapNativeError(error);
    }
  }

  get info(): DeviceInfo {
    return JSON.parse(this.native.info()) as DeviceInfo;
  }

  /** Types that activations may have here. */
  get activationTypes(): readonly ("f64" | "f32" | "bf16" | "f16")[] {
    return this.info.dtypes as ("f64" | "f32" | "bf16" | "f16")[];
  }

  /** Whether products of bf16 take f32 weights, which are rounded on the way. Where not, weights need a copy in the activations' type. */
  get roundsWeights(): boolean {
    return this.info.roundsWeights === true;
  }

  get disposed(): boolean {
    return this.#closed;
  }

  /** A tensor whose elements are undefined until an op writes them. */
  empty(shape: readonly number[], dtype: DType = this.floatType): Tensor {
    const command = this.#command;
    this.#checkOpen();
    command[0] = DTYPE_NUMBER[dtype] ?? -1;
    this.#writeShape(1, shape);
    return this.#adopt(this.#allocate(), shape, dtype);
  }

  zeros(shape: readonly number[], dtype: DType = this.floatType): Tensor {
    return this.full(shape, 0, dtype);
  }

  full(shape: readonly number[], value: number, dtype: DType = this.floatType): Tensor {
    const tensor = this.empty(shape, dtype);
    this.run("fill", [tensor], [value]);
    return tensor;
  }

  /**
   * A tensor with the elements of `data`, converted to `dtype` on the device.
   * @param shape default: one dimension
   * @param dtype default: i32 for an Int32Array, u8 for a Uint8Array, else the device's float type
   */
  tensor(data: TensorData | readonly number[], shape?: readonly number[], dtype?: DType): Tensor {
    const values = Array.isArray(data) ? Float64Array.from(data as readonly number[]) : (data as TensorData);
    const given = dtypeOf(values);
    const wanted = dtype ?? (given === "i32" || given === "u8" ? given : this.floatType);
    const tensor = this.empty(shape ?? [values.length], wanted);
    try {
      this.upload(tensor, values);
    } catch (error) {
      tensor.dispose();
      throw error;
    }
    return tensor;
  }

  /** Marks packed sequences: sequence b is rows cuSeqlens[b] … cuSeqlens[b + 1] of an (N, …) tensor. */
  sequences(cuSeqlens: Int32Array): Sequences {
    return new Sequences(this, cuSeqlens);
  }

  /** Runs `body` and disposes of every tensor made inside, except those in what it returns and those a tape still needs. */
  scope<T>(body: () => T): T {
    this.#scopes.push([]);
    let result: T | undefined;
    try {
      result = body();
      if (result instanceof Promise)
        throw new OpError("ERR_INVALID_OP", "scope: the function returned a promise, expected a synchronous one");
      return result;
    } finally {
      const made = this.#scopes.pop()!;
      const kept = new Set<Tensor>();
      collectTensors(result, kept);
      const parent = this.#scopes.at(-1);
      for (const tensor of made) {
        if (tensor.disposed) continue;
        if (parent !== undefined && (tensor.owner === "tape" || kept.has(tensor))) parent.push(tensor);
        else if (tensor.owner === "tape")
          this.#watch(tensor); // for the case that the tape is forgotten
        else if (!kept.has(tensor)) tensor.dispose();
        else this.#finalizeLater(tensor);
      }
    }
  }

  /** Waits until everything enqueued has run. @throws {DeviceError} when an op failed; the message names it. */
  async synchronize(): Promise<void> {
    this.#checkOpen();
    try {
      await this.native.synchronize();
    } catch (error) {
      throw wrapNativeError(error);
    }
  }

  /**
   * Resolves once everything enqueued was handed to the device, which may still compute it: no wait for results, and no error is told. Whoever enqueues
   * for long without reading keeps the queue short by it.
   */
  async handover(): Promise<void> {
    this.#checkOpen();
    await this.native.handover();
  }

  memory(): MemoryStats {
    this.#checkOpen();
    return this.native.memory();
  }

  /** Starts a new measurement of `memory().peakBytesInUse`. */
  resetPeakMemory(): void {
    this.native.resetPeak();
  }

  /**
   * Sets the generator of dropout masks: the masks of the ops that follow depend on (seed, step) and on how many dropout ops came since,
   * on nothing else. So they are the same on every device, and a resumed run draws what the first would have drawn.
   */
  setDropoutState(seed: number, step: number): void {
    this.#dropout = { low: seed >>> 0, high: Math.floor(seed / 2 ** 32) >>> 0, step: step >>> 0, op: 0 };
  }

  /** @internal The five dropout params of the next op with probability p. */
  nextDropout(p: number): number[] {
    if (p === 0) return [0, 0, 0, 0, 0];
    const { low, high, step } = this.#dropout;
    return [p, low, high, step, this.#dropout.op++];
  }

  /**
   * Enqueues one op of the backend ABI (native/include/node_bert/backend.h has the list): its tensors in order, `undefined` where an
   * optional one is left out, and its params. The functions in ops/ are made of this; use it for an op of your own.
   * @throws {OpError} when a shape, type, device or param is wrong, naming op and argument; nothing was enqueued then.
   */
  run(op: OpName, tensors: readonly (Tensor | undefined)[], params: readonly number[]): void {
    const command = this.#command;
    this.#checkOpen();
    if (tensors.length + params.length + 3 > COMMAND_LENGTH)
      throw new OpError("ERR_INVALID_OP", `${op}: too many arguments`);
    const handles: number[] = [];
    for (let i = 0; i < tensors.length; i++) {
      const tensor = tensors[i];
      if (tensor === undefined) handles.push(0);
      else if (!(tensor instanceof Tensor))
        throw new OpError("ERR_INVALID_OP", `${op}: argument ${i} is ${typeof tensor}, expected a Tensor`);
      else if (tensor.device !== this)
        throw new OpError("ERR_INVALID_OP", `${op}: argument ${i} is on ${tensor.device.name}, expected ${this.name}`);
      else if (tensor.disposed)
        throw new DisposedError(`${op}: argument ${i}, a tensor of shape (${tensor.shape.join(", ")}),`);
      else handles.push(tensor.handle);
    }
    command[0] = OP_NUMBER[op] ?? -1;
    command[1] = tensors.length;
    command[2] = params.length;
    command.set(handles, 3);
    command.set(params, 3 + handles.length);
    try {
      this.native.enqueue();
    } catch (error) {
      throw wrapNativeError(error);
    }
  }

  /**
   * Says that the ops enqueued by `body` are one training step: a GPU may record them and launch them as a whole. Results do not depend on it.
   * Uploads and reads inside split the step.
   */
  step<T>(body: () => T): T {
    this.run("step_begin", [], []);
    try {
      return body();
    } finally {
      if (!this.#closed) this.run("step_end", [], []);
    }
  }

  /** @internal */
  upload(tensor: Tensor, data: TensorData): void {
    if (data.length !== tensor.size)
      throw new OpError(
        "ERR_INVALID_OP",
        `write: got ${data.length} elements for a tensor of shape (${tensor.shape.join(", ")})`,
      );
    const given = dtypeOf(data);
    if (given === tensor.dtype) {
      this.#guard(() => this.native.upload(tensor.handle, data));
      return;
    }
    if (tensor.dtype === "i32" || tensor.dtype === "u8") {
      const converted = tensor.dtype === "i32" ? Int32Array.from(data) : Uint8Array.from(data);
      this.#guard(() => this.native.upload(tensor.handle, converted));
      return;
    }
    // CUDA devices have no f64.
    const isTaken = given === "f32" || (given === "f64" && !this.name.startsWith("cuda"));
    const floats = isTaken ? data : Float32Array.from(data);
    if (dtypeOf(floats) === tensor.dtype) {
      this.#guard(() => this.native.upload(tensor.handle, floats));
      return;
    }
    const staged = this.empty(tensor.shape, dtypeOf(floats));
    this.#guard(() => this.native.upload(staged.handle, floats));
    this.run("convert", [staged, tensor], []);
    staged.dispose();
  }

  /**
   * Fills a float tensor, in stream order, with values read from an open file, converting from the file's type. The descriptor may be closed
   * as soon as this returns. A file that is too short rejects at the next sync point.
   * @param offset in bytes
   */
  readFile(tensor: Tensor, fd: number, offset: number, fileType: "f32" | "f64" | "bf16" | "f16"): void {
    if (tensor.device !== this)
      throw new OpError("ERR_INVALID_OP", `readFile: the tensor is on ${tensor.device.name}, expected ${this.name}`);
    this.#guard(() => this.native.readFile(tensor.handle, fd, offset, DTYPE_NUMBER[fileType]));
  }

  /** @internal */
  viewOf(base: Tensor, shape: readonly number[], offset: number): Tensor {
    const command = this.#command;
    command[0] = base.handle;
    command[1] = offset;
    this.#writeShape(2, shape);
    return this.#adopt(
      this.#guard(() => this.native.view()),
      shape,
      base.dtype,
    );
  }

  /** @internal */
  freeTensor(tensor: Tensor, handle: number): void {
    forgotten.unregister(tensor);
    if (!this.#closed) this.native.free(handle);
  }

  /** Waits for what is queued, then frees everything. Tensors of the device cannot be used afterwards. */
  dispose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.native.close();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #allocate(): number {
    try {
      return this.native.allocate();
    } catch (error) {
      throw wrapNativeError(error);
    }
  }

  #guard<T>(body: () => T): T {
    this.#checkOpen();
    try {
      return body();
    } catch (error) {
      throw wrapNativeError(error);
    }
  }

  #writeShape(at: number, shape: readonly number[]): void {
    if (shape.length > 4) throw new OpError("ERR_INVALID_OP", `A tensor has at most 4 dimensions, not ${shape.length}`);
    this.#command[at] = shape.length;
    for (let i = 0; i < shape.length; i++) this.#command[at + 1 + i] = shape[i];
  }

  #adopt(handle: number, shape: readonly number[], dtype: DType): Tensor {
    const tensor = new Tensor(this, handle, shape.slice(), dtype);
    const scope = this.#scopes.at(-1);
    if (scope !== undefined) {
      tensor.owner = "scope";
      scope.push(tensor);
    } else {
      this.#finalizeLater(tensor);
    }
    return tensor;
  }

  /** @internal A tape gives the tensor up: to the open scope it was made in, else to whoever holds it. */
  disown(tensor: Tensor): void {
    if (this.#scopes.some((made) => made.includes(tensor))) tensor.owner = "scope";
    else this.#finalizeLater(tensor);
  }

  #finalizeLater(tensor: Tensor): void {
    tensor.owner = undefined;
    this.#watch(tensor);
  }

  #watch(tensor: Tensor): void {
    const madeAt = process.env.NODE_BERT_DEBUG ? callerOutside() : undefined;
    forgotten.register(tensor, { native: this.native, handle: tensor.handle, shape: tensor.shape, madeAt }, tensor);
  }

  #checkOpen(): void {
    if (this.#closed) throw new DisposedError(`The device ${this.name}`);
  }
}

const packageCode = new URL(".", import.meta.url).pathname;

/** The innermost frame of the stack that is not this package's. */
function callerOutside(): string | undefined {
  const frames = new Error().stack?.split("\n").slice(1) ?? [];
  return frames.find((frame) => !frame.includes(packageCode))?.trim();
}

/** Bytes that a tensor of this shape and type takes. */
export function bytesOf(shape: readonly number[], dtype: DType): number {
  return sizeOf(shape) * DTYPE_BYTES[dtype];
}

function collectTensors(value: unknown, into: Set<Tensor>): void {
  if (value instanceof Tensor) into.add(value);
  else if (value instanceof Sequences) into.add(value.tensor);
  else if (Array.isArray(value)) for (const item of value) collectTensors(item, into);
  else if (value !== null && typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value)) collectTensors(item, into);
}
