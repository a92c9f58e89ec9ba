import { type FileHandle, open } from "node:fs/promises";
import { TYPE_BYTES } from "./header.js";

/** A tensor to be written: what it is, and its bytes in pieces, when their turn comes. */
export interface TensorSource {
  name: string;
  /** "F32", … */
  type: string;
  shape: readonly number[];
  chunks(): AsyncIterable<Uint8Array>;
}

/**
 * Writes a safetensors file piece by piece, so that memory for one piece is enough, and waits until it is on the disk. Tensors are in the
 * order in which Hugging Face writes them: wide types first, then by name. An existing file is overwritten: write beside and rename.
 * @throws the file system's error, such as ENOSPC
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sorted = [...tensors].sort((a, b) => TYPE_BYTES[b.type] - TYPE_BYTES[a.type] || compareText(a.name, b.name));
  const file = await open(path, "w");
  try {
    await writeAll(file, headerOf(sorted, metadata));
    for (const tensor of sorted) {
      let written = 0;
      for await (const chunk of tensor.chunks()) {
        await writeAll(file, chunk);
        written += chunk.length;
      }
      if (written !== bytesOf(tensor))
        throw new RangeError(`${tensor.name}: ${written} bytes were given, its shape and type take ${bytesOf(tensor)}`);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

function headerOf(tensors: readonly TensorSource[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + bytesOf(tensor);
    header[tensor.name] = { dtype: tensor.type, shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  // Padded with spaces, so that the data starts at a multiple of 8 and can be mapped.
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  return bytes;
}

function bytesOf(tensor: TensorSource): number {
  return tensor.shape.reduce((product, dim) => product * dim, TYPE_BYTES[tensor.type]);
}

/** By code units, as Rust and Python sort, not by language. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}
