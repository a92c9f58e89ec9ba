// Parquet by hyparquet, row group by row group. Memory is bounded by the largest row group; where the file has a page index
// (pyarrow: write_page_index=True), by 64 MiB of it.

import { isUtf8 } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadata,
  parquetRead,
  type RowGroup,
} from "hyparquet";
import { compressors as plainCompressors } from "hyparquet-compressors";
import { missingColumn } from "../data/columns.js";
import { type ClassLabelFeature, type ColumnValues, makeTable, type RowRange, type Table } from "../data/table.js";
import { DatasetError, describePlace, type Place } from "../errors.js";
import type { ReadOptions } from "./format.js";
import { ColumnCheck } from "./parquet-check.js";
import { walkStruct } from "./parquet-thrift.js";

/** Uncompressed bytes that are decoded at once. */
const PIECE_BYTES = 64 * 1024 * 1024;

/** The footer's length and the magic number. */
const FOOTER_END_BYTES = 8;
/** "PAR1", read as a little-endian number. */
const MAGIC = 0x31524150;

/** Node's own are quicker, and stop at the size that a page announces. */
const compressors: Compressors = {
  ...plainCompressors,
  GZIP: (bytes, size) => gunzipSync(bytes, { maxOutputLength: Math.max(size, 1) }),
  BROTLI: (bytes, size) => brotliDecompressSync(bytes, { maxOutputLength: Math.max(size, 1) }),
};

interface OpenParquet {
  path: string;
  file: AsyncBuffer;
  metadata: FileMetaData;
  /** Columns at the top level. */
  names: string[];
}

/** The number of rows that the metadata names. */
export function countParquetRows(path: string): Promise<number> {
  return withParquet(path, async ({ metadata }) => Number(metadata.num_rows));
}

/** Rows, with the class names that Hugging Face writes into the metadata. */
export async function* streamParquet(path: string, options: ReadOptions, range?: RowRange): AsyncGenerator<Table> {
  const handle = await open(path, "r");
  try {
    const parquetFile = await openParquet(handle, path);
    const { names } = parquetFile;
    const missing = options.columns?.find((name) => !names.includes(name));
    if (missing !== undefined) throw missingColumn(missing, names);
    const columns = options.columns ?? names;
    const classLabels = classLabelsOf(parquetFile.metadata, columns);
    let groupStart = 0;
    for (const group of parquetFile.metadata.row_groups) {
      const groupEnd = groupStart + Number(group.num_rows);
      const start = Math.max(groupStart, range?.start ?? 0);
      const end = Math.min(groupEnd, range?.end ?? groupEnd);
      const checks = start < end ? checksOf(parquetFile, group, columns) : [];
      for (const piece of pieces(group, { start, end })) {
        await checkPages(parquetFile, checks, piece, groupStart);
        yield await readRows(parquetFile, piece, columns, classLabels);
      }
      groupStart = groupEnd;
    }
  } finally {
    await handle.close();
  }
}

/** A row group in pieces of bounded size, where an index says which pages hold which rows; else whole. */
function* pieces(group: RowGroup, { start, end }: RowRange): Generator<RowRange> {
  const hasIndex = group.columns.every((column) => column.offset_index_offset !== undefined);
  const bytesPerRow = Number(group.total_byte_size) / Number(group.num_rows);
  const rows = hasIndex ? Math.max(Math.floor(PIECE_BYTES / bytesPerRow), 1024) : end - start;
  for (let first = start; first < end; first += rows) yield { start: first, end: Math.min(first + rows, end) };
}

async function withParquet<T>(path: string, use: (parquetFile: OpenParquet) => Promise<T>): Promise<T> {
  const handle = await open(path, "r");
  try {
    return await use(await openParquet(handle, path));
  } finally {
    await handle.close();
  }
}

async function openParquet(handle: FileHandle, path: string): Promise<OpenParquet> {
  const { size } = await handle.stat();
  const file: AsyncBuffer = {
    byteLength: size,
    async slice(start, end = size) {
      // A damaged file may ask for more than there is; what is missing is noticed when it is decoded.
      const bytes = new Uint8Array(Math.max(Math.min(end, size) - start, 0));
      let read = 0;
      while (read < bytes.length) {
        const { bytesRead } = await handle.read(bytes, read, bytes.length - read, start + read);
        if (bytesRead === 0) break;
        read += bytesRead;
      }
      return bytes.buffer;
    },
  };
  try {
    const metadata = await readMetadata(file);
    checkRowCounts(metadata);
    return { path, file, metadata, names: topLevelColumns(metadata) };
  } catch (cause) {
    throw brokenParquet(path, cause);
  }
}

async function readMetadata(file: AsyncBuffer): Promise<FileMetaData> {
  const end = file.byteLength - FOOTER_END_BYTES;
  if (end < 0) throw new Error(`${file.byteLength} bytes are too few`);
  const ending = new DataView(await file.slice(end));
  if (ending.getUint32(4, true) !== MAGIC) throw new Error("it does not end with PAR1, as a parquet file does");
  const length = ending.getUint32(0, true);
  if (length > end) throw new Error(`a footer of ${length} bytes in a file of ${file.byteLength}`);
  const footer = await file.slice(end - length);
  walkStruct({ view: new DataView(footer, 0, length), offset: 0 });
  // Without geography: its search for columns never ends on a negative count of children.
  return parquetMetadata(footer, { geoparquet: false });
}

