// Tokenized rows on disk: made once for the same rows, tokenizer and options, read batch by batch.

import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packedStarts } from "../collate/pack.js";
import { Fingerprint } from "../data/fingerprint.js";
import { DatasetError } from "../errors.js";
import type { PackedEncoding } from "../packed-encoding.js";
import { datasetCacheFolder, writeBeside } from "./cache-folder.js";
import {
  type OpenTokenized,
  openTokenized,
  ROWS_START,
  readExactly,
  TokenizedWriter,
  tokenBytes,
} from "./tokenized-file.js";

const { version: PACKAGE_VERSION } = createRequire(import.meta.url)("../../package.json") as { version: string };
const ROWS_AT_ONCE = 1024;

/** What is needed of the rows. Dataset is one. */
export interface TextRows {
  readonly length: number;
  /** Content hash of the rows. */
  readonly fingerprint: string;
  texts(): string[];
}

/** What is needed of a tokenizer. BertTokenizer is one. */
export interface CacheableTokenizer<Options> {
  readonly vocabSize: number;
  /** Content hash of everything that decides about its output; without it that of the files that `save` writes. */
  readonly fingerprint?: string;
  encodeBatch(texts: readonly string[], options?: Options): PackedEncoding;
  save(folder: string): Promise<string[]>;
}

/** How tokenized rows are cached. */
export interface TokenizeCachedOptions<Options> {
  /** Options of `encodeBatch`; part of the key. */
  encoding?: Options;
  /** Default `<cache>/tokenized` (see NODE_BERT_CACHE). */
  cacheDir?: string;
  /** Opens a cached file without computing its checksum. */
  trustCache?: boolean;
  onProgress?: (rowsDone: number, rows: number) => void;
}

/**
 * Tokenizes rows, or opens what was made of the same rows, the same tokenizer and the same options before.
 *
 * The key is a hash of all three and of this package's version, is stored in the file, and is compared when it is opened; the
 * contents are verified by sha256. A damaged or foreign file is made again. Two processes that write at once each write
 * their own file and rename it into place: both are right.
 *
 * @throws DatasetError CACHE_IO when the file cannot be written, naming it.
 * @example
 * const rows = await tokenizeCached(train, tokenizer, { encoding: { maxLength: 256 } });
 * const batch = await rows.pack([5, 2, 9]); // PackedEncoding of three sequences
 */
export async function tokenizeCached<Options>(
  rows: TextRows,
  tokenizer: CacheableTokenizer<Options>,
  options: TokenizeCachedOptions<Options> = {},
): Promise<TokenizedRows> {
  const key = new Fingerprint()
    .add(["tokenized", PACKAGE_VERSION, rows.length, rows.fingerprint])
    .add(await tokenizerFingerprint(tokenizer))
    .add(options.encoding ?? {})
    .digest();
  const folder = options.cacheDir ?? join(datasetCacheFolder(), "tokenized");
  const path = join(folder, `${key}.tokens`);
  const trust = options.trustCache ?? false;
  const cached = await openTokenized(path, key, trust);
  if (cached !== undefined) return new TokenizedRows(path, cached, true);

  await writeBeside(path, (partial) => writeRows(partial, key, rows, tokenizer, options));
  const made = await openTokenized(path, key, true);
  if (made === undefined) throw new Error(`${path}: cannot be read back after writing.`);
  return new TokenizedRows(path, made, false);
}

async function writeRows<Options>(
  path: string,
  key: string,
  rows: TextRows,
  tokenizer: CacheableTokenizer<Options>,
  { encoding, onProgress }: TokenizeCachedOptions<Options>,
): Promise<void> {
  const texts = rows.texts();
  const encode = (first: number) => {
    const part = texts.slice(first, first + ROWS_AT_ONCE);
    const packed = tokenizer.encodeBatch(part, encoding);
    if (packed.originalLengths.length === part.length) return packed;
    throw new DatasetError(
      "BAD_OPTION",
      `The tokenizer made ${packed.originalLengths.length} sequences of ${part.length} texts. Cached rows are one sequence a text: leave out returnOverflowing.`,
    );
  };
  let batch = encode(0);
  const writer = await TokenizedWriter.create(path, {
    key,
    vocabSize: tokenizer.vocabSize,
    hasOffsets: batch.offsets !== undefined,
    hasWordIds: batch.wordIds !== undefined,
  });
  try {
    for (let first = 0; first < texts.length; first += ROWS_AT_ONCE) {
      if (first > 0) batch = encode(first);
      await writer.append(batch);
      onProgress?.(Math.min(first + ROWS_AT_ONCE, texts.length), texts.length);
    }
    await writer.finish();
  } finally {
    await writer.close();
  }
}

