// The file of tokenized rows. Little-endian:
//
//   "NBTOKENS"                      8 bytes
//   rows, one after the other:      ids with types, (offsets, word ids); all tokens have the same width
//   token starts                    u32 (rows + 1)
//   original lengths                i32 (rows)
//   trailer                         JSON: version, key, rows, tokens, width, parts, sha256 of all before it
//   length of the trailer           u32
//   "NBTOKEND"                      8 bytes
//
// A token is its id with the token type in the highest bit, in 16 bits when the vocabulary allows it, else in 32. The end of
// the file is written last, and the file gets its name after that: a file without it is not one.

import { createHash, type Hash } from "node:crypto";
import { readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { DatasetError } from "../errors.js";
import type { PackedEncoding } from "../packed-encoding.js";

const VERSION = 1;
const START = Buffer.from("NBTOKENS");
const END = Buffer.from("NBTOKEND");
const MAX_TRAILER_BYTES = 65_536;
const HASH_PIECE_BYTES = 1 << 20;
const SMALL_READ_BYTES = 65_536;

/** What the end of the file says. */
export interface Trailer {
  version: number;
  key: string;
  rows: number;
  tokens: number;
  /** Bytes of an id: 2 or 4. */
  idBytes: number;
  hasOffsets: boolean;
  hasWordIds: boolean;
  sha256: string;
}

/** Bytes of one token in the rows. */
export function tokenBytes({
  idBytes,
  hasOffsets,
  hasWordIds,
}: Pick<Trailer, "idBytes" | "hasOffsets" | "hasWordIds">): number {
  return idBytes + (hasOffsets ? 8 : 0) + (hasWordIds ? 4 : 0);
}

/** Byte at which the rows start. */
export const ROWS_START = START.length;

/** Writes the file, batch of rows by batch of rows. */
export class TokenizedWriter {
  private readonly hash: Hash = createHash("sha256");
  private readonly starts: number[] = [0];
  private readonly originalLengths: number[] = [];
  private position = 0;

  private constructor(
    private readonly file: FileHandle,
    private readonly layout: Pick<Trailer, "key" | "idBytes" | "hasOffsets" | "hasWordIds">,
  ) {}

  static async create(
    path: string,
    options: { key: string; vocabSize: number; hasOffsets: boolean; hasWordIds: boolean },
  ): Promise<TokenizedWriter> {
    const { key, hasOffsets, hasWordIds } = options;
    const idBytes = options.vocabSize <= 2 ** 15 ? 2 : 4;
    const writer = new TokenizedWriter(await open(path, "wx"), { key, idBytes, hasOffsets, hasWordIds });
    await writer.write(START);
    return writer;
  }

  /** Appends sequences. @throws DatasetError CACHE_IO for what the format cannot hold. */
  async append(encoding: PackedEncoding): Promise<void> {
    const { cuSeqlens, originalLengths } = encoding;
    const bytes = Buffer.allocUnsafe(cuSeqlens[cuSeqlens.length - 1] * tokenBytes(this.layout));
    const first = this.starts[this.starts.length - 1];
    let at = 0;
    for (let b = 0; b + 1 < cuSeqlens.length; b++) {
      at = this.encodeRow(encoding, b, bytes, at);
      this.starts.push(first + cuSeqlens[b + 1]);
      this.originalLengths.push(originalLengths[b]);
    }
    if (this.starts[this.starts.length - 1] > 0xffffffff) {
      throw new DatasetError(
        "CACHE_IO",
        "More than 2^32 tokens do not fit into one cache file. Tokenize the rows in parts.",
      );
    }
    await this.write(bytes);
  }

  /** Completes the file. */
  async finish(): Promise<void> {
    await this.write(Buffer.from(Uint32Array.from(this.starts).buffer));
    await this.write(Buffer.from(Int32Array.from(this.originalLengths).buffer));
    const trailer: Trailer = {
      version: VERSION,
      rows: this.originalLengths.length,
      tokens: this.starts[this.starts.length - 1],
      ...this.layout,
      sha256: this.hash.digest("hex"),
    };
    const text = Buffer.from(JSON.stringify(trailer));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    await this.file.write(Buffer.concat([text, length, END]), 0, undefined, this.position);
  }

  close(): Promise<void> {
    return this.file.close();
  }

  private encodeRow(encoding: PackedEncoding, b: number, bytes: Buffer, start: number): number {
    const { idBytes, hasOffsets, hasWordIds } = this.layout;
    const { inputIds, tokenTypeIds, cuSeqlens, offsets, wordIds } = encoding;
    const [from, to] = [cuSeqlens[b], cuSeqlens[b + 1]];
    const typeBit = idBytes === 2 ? 2 ** 15 : 2 ** 31;
    let at = start;
    for (let n = from; n < to; n++) {
      const type = tokenTypeIds[n];
      if (inputIds[n] >= typeBit || inputIds[n] < 0 || (type !== 0 && type !== 1)) {
        throw new DatasetError("CACHE_IO", `Token ${inputIds[n]} of type ${type} does not fit; types are 0 and 1.`);
      }
      const value = inputIds[n] + type * typeBit;
      at = idBytes === 2 ? bytes.writeUInt16LE(value, at) : bytes.writeUInt32LE(value, at);
    }
    for (let n = 2 * from; hasOffsets && n < 2 * to; n++) at = bytes.writeInt32LE(offsets![n], at);
    for (let n = from; hasWordIds && n < to; n++) at = bytes.writeInt32LE(wordIds![n], at);
    return at;
  }

  private async write(bytes: Buffer): Promise<void> {
    this.hash.update(bytes);
    let written = 0;
    while (written < bytes.length) {
      const step = await this.file.write(bytes, written, bytes.length - written, this.position + written);
      written += step.bytesWritten;
    }
    this.position += bytes.length;
  }
}

/** An open file whose contents are verified. */
export interface OpenTokenized {
  file: FileHandle;
  trailer: Trailer;
  starts: Uint32Array; // (rows + 1)
  originalLengths: Int32Array; // (rows)
}

/**
 * Opens a file and checks that it is complete, unaltered and of this key.
 *
 * @param trust leaves out the checksum over the whole file; structure and key are checked always.
 * @returns undefined when there is no such file, or it is not right; it is to be made again.
 */
export async function openTokenized(path: string, key: string, trust: boolean): Promise<OpenTokenized | undefined> {
  const file = await open(path, "r").catch(() => undefined);
  if (file === undefined) return undefined;
  const opened = await readIndex(file, key).catch(() => undefined);
  if (opened !== undefined && (trust || (await hashRows(opened)) === opened.trailer.sha256)) return opened;
  await file.close();
  return undefined;
}

async function readIndex(file: FileHandle, key: string): Promise<OpenTokenized | undefined> {
  const { size } = await file.stat();
  const tail = await readExactly(file, size - END.length - 4, END.length + 4);
  const trailerBytes = tail.readUInt32LE(0);
  if (!tail.subarray(4).equals(END) || trailerBytes > MAX_TRAILER_BYTES) return undefined;
  const trailerStart = size - tail.length - trailerBytes;
  const trailer = JSON.parse((await readExactly(file, trailerStart, trailerBytes)).toString("utf8")) as Trailer;
  if (trailer.version !== VERSION || trailer.key !== key) return undefined;
  const indexStart = ROWS_START + trailer.tokens * tokenBytes(trailer);
  if (indexStart + 4 * (trailer.rows + 1) + 4 * trailer.rows !== trailerStart) return undefined;
  const index = await readExactly(file, indexStart, trailerStart - indexStart);
  const words = index.buffer.slice(index.byteOffset, index.byteOffset + index.length);
  const starts = new Uint32Array(words, 0, trailer.rows + 1);
  if (starts[trailer.rows] !== trailer.tokens) return undefined;
  return { file, trailer, starts, originalLengths: new Int32Array(words, 4 * (trailer.rows + 1), trailer.rows) };
}

async function hashRows({ file, trailer }: OpenTokenized): Promise<string> {
  const end = ROWS_START + trailer.tokens * tokenBytes(trailer) + 8 * trailer.rows + 4;
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafe(HASH_PIECE_BYTES);
  for (let at = 0; at < end; ) {
    const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, end - at), at);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest("hex");
}

/**
 * Bytes of a file. A few rows are read at once rather than through the thread pool, which costs a hundred times as much as
 * copying them from the page cache.
 *
 * @throws DatasetError CACHE_IO when the file ends before.
 */
export async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let read = 0;
  while (read < length) {
    const bytesRead =
      length <= SMALL_READ_BYTES
        ? readSync(file.fd, bytes, read, length - read, position + read)
        : (await file.read(bytes, read, length - read, position + read)).bytesRead;
    if (bytesRead === 0)
      throw new DatasetError("CACHE_IO", "A cache file of tokenized rows was cut while it was open. Delete it.");
    read += bytesRead;
  }
  return bytes;
}
