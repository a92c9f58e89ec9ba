// Dataset.map: rows through a function, in batches, with an optional cache on disk.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { datasetCacheFolder, writeBeside } from "../cache/cache-folder.js";
import { DatasetError } from "../errors.js";
import type { Dataset } from "./dataset.js";
import { Fingerprint } from "./fingerprint.js";
import type { Row } from "./table.js";

/** How rows are mapped. */
export interface MapOptions {
  batched?: boolean;
  /** Rows per call when batched; default 1000. */
  batchSize?: number;
  /**
   * Caches the result. A function's source says nothing about the variables it uses, so the key is the caller's promise that
   * equal keys mean equal results; change it when they do. Without a key nothing is cached.
   */
  cacheKey?: string;
  /** Folder of cached results; default `<cache>/node-bert/map`. */
  cacheDir?: string;
}

type Transform = (rows: Row | Row[], first: number) => Row | Row[] | Promise<Row | Row[]>;

/** Mapped rows of a dataset. */
export async function mapRows(dataset: Dataset, transform: Transform, options: MapOptions): Promise<Row[]> {
  if (options.cacheKey === undefined) return computeRows(dataset, transform, options);
  const folder = options.cacheDir ?? join(datasetCacheFolder(), "map");
  const key = new Fingerprint()
    .add(["map", 1, options.cacheKey, options.batched ?? false, options.batchSize ?? null])
    .add(transform.toString())
    .add(dataset.fingerprint)
    .digest();
  const path = join(folder, `${key}.json`);
  const cached = await readCached(path);
  if (cached !== undefined) return cached;

  const rows = await computeRows(dataset, transform, options);
  const body = JSON.stringify(rows);
  const checksum = new Fingerprint().add(body).digest();
  await writeBeside(path, (partial) => writeFile(partial, `${checksum}\n${body}`));
  // What the second run will read, so that both runs see the same: JSON turns dates into texts.
  return JSON.parse(body) as Row[];
}

async function computeRows(dataset: Dataset, transform: Transform, options: MapOptions): Promise<Row[]> {
  const mapped: Row[] = [];
  if (!options.batched) {
    for (let i = 0; i < dataset.length; i++) mapped.push((await transform(dataset.row(i), i)) as Row);
    return mapped;
  }
  const batchSize = options.batchSize ?? 1000;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new DatasetError("BAD_OPTION", `batchSize is ${batchSize}; expected a whole number from 1.`);
  }
  for (let first = 0; first < dataset.length; first += batchSize) {
    const rows = dataset.slice(first, first + batchSize).toArray();
    for (const row of (await transform(rows, first)) as Row[]) mapped.push(row);
  }
  return mapped;
}

/** A cached result, or undefined when there is none or it is damaged, in which case it is made again. */
async function readCached(path: string): Promise<Row[] | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const end = text.indexOf("\n");
  const body = text.slice(end + 1);
  return new Fingerprint().add(body).digest() === text.slice(0, end) ? (JSON.parse(body) as Row[]) : undefined;
}
