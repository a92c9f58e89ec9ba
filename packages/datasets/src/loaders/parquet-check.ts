// What hyparquet takes on trust is checked here before it decodes a page: sizes and counts in page headers, the runs inside
// the pages, the page index, and checksums where the writer left them. A damaged file is then an error; without this one
// damaged count keeps hyparquet busy for hours. It costs a second decompression of pages whose levels must be looked into.

import { crc32 } from "node:zlib";
import type { AsyncBuffer, ColumnChunk, Compressors, PageHeader, RowGroup, SchemaElement, SchemaTree } from "hyparquet";
import { readOffsetIndex } from "hyparquet";
import { parquetHeader } from "hyparquet/src/column.js";
import { decompressPage } from "hyparquet/src/datapage.js";
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getSchemaPath, isFlatColumn } from "hyparquet/src/schema.js";
import { type PageReader, walkDelta, walkDeltaTexts, walkRuns } from "./parquet-runs.js";
import { walkStruct } from "./parquet-thrift.js";

/** Bytes that are tried for a page header; its statistics make it long. */
const HEADER_BYTES = [4096, 262_144];

/** A page that was found. */
interface Page {
  offset: number;
  bytes: number;
  firstRow: number;
}

/** Checks one column of one row group, page after page, as far as rows are read. */
export class ColumnCheck {
  readonly #file: AsyncBuffer;
  readonly #compressors: Compressors;
  readonly #column: ColumnChunk;
  readonly #path: SchemaTree[];
  readonly #pages: Page[] = [];
  readonly #stop: number;
  #at: number;
  /** Of a flat column the same as rows. */
  #values = 0;

  /** @throws Error when the metadata contradicts itself. */
  constructor(
    file: AsyncBuffer,
    compressors: Compressors,
    schema: SchemaElement[],
    group: RowGroup,
    column: ColumnChunk,
  ) {
    this.#file = file;
    this.#compressors = compressors;
    this.#column = column;
    const meta = this.#meta;
    this.#path = getSchemaPath(schema, meta.path_in_schema);
    this.#at = Number(meta.dictionary_page_offset || meta.data_page_offset);
    this.#stop = this.#at + Number(meta.total_compressed_size);
    if (!(this.#at >= 0 && this.#stop >= this.#at && this.#stop <= file.byteLength)) {
      throw new Error(`column "${this.#name}" lies at bytes ${this.#at} to ${this.#stop} of ${file.byteLength}`);
    }
    if (isFlatColumn(this.#path) && meta.num_values !== group.num_rows) {
      throw new Error(`column "${this.#name}" has ${meta.num_values} values for ${group.num_rows} rows`);
    }
  }

  get #meta() {
    const { meta_data: meta } = this.#column;
    if (meta === undefined) throw new Error("a column without metadata");
    return meta;
  }

  get #name(): string {
    return this.#meta.path_in_schema.join(".");
  }

