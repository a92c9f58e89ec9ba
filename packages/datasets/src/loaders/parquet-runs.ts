// The runs inside a parquet page, walked without being decoded: run-length and bit-packed levels and dictionary indices, and
// delta blocks. hyparquet takes their counts on trust; a damaged one would have it write billions of values.

import { deltaBinaryUnpack } from "hyparquet/src/delta.js";
import { readVarInt } from "hyparquet/src/thrift.js";

/** Bit-packed runs may go beyond the last value, to a multiple of eight; some writers fill larger groups. */
const MOST_BEYOND = 512;
const MOST_VARINT_BYTES = 10;

/** A place in a page. */
export interface PageReader {
  view: DataView;
  offset: number;
}

/**
 * Walks the run-length/bit-packed hybrid of `count` values of `width` bits.
 *
 * @returns how many of the values equal `wanted`.
 */
export function walkRuns(reader: PageReader, width: number, count: number, wanted = -1): number {
  if (width > 32) throw new Error(`values of ${width} bits`);
  let equal = 0;
  for (let seen = 0; seen < count; ) {
    const header = readVarInt(reader);
    if (header & 1) {
      const values = (header >> 1) << 3;
      if (values < 0 || values > count - seen + MOST_BEYOND) throw runError(values, count - seen);
      const used = Math.min(values, count - seen);
      if (wanted >= 0) equal += countPacked(reader, width, used, wanted);
      reader.offset += (values / 8) * width;
      seen += values;
    } else {
      const values = header >>> 1;
      if (values > count - seen) throw runError(values, count - seen);
      let value = 0;
      for (let i = 0; i < (width + 7) >> 3; i++) value |= reader.view.getUint8(reader.offset++) << (8 * i);
      if (value === wanted) equal += values;
      seen += values;
    }
  }
  return equal;
}

function runError(values: number, left: number): Error {
  return new Error(`a run of ${values} values where ${left} are left`);
}

function countPacked({ view, offset }: PageReader, width: number, count: number, wanted: number): number {
  const mask = 2 ** width - 1;
  let equal = 0;
  for (let i = 0; i < count; i++) {
    const bit = i * width;
    const byte = offset + (bit >>> 3);
    const next = byte + 1 < view.byteLength ? view.getUint8(byte + 1) : 0;
    if ((((view.getUint8(byte) | (next << 8)) >>> (bit & 7)) & mask) === wanted) equal++;
  }
  return equal;
}

/** Walks a delta-encoded block of `count` numbers. */
export function walkDelta(reader: PageReader, count: number): void {
  const blockSize = readShort(reader);
  const miniblocks = readShort(reader);
  readShort(reader);
  skipVarInt(reader);
  const values = blockSize / miniblocks;
  if (!(blockSize > 0 && miniblocks > 0 && values % 8 === 0)) {
    throw new Error(`delta blocks of ${blockSize} values in ${miniblocks} parts`);
  }
  for (let seen = 1; seen < count; ) {
    skipVarInt(reader);
    const widths = reader.offset;
    reader.offset += miniblocks;
    for (let i = 0; i < miniblocks && seen < count; i++, seen += values) {
      const width = reader.view.getUint8(widths + i);
      if (width > 64) throw new Error(`delta values of ${width} bits`);
      reader.offset += (values / 8) * width;
    }
    // The last part of the last block may lack what nobody needs of it.
    if (seen < count && reader.offset > reader.view.byteLength) throw new Error("a delta block ends beyond its page");
  }
}

/** Walks texts that share their beginnings with the ones before. */
export function walkDeltaTexts(reader: PageReader, count: number): void {
  const lengths = [0, 1].map(() => {
    const { offset } = reader;
    walkDelta(reader, count);
    reader.offset = offset;
    const decoded = new Int32Array(count);
    deltaBinaryUnpack(reader, count, decoded);
    return decoded;
  });
  let before = 0;
  for (let i = 0; i < count; i++) {
    const [prefix, suffix] = lengths.map((decoded) => decoded[i]) as [number, number];
    if (prefix < 0 || prefix > before || suffix < 0 || suffix > reader.view.byteLength) {
      throw new Error(`a text that shares ${prefix} bytes with one of ${before} and adds ${suffix}`);
    }
    before = prefix + suffix;
  }
}

function readShort(reader: PageReader): number {
  const { offset } = reader;
  skipVarInt(reader);
  reader.offset = offset;
  return readVarInt(reader);
}

function skipVarInt(reader: PageReader): void {
  for (let bytes = 1; reader.view.getUint8(reader.offset++) & 0x80; bytes++) {
    if (bytes === MOST_VARINT_BYTES) throw new Error("a number of more than ten bytes");
  }
}
