// The vocabulary of a tokenizer.json, read from its bytes: most of loading a tokenizer would be making strings of the tokens and
// an object of them. Whatever looks unusual is left to JSON.parse, which then also says what is wrong.

import { hashStart, hashUnit, Vocabulary } from "./vocabulary.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
/** Ids of more digits are JSON.parse's. */
const MOST_DIGITS = 9;

/** A tokenizer.json without its vocabulary (model.vocab is an empty object), and the vocabulary. */
export interface ScannedJson {
  json: string;
  vocabulary: Vocabulary;
}

/** Takes model.vocab out of a tokenizer.json; undefined where it is not found in the usual form. */
export function scanVocabulary(bytes: Buffer): ScannedJson | undefined {
  const start = findMember(bytes, findMember(bytes, skipBlanks(bytes, 0), "model"), "vocab");
  if (start < 0 || bytes[start] !== OPEN) return undefined;
  const members = readMembers(bytes, start);
  if (members === undefined) return undefined;
  const json = `${bytes.toString("utf8", 0, start)}{}${bytes.toString("utf8", members.end)}`;
  return { json, vocabulary: members.vocabulary };
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipBlanks(bytes: Buffer, from: number): number {
  let at = from;
  while (isBlank(bytes[at]!)) at++;
  return at;
}

/** Where the value of an object's member begins, or -1; `object` is where the object begins. */
function findMember(bytes: Buffer, object: number, name: string): number {
  if (object < 0 || bytes[object] !== OPEN) return -1;
  for (let at = skipBlanks(bytes, object + 1); bytes[at] === QUOTE; ) {
    const end = skipString(bytes, at);
    const colon = skipBlanks(bytes, end);
    if (bytes[colon] !== COLON) return -1;
    const value = skipBlanks(bytes, colon + 1);
    if (bytes.toString("utf8", at + 1, end - 1) === name) return value;
    const comma = skipBlanks(bytes, skipValue(bytes, value));
    if (bytes[comma] !== COMMA) return -1;
    at = skipBlanks(bytes, comma + 1);
  }
  return -1;
}

/** The end of the string that begins at a quote. */
function skipString(bytes: Buffer, from: number): number {
  let at = from + 1;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

/** The end of a value: of an object or array where all that was opened is closed, of any other before the next , } or ]. */
function skipValue(bytes: Buffer, from: number): number {
  let depth = 0;
  for (let at = from; at < bytes.length; ) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      at = skipString(bytes, at);
      if (depth === 0) return at;
      continue;
    }
    const closes = byte === CLOSE || byte === 0x5d;
    if (depth === 0 && (closes || byte === COMMA)) return at;
    if (byte === OPEN || byte === 0x5b) depth++;
    if (closes) depth--;
    at++;
    if (closes && depth === 0) return at;
  }
  return bytes.length;
}

/**
 * Reads an object whose values are whole numbers; undefined when something is not as expected. One loop for all, which is
 * compiled while it runs; in parts it would be interpreted for as long as it takes.
 */
function readMembers(bytes: Buffer, object: number): { end: number; vocabulary: Vocabulary } | undefined {
  // No member is shorter than `"":0,`.
  const most = Math.ceil((bytes.length - object) / 5);
  const pool = new Uint16Array(bytes.length - object);
  const starts = new Int32Array(most + 1);
  const hashes = new Int32Array(most);
  const ids = new Float64Array(most);
  let count = 0;
  let units = 0;
  for (let at = object + 1; ; ) {
    while (isBlank(bytes[at]!)) at++;
    if (bytes[at] !== QUOTE) return undefined;
    const start = at++;
    let hash = hashStart;
    let byte = bytes[at]!;
    while (byte >= 0x20 && byte < 0xf0 && byte !== QUOTE && byte !== BACKSLASH) {
      let unit = byte;
      if (byte >= 0x80) {
        // Two bytes or three of UTF-8; what is not shaped so is left to the decoder below.
        const second = bytes[at + 1]! ^ 0x80;
        const third = byte < 0xe0 ? 0 : bytes[at + 2]! ^ 0x80;
        unit = byte < 0xe0 ? ((byte & 0x1f) << 6) | second : ((byte & 0x0f) << 12) | (second << 6) | third;
        if (byte < 0xc2 || second > 0x3f || third > 0x3f || unit >= 0xd800 || (byte >= 0xe0 && unit < 0x800)) break;
        at += byte < 0xe0 ? 1 : 2;
      }
      hash = hashUnit(hash, unit);
      pool[units++] = unit;
      byte = bytes[++at]!;
    }
    if (byte === QUOTE) at++;
    else {
      at = skipString(bytes, start);
      const text = parseString(bytes.toString("utf8", start, at));
      if (text === undefined) return undefined;
      units = starts[count]!;
      hash = hashStart;
      for (let k = 0; k < text.length; k++) {
        hash = hashUnit(hash, text.charCodeAt(k));
        pool[units++] = text.charCodeAt(k);
      }
    }
    while (isBlank(bytes[at]!)) at++;
    if (bytes[at++] !== COLON) return undefined;
    while (isBlank(bytes[at]!)) at++;
    const firstDigit = at;
    let id = 0;
    for (let digit = bytes[at]! - 0x30; digit >= 0 && digit <= 9; digit = bytes[++at]! - 0x30) id = id * 10 + digit;
    if (at === firstDigit || at - firstDigit > MOST_DIGITS) return undefined;
    hashes[count] = hash;
    ids[count++] = id;
    starts[count] = units;
    while (isBlank(bytes[at]!)) at++;
    const after = bytes[at++];
    if (after === CLOSE) {
      const [allUnits, allStarts] = [pool.slice(0, units), starts.slice(0, count + 1)];
      const vocabulary = Vocabulary.build(allUnits, allStarts, hashes.subarray(0, count), ids.slice(0, count));
      return { end: at, vocabulary };
    }
    if (after !== COMMA) return undefined;
  }
}

function parseString(literal: string): string | undefined {
  try {
    const text: unknown = JSON.parse(literal);
    return typeof text === "string" ? text : undefined;
  } catch {
    return undefined;
  }
}
