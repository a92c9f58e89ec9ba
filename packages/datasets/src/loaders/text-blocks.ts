// Text files as blocks of whole lines: in constant memory, gunzipped when needed, and strictly UTF-8.

import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { DatasetError, describePlace } from "../errors.js";

const NEWLINE = 0x0a;
const MAX_LINE_BYTES = 256 * 1024 * 1024;

/** Whole lines of a text file. */
export interface TextBlock {
  /** Ends with the newline that ends its last line, except at the end of a file without one. */
  text: string;
  /** Number of its first line, from 1. */
  firstLine: number;
}

/** Bytes of a file, gunzipped when its name ends in .gz. @throws DatasetError BAD_FILE for a damaged gzip. */
export async function* readBytes(path: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path, { highWaterMark: 1 << 20 });
  if (!path.endsWith(".gz") && !path.endsWith(".tgz")) {
    yield* file as AsyncIterable<Buffer>;
    return;
  }
  const gunzip = createGunzip({ chunkSize: 1 << 20 });
  file.on("error", (error) => gunzip.destroy(error));
  try {
    yield* file.pipe(gunzip) as AsyncIterable<Buffer>;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    if (!code.startsWith("Z_")) throw cause;
    const what = code === "Z_BUF_ERROR" ? "the gzip data ends early" : "this is not intact gzip data";
    throw new DatasetError(
      "BAD_FILE",
      `${path}: ${what}. The file was probably cut short or damaged; fetch it again.`,
      { cause },
    );
  } finally {
    file.destroy();
    gunzip.destroy();
  }
}

/**
 * Reads a text file block by block.
 *
 * @throws DatasetError BAD_TEXT_ENCODING naming the line that is not UTF-8; BAD_FILE for a line beyond 256 MiB.
 */
export async function* readTextBlocks(path: string): AsyncGenerator<TextBlock> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let line = 1;
  let first = true;
  for await (let chunk of readBytes(path)) {
    if (first) {
      chunk = withoutByteOrderMark(chunk, path);
      first = false;
    }
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end === 0) {
      rest.push(chunk);
      restBytes += chunk.length;
      if (restBytes > MAX_LINE_BYTES) throw lineTooLong(path, line);
      continue;
    }
    const whole = Buffer.concat([...rest, chunk.subarray(0, end)]);
    yield { text: decode(whole, path, line), firstLine: line };
    line += countNewlines(whole);
    rest = end < chunk.length ? [Buffer.from(chunk.subarray(end))] : [];
    restBytes = chunk.length - end;
  }
  if (restBytes > 0) yield { text: decode(Buffer.concat(rest), path, line), firstLine: line };
}

/** Reads a text file line by line, in blocks; line ends (\n, \r\n) are removed. */
export async function* readLineBlocks(path: string): AsyncGenerator<{ lines: string[]; firstLine: number }> {
  for await (const { text, firstLine } of readTextBlocks(path)) {
    const lines = text.split("\n");
    if (text.endsWith("\n")) lines.pop();
    for (let i = 0; i < lines.length; i++) if (lines[i].endsWith("\r")) lines[i] = lines[i].slice(0, -1);
    yield { lines, firstLine };
  }
}

/** A whole text file. @throws DatasetError BAD_TEXT_ENCODING, BAD_FILE. */
export async function readText(path: string): Promise<string> {
  let text = "";
  for await (const block of readTextBlocks(path)) text += block.text;
  return text;
}

/** Decodes UTF-8 strictly. @throws DatasetError BAD_TEXT_ENCODING naming the line. */
export function decode(bytes: Buffer, path: string, firstLine: number): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  let line = firstLine;
  let start = 0;
  for (;;) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline + 1;
    if (!isUtf8(bytes.subarray(start, end)) || newline < 0) break;
    start = end;
    line += 1;
  }
  throw new DatasetError(
    "BAD_TEXT_ENCODING",
    `${describePlace({ file: path, line })}: not UTF-8. Convert the file first, for example: iconv -f latin1 -t utf-8 FILE`,
  );
}

function withoutByteOrderMark(chunk: Buffer, path: string): Buffer {
  if (chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf) return chunk.subarray(3);
  const utf16 = (chunk[0] === 0xff && chunk[1] === 0xfe) || (chunk[0] === 0xfe && chunk[1] === 0xff);
  if (!utf16) return chunk;
  throw new DatasetError(
    "BAD_TEXT_ENCODING",
    `${path}: UTF-16, but UTF-8 is expected. Convert the file first: iconv -f utf-16 -t utf-8 FILE`,
  );
}

function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count += 1;
  return count;
}

function lineTooLong(path: string, line: number): DatasetError {
  const where = describePlace({ file: path, line });
  return new DatasetError("BAD_FILE", `${where}: longer than 256 MiB. Is this a text file with one row per line?`);
}