  /** Checks the pages up to a row of the group; ends must come in order. @throws Error when a page is damaged. */
  async check(end: number): Promise<void> {
    const isFlat = isFlatColumn(this.#path);
    while (this.#at < this.#stop - 1 && (!isFlat || this.#values < end)) {
      try {
        await this.#checkPage();
      } catch (cause) {
        throw new Error(`column "${this.#name}", page at byte ${this.#at}: ${(cause as Error).message}`, { cause });
      }
    }
    await this.#checkIndex(end);
  }

  async #checkPage(): Promise<void> {
    const { header, length } = await this.#readHeader();
    const left = this.#stop - this.#at - length;
    const bytes = header.compressed_page_size;
    if (!(bytes >= 0 && bytes <= left)) throw new Error(`it claims ${bytes} bytes of ${left}`);
    if (!(header.uncompressed_page_size >= 0)) throw new Error(`it claims ${header.uncompressed_page_size} bytes`);
    const content = async () => {
      const from = this.#at + length;
      const compressed = new Uint8Array(await this.#file.slice(from, from + bytes));
      if (header.crc !== undefined && crc32(compressed) !== header.crc >>> 0) throw new Error("its checksum is wrong");
      return compressed;
    };
    const dictionary = header.dictionary_page_header;
    const data = header.data_page_header ?? header.data_page_header_v2;
    if (header.type === "DICTIONARY_PAGE" && dictionary !== undefined) {
      const { num_values: values } = dictionary;
      if (!(values >= 0 && values <= header.uncompressed_page_size)) throw new Error(`it claims ${values} values`);
      await content();
    } else if (data !== undefined) {
      const values = data.num_values;
      const most = Number(this.#meta.num_values) - this.#values;
      if (!(values >= 0 && values <= most)) throw new Error(`it claims ${values} values of ${most}`);
      // Those before the first row, too: hyparquet skips them only where it has an index and finds it usable.
      this.#checkContent(header, await content());
      this.#pages.push({ offset: this.#at, bytes: length + bytes, firstRow: this.#values });
      this.#values += values;
    }
    this.#at += length + bytes;
  }

  async #readHeader(): Promise<{ header: PageHeader; length: number }> {
    for (const bytes of HEADER_BYTES) {
      const end = Math.min(this.#at + bytes, this.#stop);
      const reader = { view: new DataView(await this.#file.slice(this.#at, end)), offset: 0 };
      try {
        walkStruct({ ...reader });
        return { header: parquetHeader(reader), length: reader.offset };
      } catch (cause) {
        if (bytes === HEADER_BYTES.at(-1) || end === this.#stop) throw cause;
      }
    }
    throw new Error("unreachable");
  }

  #checkContent(header: PageHeader, compressed: Uint8Array): void {
    if (header.data_page_header !== undefined) this.#checkFirstVersion(header, compressed);
    else this.#checkSecondVersion(header, compressed);
  }

  #checkFirstVersion(header: PageHeader, compressed: Uint8Array): void {
    const { encoding, num_values: count } = header.data_page_header!;
    const repetition = this.#path.length > 1 ? getMaxRepetitionLevel(this.#path) : 0;
    const definition = getMaxDefinitionLevel(this.#path);
    if (encoding === "PLAIN" && repetition === 0 && definition === 0) return;
    const reader = readerOf(this.#decompress(compressed, header.uncompressed_page_size));
    if (repetition > 0) walkSized(reader, bitsOf(repetition), count);
    const present = definition > 0 ? walkSized(reader, bitsOf(definition), count, definition) : count;
    if (this.#meta.type === "BOOLEAN" && encoding !== "PLAIN") walkSized(reader, 1, present);
    else walkValues(reader, encoding, present);
  }

  #checkSecondVersion(header: PageHeader, compressed: Uint8Array): void {
    const page = header.data_page_header_v2!;
    const { num_values: count, num_nulls: nulls, num_rows: rows, encoding } = page;
    const { repetition_levels_byte_length: repetitionBytes, definition_levels_byte_length: definitionBytes } = page;
    const levels = repetitionBytes + definitionBytes;
    if (!(repetitionBytes >= 0 && definitionBytes >= 0 && levels <= compressed.length)) {
      throw new Error(`it claims ${levels} bytes of levels`);
    }
    if (!(nulls >= 0 && nulls <= count && rows >= 0 && rows <= count)) {
      throw new Error(`it claims ${nulls} nulls and ${rows} rows of ${count} values`);
    }
    const reader = readerOf(compressed);
    const repetition = getMaxRepetitionLevel(this.#path);
    const definition = getMaxDefinitionLevel(this.#path);
    if (repetition > 0) walkRuns(reader, bitsOf(repetition), count);
    reader.offset = repetitionBytes;
    if (definition > 0) walkRuns(reader, bitsOf(definition), count);
    if (encoding === "PLAIN") return;
    const body = compressed.subarray(levels);
    const isCompressed = page.is_compressed !== false;
    const values = readerOf(isCompressed ? this.#decompress(body, header.uncompressed_page_size - levels) : body);
    if (encoding === "RLE") walkSized(values, 1, count - nulls);
    else walkValues(values, encoding, count - nulls);
  }

  #decompress(bytes: Uint8Array, size: number): Uint8Array {
    return decompressPage(bytes, size, this.#meta.codec, this.#compressors);
  }

  /** The index has to name the pages that were found: hyparquet would read anything it points to. */
  async #checkIndex(end: number): Promise<void> {
    const { offset_index_offset: offset, offset_index_length: length } = this.#column;
    if (offset === undefined || length === undefined) return;
    const view = new DataView(await this.#file.slice(Number(offset), Number(offset) + length));
    walkStruct({ view, offset: 0 });
    const { page_locations: locations } = readOffsetIndex({ view, offset: 0 });
    const isFlat = isFlatColumn(this.#path);
    for (let i = 0; i < Math.max(locations.length, this.#pages.length); i++) {
      const location = locations[i];
      const page = this.#pages[i];
      const firstRow = Number(location?.first_row_index);
      const isRight =
        page === undefined
          ? firstRow >= end
          : Number(location?.offset) === page.offset &&
            location?.compressed_page_size === page.bytes &&
            (!isFlat || firstRow === page.firstRow);
      if (!isRight) throw new Error(`column "${this.#name}": the page index is wrong at page ${i}`);
    }
  }
}

function walkValues(reader: PageReader, encoding: string, count: number): void {
  if (encoding === "RLE_DICTIONARY" || encoding === "PLAIN_DICTIONARY" || encoding === "RLE") {
    const width = reader.view.getUint8(reader.offset++);
    if (width > 0) walkRuns(reader, width, count);
  } else if (encoding === "DELTA_BINARY_PACKED" || encoding === "DELTA_LENGTH_BYTE_ARRAY") walkDelta(reader, count);
  else if (encoding === "DELTA_BYTE_ARRAY") walkDeltaTexts(reader, count);
}

/** Runs with their length before them. */
function walkSized(reader: PageReader, width: number, count: number, wanted?: number): number {
  const bytes = reader.view.getUint32(reader.offset, true);
  reader.offset += 4;
  const next = reader.offset + bytes;
  const equal = walkRuns(reader, width, count, wanted);
  reader.offset = next;
  return equal;
}

function readerOf(bytes: Uint8Array): PageReader {
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), offset: 0 };
}

function bitsOf(level: number): number {
  return 32 - Math.clz32(level);
}
