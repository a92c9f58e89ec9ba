// Thrift's compact protocol, walked without being decoded: parquet's footer, page headers and indices are written in it. hyparquet
// makes room for as many elements as a list claims before it reads one; of lists in lists a few damaged bytes would take all memory.
// https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md

import { readVarInt } from "hyparquet/src/thrift.js";
import type { PageReader } from "./parquet-runs.js";

const STOP = 0;
const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const I16 = 4;
const I32 = 5;
const I64 = 6;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;
/** Parquet's own structures are less than ten deep. */
const MOST_DEPTH = 64;

/** Walks one structure to its end. @throws Error when it claims more than there is. */
export function walkStruct(reader: PageReader, depth = 0): void {
  if (depth > MOST_DEPTH) throw new Error(`thrift: structures more than ${MOST_DEPTH} deep`);
  for (;;) {
    const byte = reader.view.getUint8(reader.offset++);
    const type = byte & 15;
    if (type === STOP) return;
    if (byte >> 4 === 0) walkVarInt(reader);
    // The value of a boolean field is its type.
    if (type !== TRUE && type !== FALSE) walkElement(reader, type, depth + 1);
  }
}

function walkElement(reader: PageReader, type: number, depth: number): void {
  if (type === LIST) walkList(reader, depth);
  else if (type === STRUCT) walkStruct(reader, depth);
  else if (type === I16 || type === I32 || type === I64) walkVarInt(reader);
  else if (type === BINARY) skip(reader, readVarInt(reader));
  else if (type === DOUBLE) skip(reader, 8);
  else if (type === TRUE || type === FALSE || type === BYTE) skip(reader, 1);
  else throw new Error(`thrift: type ${type}`);
}

function walkList(reader: PageReader, depth: number): void {
  if (depth > MOST_DEPTH) throw new Error(`thrift: lists more than ${MOST_DEPTH} deep`);
  const byte = reader.view.getUint8(reader.offset++);
  const count = byte >> 4 === 15 ? readVarInt(reader) : byte >> 4;
  // An element takes a byte at least.
  const left = reader.view.byteLength - reader.offset;
  if (count < 0 || count > left) throw new Error(`thrift: a list of ${count} elements in ${left} bytes`);
  for (let i = 0; i < count; i++) walkElement(reader, byte & 15, depth + 1);
}

function walkVarInt(reader: PageReader): void {
  while (reader.view.getUint8(reader.offset++) & 0x80);
}

function skip(reader: PageReader, bytes: number): void {
  const left = reader.view.byteLength - reader.offset;
  if (bytes < 0 || bytes > left) throw new Error(`thrift: ${bytes} bytes where ${left} are left`);
  reader.offset += bytes;
}
