// What the pool and its threads say to each other.

import type { TokenizerErrorCode } from "../errors.js";
import type { Texts } from "./encode-texts.js";
import type { EncodeBatchOptions } from "./options.js";
import type { PackedColumns, PackedSize, Place } from "./packed-encoding.js";

/** What a thread is asked. It answers all but `end`, in their order. */
export type PoolRequest = EncodeRequest | PlaceRequest | { what: "end"; batch: number };

/** A part of a batch to encode, if nobody has taken it when its turn comes; the thread keeps what comes of it. */
export interface EncodeRequest {
  what: "encode";
  batch: number;
  part: number;
  texts: Texts;
  options: EncodeBatchOptions;
  /** For every part of the batch whether a thread has taken it; in shared memory. */
  taken: Int32Array;
}

/** Where a part that the thread has encoded belongs in the whole. */
export interface PlaceRequest {
  what: "place";
  batch: number;
  part: number;
  place: Place;
  /** Index of the part's first text. */
  firstText: number;
  /** In shared memory. */
  target: PackedColumns;
  options: EncodeBatchOptions;
}

export interface PoolReply {
  /** Of the part that was encoded; none when another thread had taken it, or when it was placed. */
  size?: PackedSize;
  error?: { code: TokenizerErrorCode; message: string };
}

/** Takes a part for this thread; false when another has it. */
export function takePart(taken: Int32Array, part: number): boolean {
  return Atomics.exchange(taken, part, 1) === 0;
}
