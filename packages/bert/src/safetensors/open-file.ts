import { type FileHandle, open } from "node:fs/promises";
import type { Tensor } from "@node-bert/core-native";
import { WeightsError } from "../errors.js";
import { type Header, parseHeader, parseHeaderLength, type TensorEntry } from "./header.js";

/** What the device can read from a file, by the format's names. */
const READABLE: Readonly<Record<string, "f32" | "f64" | "bf16" | "f16">> = {
  F32: "f32",
  F64: "f64",
  BF16: "bf16",
  F16: "f16",
};

/** An open safetensors file whose header was checked. */
export class SafetensorsFile {
  readonly path: string;
  readonly metadata: Header["metadata"];
  readonly tensors: Header["tensors"];
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle, header: Header) {
    this.path = path;
    this.metadata = header.metadata;
    this.tensors = header.tensors;
    this.#file = file;
  }

  /**
   * @throws {WeightsError} when it cannot be read, is truncated, or its header lies
   * @example
   * const file = await SafetensorsFile.open("model.safetensors");
   * console.log([...file.tensors.keys()]);
   * await file.close();
   */
  static async open(path: string): Promise<SafetensorsFile> {
    let file: FileHandle;
    try {
      file = await open(path, "r");
    } catch (cause) {
      throw new WeightsError(`${path}: cannot be opened (${(cause as Error).message}).`, { cause });
    }
    try {
      const { size } = await file.stat();
      const headerBytes = parseHeaderLength(await readAt(file, 0, Math.min(8, size), path), size, path);
      const bytes = await readAt(file, 8, headerBytes, path);
      return new SafetensorsFile(path, file, parseHeader(bytes, 8 + headerBytes, size, path));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Enqueues the reading of a tensor into `into`, converting its type; nothing passes through JavaScript.
   * @throws {WeightsError} when there is no such tensor, or its shape or type does not fit
   */
  readInto(name: string, into: Tensor): void {
    const entry = this.#entry(name);
    const type = READABLE[entry.type];
    if (type === undefined)
      throw new WeightsError(
        `${this.path}: tensor ${name} is of type ${entry.type}, expected ${Object.keys(READABLE).join(", ")}.`,
      );
    if (entry.shape.length !== into.shape.length || entry.shape.some((dim, i) => dim !== into.shape[i]))
      throw new WeightsError(
        `${this.path}: tensor ${name} is (${entry.shape.join(", ")}), expected (${into.shape.join(", ")}).`,
      );
    into.device.readFile(into, this.#file.fd, entry.offset, type);
  }

  /** The bytes of a tensor as they are in the file. @throws {WeightsError} */
  async readBytes(name: string): Promise<Uint8Array> {
    const entry = this.#entry(name);
    return readAt(this.#file, entry.offset, entry.bytes, this.path);
  }

  #entry(name: string): TensorEntry {
    const entry = this.tensors.get(name);
    if (entry === undefined) throw new WeightsError(`${this.path}: there is no tensor ${name}.`);
    return entry;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

async function readAt(file: FileHandle, offset: number, bytes: number, path: string): Promise<Uint8Array> {
  const buffer = new Uint8Array(bytes);
  for (let done = 0; done < bytes; ) {
    const { bytesRead } = await file.read(buffer, done, bytes - done, offset + done);
    if (bytesRead === 0) throw new WeightsError(`${path}: truncated, it ends at byte ${offset + done}.`);
    done += bytesRead;
  }
  return buffer;
}