function checkRowCounts({ num_rows: rows, row_groups: groups }: FileMetaData): void {
  const counts = groups.map((group) => Number(group.num_rows));
  const sum = counts.reduce((total, count) => total + count, 0);
  if (sum === Number(rows) && counts.every((count) => count >= 0)) return;
  throw new Error(`its row groups have ${sum} rows where it claims ${rows}`);
}

/** A check for every column of a row group that is read. */
function checksOf({ path, file, metadata }: OpenParquet, group: RowGroup, names: string[]): ColumnCheck[] {
  try {
    return group.columns
      .filter(({ meta_data: meta }) => meta === undefined || names.includes(meta.path_in_schema[0]!))
      .map((column) => new ColumnCheck(file, compressors, metadata.schema, group, column));
  } catch (cause) {
    throw brokenParquet(path, cause);
  }
}

async function checkPages(
  { path }: OpenParquet,
  checks: readonly ColumnCheck[],
  { start, end }: RowRange,
  groupStart: number,
): Promise<void> {
  try {
    for (const check of checks) await check.check(end - groupStart);
  } catch (cause) {
    throw brokenParquet(path, cause, { start, end });
  }
}

async function readRows(
  { path, file, metadata }: OpenParquet,
  { start, end }: RowRange,
  names: string[],
  classLabels: Map<string, ClassLabelFeature>,
): Promise<Table> {
  const columns = new Map<string, unknown[]>(names.map((name) => [name, []]));
  let notUtf8: DatasetError | undefined;
  try {
    await parquetRead({
      file,
      metadata,
      columns: names,
      rowStart: start,
      rowEnd: end,
      compressors,
      useOffsetIndex: true,
      // Only here: statistics in the metadata may cut a text inside a character, which is no fault of the rows.
      parsers: { stringFromBytes: decodeText },
      onChunk({ columnName, columnData, rowStart }) {
        const values = columns.get(columnName)!;
        const from = Math.max(start - rowStart, 0);
        const to = Math.min(end - rowStart, columnData.length);
        for (let i = from; i < to; i++) {
          // hyparquet does not wait for this callback: what is thrown here would be lost.
          const note = (text: NotUtf8) => {
            notUtf8 ??= text.describe({ file: path, row: rowStart + i, column: columnName });
          };
          values.push(toPlain((columnData as ColumnValues)[i], note));
        }
      },
    });
  } catch (cause) {
    throw brokenParquet(path, cause, { start, end });
  }
  if (notUtf8 !== undefined) throw notUtf8;
  for (const [name, values] of columns) {
    if (values.length === end - start) continue;
    throw brokenParquet(path, new Error(`column "${name}" has ${values.length} values for ${end - start} rows`), {
      start,
      end,
    });
  }
  return makeTable(columns, classLabels);
}

/** Stands for a text that is not UTF-8 until its row is known. */
class NotUtf8 {
  constructor(private readonly bytes: Buffer) {}

  describe(place: Place): DatasetError {
    const start = JSON.stringify(this.bytes.toString("latin1").slice(0, 40));
    return new DatasetError(
      "BAD_TEXT_ENCODING",
      `${describePlace(place)}: not UTF-8 (it starts with ${start}). Write the file again with valid text.`,
    );
  }
}

function decodeText(bytes: Uint8Array | null | undefined): unknown {
  if (bytes === undefined || bytes === null) return bytes;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? buffer.toString("utf8") : new NotUtf8(buffer);
}

/** Whole numbers of 64 bits become numbers where those are exact, in lists and structs too. */
function toPlain(value: unknown, note: (text: NotUtf8) => void): unknown {
  if (typeof value === "string") return value;
  if (value === undefined) return null;
  if (value instanceof NotUtf8) note(value);
  if (typeof value === "bigint")
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  if (Array.isArray(value)) return value.map((part) => toPlain(part, note));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, toPlain(part, note)]));
}

function topLevelColumns(metadata: FileMetaData): string[] {
  const [root, ...elements] = metadata.schema;
  const names: string[] = [];
  let next = 0;
  const skip = (children: number) => {
    for (let i = 0; i < children; i++) skip(elements[next++].num_children ?? 0);
  };
  for (let i = 0; i < (root.num_children ?? 0); i++) {
    names.push(elements[next].name);
    skip(elements[next++].num_children ?? 0);
  }
  return names;
}

/** Class names from the `huggingface` entry of the metadata. A damaged entry is as none: the rows do not depend on it. */
function classLabelsOf(metadata: FileMetaData, columns: string[]): Map<string, ClassLabelFeature> {
  const found = new Map<string, ClassLabelFeature>();
  const entry = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value;
  if (entry === undefined) return found;
  let features: Record<string, { _type?: string; names?: unknown }>;
  try {
    features = JSON.parse(entry)?.info?.features ?? {};
  } catch {
    return found;
  }
  for (const [name, feature] of Object.entries(features)) {
    const { _type, names } = feature ?? {};
    if (_type === "ClassLabel" && Array.isArray(names) && columns.includes(name)) {
      found.set(name, { kind: "classLabel", names: names.map(String) });
    }
  }
  return found;
}

function brokenParquet(path: string, cause: unknown, rows?: RowRange): DatasetError {
  const where = rows === undefined ? path : `${describePlace({ file: path })}, rows ${rows.start} to ${rows.end - 1}`;
  const reason = (cause as Error).message;
  return new DatasetError(
    "BAD_FILE",
    `${where}: broken parquet (${reason}). The file was probably cut short or damaged; fetch it again.`,
    {
      cause,
    },
  );
}
