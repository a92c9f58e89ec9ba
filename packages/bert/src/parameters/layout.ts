// Where each parameter lies in the flat arena. Weights come first and biases and LayerNorm after them, each from the bottom of the model to its
// top: so all parameters, or all of the last k layers, are one stretch with weight decay and one without, and AdamW is two sweeps.
import { ParameterError } from "../errors.js";

/** Parameters that ops use as one tensor: usually one, for attention the query, key and value side by side. */
export interface ParameterBlock {
  /** What modules ask for; for a block of one parameter its name. */
  key: string;
  /** Hugging Face's names of its parameters. */
  names: readonly string[];
  /** Of each parameter; the block's first dimension is `names.length` times theirs. */
  shape: readonly number[];
  part: "embeddings" | "layer" | "pooler" | "head";
  /** For part "layer", from 0. */
  layer?: number;
  /** Whether it is an operand of GEMMs in the activations' type, so that bf16 needs a working copy. */
  operand: boolean;
}

export interface PlacedParameter {
  name: string;
  shape: readonly number[];
  size: number;
  /** In elements, in the arena. */
  offset: number;
}

export interface PlacedBlock extends ParameterBlock {
  /** In elements, in the arena. */
  offset: number;
  size: number;
  /** `size` with the room to the next block's start. */
  room: number;
  /** Whether weight decay applies. */
  decay: boolean;
  parameters: readonly PlacedParameter[];
}

/** Blocks start at multiples of this many elements: a cache line in bf16, two in f32. */
const ALIGNMENT = 32;

/**
 * Lays blocks out, keeping their order inside each group.
 * @returns the blocks in the arena's order
 * @throws {ParameterError} when a name occurs twice, or is of no group
 */
export function layOut(blocks: readonly ParameterBlock[]): PlacedBlock[] {
  const groups: [PlacedBlock[], PlacedBlock[]] = [[], []];
  const seen = new Set<string>();
  for (const block of blocks) {
    for (const name of block.names) {
      if (seen.has(name)) throw new ParameterError(`The parameter ${name} is there twice, expected each name once.`);
      seen.add(name);
    }
    const decay = takesWeightDecay(block.names[0]);
    const one = block.shape.reduce((product, dim) => product * dim, 1);
    const size = one * block.names.length;
    const room = Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    groups[decay ? 0 : 1].push({ ...block, offset: 0, size, room, decay, parameters: [] });
  }
  let offset = 0;
  const placed = groups.flat();
  for (const block of placed) {
    block.offset = offset;
    const size = block.size / block.names.length;
    block.parameters = block.names.map((name, i) => ({
      name,
      shape: block.shape,
      size,
      offset: block.offset + i * size,
    }));
    offset += block.room;
  }
  return placed;
}

/** As Hugging Face's Trainer: weights of Linear and Embedding decay, biases and LayerNorm do not. @throws {ParameterError} for any other name */
export function takesWeightDecay(name: string): boolean {
  if (name.endsWith(".bias") || /(^|\.)LayerNorm\.weight$/.test(name)) return false;
  if (name.endsWith(".weight")) return true;
  throw new ParameterError(
    `The parameter ${name} is in no weight-decay group: expected a name that ends with .weight or .bias.`,
  );
}
