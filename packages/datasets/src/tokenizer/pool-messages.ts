// What the pool and its threads say to each other.

import type { TokenizerErrorCode } from "../errors.js";
import type { Texts } from "./encode-texts.js";
import type { EncodeBatchOptions } from "./options.js";
import type { PackedColumns } from "./packed-encoding.js";

/** A part of a batch, for the thread if nobody has taken it when its turn comes. */
export interface PoolRequest {
  texts: Texts;
  options: EncodeBatchOptions;
  /** For every part of the batch whether a thread has taken it; in shared memory. */
  taken: Int32Array;
  part: number;
  /** To write to, in shared memory: V8 reads all typed arrays of a thread slower once it has transferred a buffer. */
  columns: PackedColumns;
}

/** The answer to each request. */
export interface PoolReply {
  /** False when another thread had taken the part. */
  isEncoded: boolean;
  columns: PackedColumns;
  error?: { code: TokenizerErrorCode; message: string };
}

/** Takes a part for this thread; false when another has it. */
export function takePart(taken: Int32Array, part: number): boolean {
  return Atomics.exchange(taken, part, 1) === 0;
}
