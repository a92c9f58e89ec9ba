// Datasets of the Hub: which files are which split, and fetching those that are asked for.

import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import {
  type DownloadOptions,
  downloadFile,
  downloadKnownFile,
  downloadSnapshot,
  HubError,
  listRepo,
  type Repo,
  type RepoListing,
} from "@node-bert/hub";
import { datasetCacheFolder } from "../cache/cache-folder.js";
import { DatasetError } from "../errors.js";
import { readAclImdbTarball } from "./acl-imdb.js";
import { type DatasetCard, parseDatasetCard } from "./dataset-card.js";
import { chooseSplitFiles, formatOf, type SplitFiles } from "./file-splits.js";
import { globToRegExp } from "./glob.js";
import type { KnownDataset } from "./known-datasets.js";
import type { Splits } from "./local-source.js";
import type { LoadOptions } from "./source.js";
import { FileSplitReader } from "./split-reader.js";

/** Where the Hub keeps its own parquet copy of datasets that have none. */
const CONVERTED = "refs/convert/parquet";

/**
 * Splits of a dataset on the Hub. Its own files first, then the Hub's parquet copy of them, then, for IMDb, the original archive.
 *
 * @throws HubError when it cannot be reached; DatasetError when it holds nothing that can be loaded.
 */
export async function openHub(name: string, options: LoadOptions, known?: KnownDataset): Promise<Splits> {
  const repo: Repo = { type: "dataset", name };
  try {
    return await openRepo(repo, options);
  } catch (cause) {
    if (known?.archive !== undefined && isUnavailable(cause))
      return openArchive(known.archive, options, cause as HubError);
    throw cause;
  }
}

function isUnavailable(cause: unknown): boolean {
  return (
    cause instanceof HubError &&
    ["HUB_NETWORK", "HUB_RATE_LIMITED", "HUB_NOT_FOUND", "HUB_OFFLINE"].includes(cause.code)
  );
}

async function openArchive(
  archive: NonNullable<KnownDataset["archive"]>,
  options: LoadOptions,
  hub: HubError,
): Promise<Splits> {
  const path = join(datasetCacheFolder(), "downloads", posix.basename(new URL(archive.url).pathname));
  try {
    await downloadKnownFile(archive, path, downloadOptions(options));
  } catch (cause) {
    const other = (cause as Error).message;
    throw new HubError(hub.code, `${hub.message} The original archive is no help either: ${other}`, {
      cause,
      status: hub.status,
    });
  }
  return readAclImdbTarball(path);
}

async function openRepo(repo: Repo, options: LoadOptions): Promise<Splits> {
  let listing = await listRepo(repo, downloadOptions(options));
  const asksOwnFiles =
    options.revision !== undefined || options.dataFiles !== undefined || options.dataDir !== undefined;
  if (!asksOwnFiles && !listing.files.some((path) => formatOf(path) !== undefined)) {
    listing = await listRepo(repo, { ...downloadOptions(options), revision: CONVERTED }).catch(() => listing);
  }
  const card = await readCard(repo, listing, options);
  const { config, splits } = chooseFiles(repo, listing, card, options);
  const classNames = card.classNames.get(config ?? "") ?? card.classNames.get("");
  return new Map(
    [...splits].map(([split, files]) => {
      const fetch = () => fetchFiles(repo, listing, files, options);
      return [split, new FileSplitReader(fetch, options, classNames)];
    }),
  );
}

function chooseFiles(
  repo: Repo,
  { files, fromCache }: RepoListing,
  card: DatasetCard,
  options: LoadOptions,
): SplitFiles {
  const { dataFiles, dataDir, config } = options;
  const folder = dataDir?.replace(/^\.?\/+|\/+$/g, "");
  const inside = folder ? files.filter((path) => path.startsWith(`${folder}/`)) : files;
  if (dataFiles !== undefined) {
    const perSplit = typeof dataFiles === "string" || Array.isArray(dataFiles) ? { train: dataFiles } : dataFiles;
    const splits = new Map<string, string[]>();
    for (const [split, patterns] of Object.entries(perSplit)) {
      const matched = [patterns]
        .flat()
        .flatMap((pattern) => inside.filter((path) => globToRegExp(pattern).test(path)).sort());
      if (matched.length === 0) {
        throw new DatasetError(
          "DATASET_NOT_FOUND",
          `${repo.name}: no file matches dataFiles of split "${split}" (${patterns}).`,
        );
      }
      splits.set(split, matched);
    }
    return { config: undefined, splits };
  }
  const converted = convertedSplits(repo.name, inside, config);
  if (converted !== undefined) return converted;
  const where = fromCache ? `${repo.name} (as cached)` : repo.name;
  return chooseSplitFiles(where, inside, folder ? [] : card.configs, config);
}

/** Layout of the Hub's own parquet copy: `<config>/<split>/0000.parquet`, `<config>/partial-<split>/…` for a first part. */
function convertedSplits(name: string, files: readonly string[], wanted: string | undefined): SplitFiles | undefined {
  const configs = new Map<string, Map<string, string[]>>();
  for (const path of [...files].sort()) {
    const match = /^([^/]+)\/(?:partial-)?([^/]+)\/\d{4}\.parquet$/.exec(path);
    if (match === null) continue;
    const [, config, split] = match;
    const splits = configs.get(config) ?? new Map<string, string[]>();
    splits.set(split, [...(splits.get(split) ?? []), path]);
    configs.set(config, splits);
  }
  if (configs.size === 0) return undefined;
  const [only] = configs.size === 1 ? configs.keys() : [undefined];
  const config = wanted ?? only ?? "default";
  const splits = configs.get(config);
  if (splits !== undefined) return { config, splits };
  throw new DatasetError(
    "BAD_OPTION",
    `${name}: ${wanted === undefined ? "several configurations" : `no configuration "${wanted}"`}. There are: ${[...configs.keys()].join(", ")}. Choose one with config.`,
  );
}

async function readCard(repo: Repo, listing: RepoListing, options: LoadOptions): Promise<DatasetCard> {
  if (!listing.files.includes("README.md")) return parseDatasetCard("", "");
  const path = await downloadFile(repo, "README.md", { ...downloadOptions(options), revision: listing.commit });
  return parseDatasetCard(await readFile(path, "utf8"), path);
}

async function fetchFiles(repo: Repo, listing: RepoListing, files: string[], options: LoadOptions): Promise<string[]> {
  const wanted = new Set(files);
  const snapshot = await downloadSnapshot(repo, (path) => wanted.has(path), {
    ...downloadOptions(options),
    revision: listing.commit,
  });
  return files.map((file) => join(snapshot.folder, file));
}

function downloadOptions(options: LoadOptions): DownloadOptions {
  const { revision, cacheDir, token, trustCache, onProgress, signal, retry } = options;
  return { revision, cacheDir, token, trustCache, onProgress, signal, retry };
}
