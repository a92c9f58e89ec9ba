// Where a dataset's splits come from: embedded, local, or the Hub. The order is documented at `openSource`.

import { join } from "node:path";
import { type DownloadOptions, HubError, isRepoName } from "@node-bert/hub";
import { DatasetError } from "../errors.js";
import type { ReadOptions } from "./format.js";
import { isGlob } from "./glob.js";
import { openHub } from "./hub-source.js";
import { findKnown, type KnownDataset } from "./known-datasets.js";
import { type DataFiles, exists, openFiles, openLocal, type Splits } from "./local-source.js";
import { EMBEDDED, openReviews, REVIEW_LABELS } from "./reviews.js";

/** How a dataset is found and read. */
export interface LoadOptions extends Omit<ReadOptions, "columns"> {
  /** Configuration, for datasets that have several (`glue`: `sst2`). */
  config?: string;
  /** Branch, tag or commit on the Hub; default `main`. */
  revision?: string;
  /** A local folder or tarball that holds the dataset; for a Hub id also a folder inside the repository. */
  dataDir?: string;
  /** Which files are which split, instead of finding out by their names. */
  dataFiles?: DataFiles;
  /** Uses what is cached without asking the Hub for a newer version; what was never downloaded still is. */
  trustCache?: boolean;
  /** The text column; default inferred (see `Dataset.columnReport`). */
  textColumn?: string;
  /** The label column; default inferred. */
  labelColumn?: string;
  /** Class names, index = class id; default the file's own. */
  labelNames?: string[];
  /** Cache of the Hub; default that of Python. */
  cacheDir?: string;
  /** Reports downloads. */
  onProgress?: DownloadOptions["onProgress"];
  /** How often a failing request is repeated. */
  retry?: DownloadOptions["retry"];
  /** Ends downloads; what arrived is kept. */
  signal?: AbortSignal;
  /** Access token of the Hub; default HF_TOKEN or the token saved by `hf auth login`. */
  token?: string;
}

/** A dataset that can be read. */
export interface Source {
  name: string;
  splits: Splits;
  /** Columns to rename, from and to. */
  rename: Record<string, string>;
  /** Class names that override those of the files. */
  labelNames: string[] | undefined;
}

/**
 * Finds a dataset. In this order: `dataFiles`; the embedded `reviews`; a known name (`imdb`, `sst2`) in `dataDir`, then in
 * `$NODE_BERT_DATA/<name>` when that variable is set and the folder exists, then on the Hub; a local path or glob; the Hub.
 * A folder of the working directory that is called `imdb` is meant only as `./imdb`.
 *
 * @throws DatasetError DATASET_NOT_FOUND naming every place that was tried.
 */
export async function openSource(name: string | string[], options: LoadOptions): Promise<Source> {
  if (Array.isArray(name)) return plainSource(name.join(", "), await openFiles(name, options));
  if (options.dataFiles !== undefined && (await exists(name))) {
    return plainSource(name, await openFiles(options.dataFiles, options, name));
  }
  if (name === EMBEDDED) return { ...plainSource(name, await openReviews()), labelNames: REVIEW_LABELS };
  const known = findKnown(name, options.config);
  if (known !== undefined) return openKnown(known, name, options);
  if (isGlob(name) || (await exists(name))) {
    const path = options.dataDir === undefined ? name : join(name, options.dataDir);
    return plainSource(name, await openLocal(path, options));
  }
  if (looksLikePath(name)) {
    throw new DatasetError(
      "DATASET_NOT_FOUND",
      `${name}: no such file or folder. Expected a path, a glob, a name (reviews, imdb, sst2) or a Hub id (owner/name).`,
    );
  }
  try {
    return plainSource(name, await openHub(name, options));
  } catch (cause) {
    if (!(cause instanceof HubError) || (cause.status !== 401 && cause.status !== 404)) throw cause;
    const message = `${name}: no such file or folder here, and from the Hub: ${cause.message}`;
    throw new HubError(cause.code, message, { cause, status: cause.status });
  }
}

function plainSource(name: string, splits: Splits): Source {
  return { name, splits, rename: {}, labelNames: undefined };
}

async function openKnown(known: KnownDataset, name: string, options: LoadOptions): Promise<Source> {
  const { rename, labelNames } = known;
  const local = await localCopy(known, options);
  const splits =
    local === undefined
      ? await openHub(known.hub, { ...options, config: undefined }, known)
      : await openLocal(local, { ...options, config: undefined });
  return { name, splits, rename, labelNames };
}

async function localCopy(known: KnownDataset, { dataDir }: LoadOptions): Promise<string | undefined> {
  if (dataDir !== undefined) {
    if (await exists(dataDir)) return dataDir;
    throw new DatasetError("DATASET_NOT_FOUND", `${dataDir}: no such folder (dataDir of ${known.name}).`);
  }
  const root = process.env.NODE_BERT_DATA;
  if (!root) return undefined;
  const folder = join(root, known.name);
  return (await exists(folder)) ? folder : undefined;
}

function looksLikePath(name: string): boolean {
  return (
    /^(\.{0,2}\/|[A-Za-z]:\\|~)/.test(name) ||
    /\.(parquet|jsonl?|ndjson|csv|tsv|txt|gz|tgz|tar)$/.test(name) ||
    !isRepoName(name)
  );
}