async function tokenizerFingerprint<Options>(tokenizer: CacheableTokenizer<Options>): Promise<string> {
  if (tokenizer.fingerprint !== undefined) return tokenizer.fingerprint;
  const folder = await mkdtemp(join(tmpdir(), "node-bert-tokenizer-"));
  try {
    await mkdir(folder, { recursive: true });
    const print = new Fingerprint();
    for (const file of (await tokenizer.save(folder)).sort()) print.add(await readFile(file));
    return print.digest();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Tokenized rows in a file. Memory holds eight bytes a row; tokens are read when asked for. */
export class TokenizedRows implements AsyncDisposable {
  readonly length: number;
  /** Tokens of each row, after truncation; for BatchSampler. */
  readonly lengths: Int32Array; // (rows)
  /** Tokens of each row before truncation. */
  readonly originalLengths: Int32Array; // (rows)
  /** True when the file was there before. */
  readonly fromCache: boolean;
  readonly path: string;

  /** Made by `tokenizeCached`. */
  constructor(
    path: string,
    private readonly opened: OpenTokenized,
    fromCache: boolean,
  ) {
    const { starts, originalLengths } = opened;
    this.path = path;
    this.fromCache = fromCache;
    this.length = originalLengths.length;
    this.originalLengths = originalLengths;
    this.lengths = Int32Array.from(originalLengths, (_, row) => starts[row + 1] - starts[row]);
  }

  /** Rows `start` to `end`, packed: one read. */
  slice(start: number, end: number): Promise<PackedEncoding> {
    return this.pack(Uint32Array.from({ length: Math.max(end - start, 0) }, (_, i) => start + i));
  }

  /**
   * Rows in this order, packed.
   *
   * @throws DatasetError ROW_OUT_OF_RANGE; CACHE_IO when the file was cut meanwhile.
   */
  async pack(rows: ArrayLike<number>): Promise<PackedEncoding> {
    const { trailer, starts, originalLengths } = this.opened;
    const cuSeqlens = packedStarts(starts, rows);
    const tokens = cuSeqlens[rows.length];
    const packed: PackedEncoding = {
      inputIds: new Int32Array(tokens),
      tokenTypeIds: new Int32Array(tokens),
      cuSeqlens,
      originalLengths: Int32Array.from(rows, (row) => originalLengths[row]),
    };
    if (trailer.hasOffsets) packed.offsets = new Int32Array(2 * tokens);
    if (trailer.hasWordIds) packed.wordIds = new Int32Array(tokens);
    for (let first = 0; first < rows.length; ) {
      let last = first;
      while (last + 1 < rows.length && rows[last + 1] === rows[last] + 1) last += 1;
      await this.readRun(rows[first], first, last - first + 1, packed);
      first = last + 1;
    }
    return packed;
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.opened.file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Rows that follow each other in the file, into sequences `b`.. of the batch. */
  private async readRun(row: number, b: number, count: number, packed: PackedEncoding): Promise<void> {
    const { file, trailer, starts } = this.opened;
    const width = tokenBytes(trailer);
    const bytes = await readExactly(
      file,
      ROWS_START + starts[row] * width,
      (starts[row + count] - starts[row]) * width,
    );
    let at = 0;
    for (let i = 0; i < count; i++)
      at = this.decodeRow(bytes, at, packed, packed.cuSeqlens[b + i], packed.cuSeqlens[b + i + 1]);
  }

  private decodeRow(bytes: Buffer, start: number, packed: PackedEncoding, from: number, to: number): number {
    const { idBytes } = this.opened.trailer;
    const { inputIds, tokenTypeIds, offsets, wordIds } = packed;
    const typeShift = 8 * idBytes - 1;
    const idMask = idBytes === 2 ? 0x7fff : 0x7fffffff;
    let at = start;
    for (let n = from; n < to; n++) {
      const value = idBytes === 2 ? bytes.readUInt16LE(at) : bytes.readUInt32LE(at);
      inputIds[n] = value & idMask;
      tokenTypeIds[n] = value >>> typeShift;
      at += idBytes;
    }
    if (offsets) for (let n = 2 * from; n < 2 * to; n++, at += 4) offsets[n] = bytes.readInt32LE(at);
    if (wordIds) for (let n = from; n < to; n++, at += 4) wordIds[n] = bytes.readInt32LE(at);
    return at;
  }
}
