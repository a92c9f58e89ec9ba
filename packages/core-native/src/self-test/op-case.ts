// A numerical case of an op as data: its tensors, the forward call, the backward call. The runner (run-case.ts) executes it on any device
// in any activation type; the self-test and the tests compare the results.
import type { Shape } from "./compare.js";
import type { Random } from "./random.js";

/** As in backend.h: x activation, s statistics, i int32, h the 16-bit type of working copies: f16 with f16, else bf16. */
export type TensorType = "x" | "s" | "i" | "h";

export interface TensorSpec {
  type: TensorType;
  shape: Shape;
  /** The numbers of an input, a cotangent, or the initial value of an updated tensor. None: an output. */
  data?: ArrayLike<number>;
  /** Of an output that is a difference of larger numbers: their magnitude. Rounding errors are relative to it. */
  terms?: number;
  /** Of an output of type s that the op computes from activations it rounded itself: its floor is theirs. */
  fromActivations?: boolean;
}

export interface CallSpec {
  /** Name of the op in backend.h, in lower case: "linear_forward". */
  op: string;
  /** Tensor names in the order of the ABI; null leaves an optional one out. */
  order: (string | null)[];
  params: number[];
  /** Outputs that are overwritten; the runner poisons them first. */
  writes: string[];
  /** Tensors that are added to or changed in place. */
  updates?: string[];
  /** Memory the op may use as it likes. */
  scratch?: string[];
}

export interface OpCase {
  label: string;
  tensors: Record<string, TensorSpec>;
  forward: CallSpec;
  backward?: CallSpec;
  /** output → its cotangent, an input of backward: the scalar that is differentiated is the sum of their products. */
  cotangents: Record<string, string>;
  /** input of forward → its gradient, an output of backward. */
  gradients: Record<string, string>;
}

export interface DropoutParams {
  p: number;
  seedLow: number;
  seedHigh: number;
  step: number;
  op: number;
}

export const NO_DROPOUT: DropoutParams = { p: 0, seedLow: 0, seedHigh: 0, step: 0, op: 0 };

/** Dropout with rate p and a key of its own. */
export function randomDropout(random: Random, p: number): DropoutParams {
  return { p, seedLow: random.uint32(), seedHigh: random.uint32(), step: random.uint32(), op: random.uint32() };
}

export function dropoutParams({ p, seedLow, seedHigh, step, op }: DropoutParams): number[] {
  return [p, seedLow, seedHigh, step, op];
}

/** Where each sequence of the given lengths starts, and the end: (B + 1). */
export function cuSeqlensOf(lengths: readonly number[]): Int32Array {
  const starts = new Int32Array(lengths.length + 1);
  lengths.forEach((length, b) => {
    starts[b + 1] = starts[b] + length;
  });
  return starts;
}

/** Leaves optional arguments out of a call; a name that is not in it is a mistake. */
export function without(call: CallSpec, names: readonly string[]): CallSpec {
  for (const name of names) {
    if (!call.order.includes(name)) throw new Error(`${call.op} has no argument ${name}`);
  }
  const keep = (name: string) => !names.includes(name);
  return {
    ...call,
    order: call.order.map((name) => (name !== null && keep(name) ? name : null)),
    writes: call.writes.filter(keep),
    updates: call.updates?.filter(keep),
    scratch: call.scratch?.filter(keep),
  };
}

/** Root of the mean square. */
export function magnitudeOf(data: ArrayLike<number>): number {
  return Math.sqrt(Array.from(data).reduce((sum, value) => sum + value * value, 0) / Math.max(1, data.length));
}

export function largestOf(data: ArrayLike<number>): number {
  return Array.from(data).reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

/** A short text for labels: "p=0.1" or nothing. */
export function dropoutLabel({ p }: DropoutParams): string {
  return p > 0 ? ` p=${p}` : "";
}
