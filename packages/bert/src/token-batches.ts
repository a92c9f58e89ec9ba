import type { Device, Tensor } from "@node-bert/core-native";
import { InputError } from "./errors.js";
import type { PackedInput } from "./model/types.js";

export interface TokenBatchOptions {
  /** Most tokens of a batch, unless one sequence alone has more; default 4096. Results do not depend on it. */
  tokensPerBatch?: number;
  signal?: AbortSignal;
  /** Called as sequences are done. */
  onProgress?: (done: number, of: number) => void;
}

/** Sequences of about equal length that are computed together. */
export interface TokenBatch {
  rows: Int32Array; // (B) where they are in the input
  input: Required<PackedInput>;
}

/** Splits sequences, the longest first, into batches of at most so many tokens: what takes most memory and time comes first. */
export function tokenBatches(sequences: PackedInput, tokensPerBatch = 4096): TokenBatch[] {
  if (!(tokensPerBatch >= 1)) throw new InputError(`tokensPerBatch is ${tokensPerBatch}, expected at least 1.`);
  const { cuSeqlens } = sequences;
  const length = (row: number): number => cuSeqlens[row + 1] - cuSeqlens[row];
  const order = Int32Array.from({ length: cuSeqlens.length - 1 }, (_, row) => row);
  order.sort((a, b) => length(b) - length(a) || a - b);
  const batches: TokenBatch[] = [];
  for (let from = 0; from < order.length; ) {
    let to = from;
    for (let tokens = 0; to < order.length && (to === from || tokens + length(order[to]) <= tokensPerBatch); to++)
      tokens += length(order[to]);
    const rows = order.slice(from, to);
    batches.push({ rows, input: takeSequences(sequences, rows) });
    from = to;
  }
  return batches;
}

/** The sequences that `rows` names, packed anew. */
function takeSequences({ inputIds, tokenTypeIds, cuSeqlens }: PackedInput, rows: Int32Array): Required<PackedInput> {
  const offsets = new Int32Array(rows.length + 1);
  rows.forEach((row, b) => {
    offsets[b + 1] = offsets[b] + cuSeqlens[row + 1] - cuSeqlens[row];
  });
  const ids = new Int32Array(offsets[rows.length]);
  const types = new Int32Array(offsets[rows.length]);
  rows.forEach((row, b) => {
    ids.set(inputIds.subarray(cuSeqlens[row], cuSeqlens[row + 1]), offsets[b]);
    if (tokenTypeIds !== undefined) types.set(tokenTypeIds.subarray(cuSeqlens[row], cuSeqlens[row + 1]), offsets[b]);
  });
  return { inputIds: ids, tokenTypeIds: types, cuSeqlens: offsets };
}

/**
 * Computes one row of numbers for each sequence, in evaluation mode, enqueuing the next batch before the last is read.
 * @param width numbers of a row
 * @param compute from a batch to (B, width)
 * @returns (rows, width) in input order
 * @throws the signal's reason when it is aborted
 */
export async function computeRows(
  model: { readonly device: Device; readonly training: boolean; train(): unknown; eval(): unknown },
  sequences: PackedInput,
  width: number,
  compute: (input: PackedInput) => Tensor,
  options: TokenBatchOptions = {},
): Promise<Float32Array> {
  const count = sequences.cuSeqlens.length - 1;
  const result = new Float32Array(count * width);
  let done = 0;
  const store = async (reading: Promise<ArrayLike<number>>, rows: Int32Array): Promise<void> => {
    const values = await reading;
    rows.forEach((row, b) => {
      for (let i = 0; i < width; i++) result[row * width + i] = values[b * width + i];
    });
    done += rows.length;
    options.onProgress?.(done, count);
  };
  let previous: Promise<void> | undefined;
  for (const { rows, input } of tokenBatches(sequences, options.tokensPerBatch)) {
    options.signal?.throwIfAborted();
    const next = store(
      enqueue(model, () => compute(input)),
      rows,
    );
    next.catch(() => {});
    await previous;
    previous = next;
  }
  await previous;
  return result;
}

/** Enqueues in evaluation mode, whatever mode the model is in, and frees the result once it is on its way to the host. */
function enqueue(
  model: { readonly device: Device; readonly training: boolean; train(): unknown; eval(): unknown },
  compute: () => Tensor,
): Promise<ArrayLike<number>> {
  const wasTraining = model.training;
  model.eval();
  try {
    return model.device.scope(() => ({ reading: compute().read() })).reading;
  } finally {
    if (wasTraining) model.train();
  }
}
