import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { WeightsError } from "../errors.js";
import type { TensorEntry } from "./header.js";
import { SafetensorsFile } from "./open-file.js";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/** All tensors of a model folder, from one file or from shards. */
export class Checkpoint {
  /** What to call it in messages: the file, or the index of the shards. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorEntry & { file: SafetensorsFile }>;
  readonly #files: readonly SafetensorsFile[];

  private constructor(path: string, files: readonly SafetensorsFile[], tensors: Checkpoint["tensors"]) {
    this.path = path;
    this.#files = files;
    this.tensors = tensors;
  }

  /** @throws {WeightsError} when a file is missing or damaged, or the index does not agree with the shards */
  static async open(folder: string): Promise<Checkpoint> {
    const single = join(folder, SINGLE);
    if (existsSync(single)) return Checkpoint.#openFiles(single, [single]);
    const index = join(folder, INDEX);
    if (existsSync(index)) return Checkpoint.#openShards(folder, index);
    throw new WeightsError(whyNoWeights(folder));
  }

  static async #openFiles(path: string, paths: readonly string[]): Promise<Checkpoint> {
    const files: SafetensorsFile[] = [];
    try {
      for (const each of paths) files.push(await SafetensorsFile.open(each));
      const tensors = new Map<string, TensorEntry & { file: SafetensorsFile }>();
      for (const file of files)
        for (const entry of file.tensors.values()) {
          const other = tensors.get(entry.name)?.file;
          if (other !== undefined)
            throw new WeightsError(
              `${path}: tensor ${entry.name} is in both ${basename(other.path)} and ${basename(file.path)}, expected one.`,
            );
          tensors.set(entry.name, { ...entry, file });
        }
      return new Checkpoint(path, files, tensors);
    } catch (error) {
      await Promise.all(files.map((file) => file.close()));
      throw error;
    }
  }

  static async #openShards(folder: string, path: string): Promise<Checkpoint> {
    const shardOf = await readIndex(path);
    const shards = [...new Set(shardOf.values())];
    for (const shard of shards)
      if (!existsSync(join(folder, shard)))
        throw new WeightsError(
          `${path}: names the shard ${shard}, which is not in the folder. Download or copy it too.`,
        );
    const checkpoint = await Checkpoint.#openFiles(
      path,
      shards.map((shard) => join(folder, shard)),
    );
    try {
      for (const [name, shard] of shardOf) {
        const found = checkpoint.tensors.get(name)?.file;
        if (found === undefined)
          throw new WeightsError(`${path}: says that ${shard} has the tensor ${name}; no shard has.`);
        if (basename(found.path) !== shard)
          throw new WeightsError(
            `${path}: says that ${shard} has the tensor ${name}; it is in ${basename(found.path)}.`,
          );
      }
      for (const [name, { file }] of checkpoint.tensors)
        if (!shardOf.has(name)) throw new WeightsError(`${path}: lacks the tensor ${name} of ${basename(file.path)}.`);
    } catch (error) {
      await checkpoint.close();
      throw error;
    }
    return checkpoint;
  }

  async close(): Promise<void> {
    await Promise.all(this.#files.map((file) => file.close()));
  }
}

async function readIndex(path: string): Promise<Map<string, string>> {
  let index: unknown;
  try {
    index = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new WeightsError(`${path}: not JSON (${(cause as Error).message}).`, { cause });
  }
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (map === null || typeof map !== "object" || Object.keys(map).length === 0)
    throw new WeightsError(`${path}: weight_map is ${JSON.stringify(map)}, expected an object from tensors to files.`);
  const entries = Object.entries(map as Record<string, unknown>);
  for (const [name, shard] of entries)
    if (typeof shard !== "string" || shard !== basename(shard) || !shard.endsWith(".safetensors"))
      throw new WeightsError(
        `${path}: weight_map has ${JSON.stringify(shard)} for ${name}, expected a .safetensors file of the same folder.`,
      );
  return new Map(entries as [string, string][]);
}

function whyNoWeights(folder: string): string {
  const old = ["pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"].find((name) =>
    existsSync(join(folder, name)),
  );
  if (old === undefined) return `${folder}: has no weights, expected ${SINGLE} or ${INDEX}.`;
  return (
    `${folder}: has its weights as ${old}, expected ${SINGLE}. Convert them once with Python: ` +
    `from transformers import AutoModel; AutoModel.from_pretrained("${folder}").save_pretrained("<new folder>"). ` +
    "(Use AutoModelForSequenceClassification to keep a classifier.)"
  );
}
