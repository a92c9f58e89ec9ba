// The IMDb Large Movie Review Dataset in its original form, `aclImdb/{train,test}/{neg,pos,unsup}/ID_RATING.txt`, as a folder
// or as the tarball, with the rows in the order that the Hub has them. That order is the original tarball's: ids in blocks
// of 128, descending inside a block (127..0, 255..128, …); it is computed from the ids, so any repacked copy gives it too.

import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { makeTable, type RowRange, type Table } from "../data/table.js";
import { DatasetError } from "../errors.js";
import { ROWS_PER_TABLE } from "./format.js";
import type { SplitReader } from "./split-reader.js";
import { readTarEntries } from "./tar.js";
import { decode } from "./text-blocks.js";

/** Class names of IMDb, index = class id. */
export const IMDB_LABELS = ["neg", "pos"];

const REVIEW = /(?:^|\/)(train|test)\/(neg|pos|unsup)\/(\d+)_\d+\.txt$/;
const MAX_REVIEW_BYTES = 16 * 1024 * 1024;
const FILES_AT_ONCE = 64;

/** One review file. */
interface ReviewFile {
  split: string;
  /** 0 neg, 1 pos, -1 unsupervised. */
  label: number;
  id: number;
  read(): Promise<string>;
}

/** True for a folder that holds `train/pos` and `train/neg` (or the same for test). */
export async function isAclImdbFolder(folder: string): Promise<boolean> {
  for (const split of ["train", "test"]) {
    const isFolder = async (name: string) =>
      (await stat(join(folder, split, name)).catch(() => undefined))?.isDirectory();
    if ((await isFolder("pos")) && (await isFolder("neg"))) return true;
  }
  return false;
}

/** True for the name of a tarball. */
export function isTarball(path: string): boolean {
  return /\.(tar|tar\.gz|tgz)$/.test(path);
}

/** Splits of an aclImdb folder. */
export async function readAclImdbFolder(folder: string): Promise<Map<string, SplitReader>> {
  const reviews: ReviewFile[] = [];
  for (const split of ["train", "test"]) {
    for (const name of ["neg", "pos", "unsup"]) {
      const files = await readdir(join(folder, split, name)).catch(() => []);
      for (const file of files) {
        const path = join(folder, split, name, file);
        const review = parseName(`${split}/${name}/${file}`, async () => decode(await readFile(path), path, 1));
        if (review !== undefined) reviews.push(review);
      }
    }
  }
  return toSplits(folder, reviews);
}

/** Splits of an aclImdb tarball, gzipped or not. Nothing is unpacked to disk. @throws DatasetError BAD_ARCHIVE. */
export async function readAclImdbTarball(path: string): Promise<Map<string, SplitReader>> {
  const reviews: ReviewFile[] = [];
  for await (const { name, bytes } of readTarEntries(path, (entry) => REVIEW.test(entry), MAX_REVIEW_BYTES)) {
    const text = decode(bytes, `${path}: ${name}`, 1);
    reviews.push(parseName(name, async () => text)!);
  }
  return toSplits(path, reviews);
}

function parseName(path: string, read: () => Promise<string>): ReviewFile | undefined {
  const match = REVIEW.exec(path);
  if (match === null) return undefined;
  const [, folder, name, id] = match;
  const split = name === "unsup" ? "unsupervised" : folder;
  return { split, label: IMDB_LABELS.indexOf(name), id: Number(id), read };
}

function toSplits(path: string, reviews: ReviewFile[]): Map<string, SplitReader> {
  const splits = new Map<string, SplitReader>();
  for (const split of ["train", "test", "unsupervised"]) {
    const own = reviews.filter((review) => review.split === split).sort(inHubOrder);
    if (own.length > 0) splits.set(split, new ReviewReader(path, own));
  }
  if (splits.size > 0) return splits;
  throw new DatasetError(
    "DATASET_UNSUPPORTED",
    `${path}: no reviews found. Expected aclImdb/{train,test}/{neg,pos,unsup}/ID_RATING.txt.`,
  );
}

/** Negatives first; blocks of 128 ids ascending, ids inside a block descending. */
function inHubOrder(a: ReviewFile, b: ReviewFile): number {
  return a.label - b.label || Math.floor(a.id / 128) - Math.floor(b.id / 128) || b.id - a.id;
}

class ReviewReader implements SplitReader {
  constructor(
    private readonly path: string,
    private readonly reviews: ReviewFile[],
  ) {}

  async files(): Promise<string[]> {
    return [this.path];
  }

  async countRows(): Promise<number> {
    return this.reviews.length;
  }

  async *stream(range?: RowRange, columns?: string[]): AsyncGenerator<Table> {
    const end = Math.min(range?.end ?? this.reviews.length, this.reviews.length);
    for (let first = range?.start ?? 0; first < end; first += ROWS_PER_TABLE) {
      const reviews = this.reviews.slice(first, Math.min(first + ROWS_PER_TABLE, end));
      const texts: string[] = [];
      for (let i = 0; i < reviews.length; i += FILES_AT_ONCE) {
        texts.push(...(await Promise.all(reviews.slice(i, i + FILES_AT_ONCE).map((review) => review.read()))));
      }
      const values = new Map<string, ArrayLike<unknown>>([
        ["text", texts],
        ["label", reviews.map(({ label }) => label)],
      ]);
      for (const name of values.keys()) if (columns !== undefined && !columns.includes(name)) values.delete(name);
      const classLabels = new Map([["label", { kind: "classLabel" as const, names: IMDB_LABELS }]]);
      yield makeTable(values, classLabels);
    }
  }
}
