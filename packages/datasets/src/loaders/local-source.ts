// Datasets on this machine: a file, several files, globs, a folder in the Hub's layout, an aclImdb folder or tarball.

import { readdir, readFile, stat } from "node:fs/promises";
import { isAbsolute, join, posix, relative, resolve, sep } from "node:path";
import { DatasetError } from "../errors.js";
import { isAclImdbFolder, isTarball, readAclImdbFolder, readAclImdbTarball } from "./acl-imdb.js";
import { type DatasetCard, parseDatasetCard } from "./dataset-card.js";
import { chooseSplitFiles, formatOf, SUPPORTED_EXTENSIONS } from "./file-splits.js";
import type { ReadOptions } from "./format.js";
import { globToRegExp, isGlob } from "./glob.js";
import { FileSplitReader, type SplitReader } from "./split-reader.js";

/** Splits of a dataset, by name. */
export type Splits = Map<string, SplitReader>;

/** Files per split, as the caller gives them: paths or globs. */
export type DataFiles = string | string[] | Record<string, string | string[]>;

/** True when a path exists. */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** Splits of a file, glob or folder. @throws DatasetError DATASET_NOT_FOUND, DATASET_UNSUPPORTED. */
export async function openLocal(path: string, options: ReadOptions & { config?: string }): Promise<Splits> {
  if (isGlob(path) && !(await exists(path))) return openFiles({ train: path }, options);
  const stats = await stat(path).catch(() => undefined);
  if (stats === undefined) throw new DatasetError("DATASET_NOT_FOUND", `${path}: no such file or folder.`);
  if (!stats.isDirectory()) return isTarball(path) ? readAclImdbTarball(path) : openFiles({ train: path }, options);
  return openFolder(path, options);
}

/** Splits of named files and globs. @throws DatasetError DATASET_NOT_FOUND when one matches nothing. */
export async function openFiles(dataFiles: DataFiles, options: ReadOptions, root = "."): Promise<Splits> {
  const perSplit = typeof dataFiles === "string" || Array.isArray(dataFiles) ? { train: dataFiles } : dataFiles;
  const splits: Splits = new Map();
  for (const [split, patterns] of Object.entries(perSplit)) {
    const files: string[] = [];
    for (const pattern of [patterns].flat()) files.push(...(await matchFiles(root, pattern)));
    const odd = files.find((file) => formatOf(file) === undefined);
    if (odd !== undefined) {
      throw new DatasetError("DATASET_UNSUPPORTED", `${odd}: unknown kind of file. Formats: ${SUPPORTED_EXTENSIONS}.`);
    }
    splits.set(split, new FileSplitReader(async () => files, options));
  }
  return splits;
}

async function matchFiles(root: string, pattern: string): Promise<string[]> {
  const full = isAbsolute(pattern) ? pattern : join(root, pattern);
  if ((await exists(full)) || !isGlob(pattern)) {
    if (await exists(full)) return [full];
    throw new DatasetError("DATASET_NOT_FOUND", `${full}: no such file.`);
  }
  const parts = full.split(sep).join("/").split("/");
  const fixed = parts.slice(0, parts.findIndex(isGlob)).join("/");
  const base = fixed === "" && full.startsWith("/") ? "/" : fixed || ".";
  const matcher = globToRegExp(parts.slice(parts.findIndex(isGlob)).join("/"));
  const files = (await listFolder(base)).filter((path) => matcher.test(path)).map((path) => join(base, path));
  if (files.length > 0) return files;
  throw new DatasetError("DATASET_NOT_FOUND", `${pattern}: no file matches. Looked in ${resolve(base)}.`);
}

async function openFolder(folder: string, options: ReadOptions & { config?: string }): Promise<Splits> {
  for (const inner of [folder, join(folder, "aclImdb")]) {
    if (await isAclImdbFolder(inner)) return readAclImdbFolder(inner);
  }
  const paths = await listFolder(folder);
  const tarballs = paths.filter((path) => isTarball(path) && /aclimdb/i.test(posix.basename(path)));
  if (tarballs.length === 1 && !paths.some((path) => formatOf(path) !== undefined)) {
    return readAclImdbTarball(join(folder, tarballs[0]));
  }
  const card = await readCard(folder);
  const { config, splits } = chooseSplitFiles(folder, paths, card.configs, options.config);
  const classNames = card.classNames.get(config ?? "") ?? card.classNames.get("");
  return new Map(
    [...splits].map(([split, files]) => {
      const local = files.map((file) => join(folder, file));
      return [split, new FileSplitReader(async () => local, options, classNames)];
    }),
  );
}

async function readCard(folder: string): Promise<DatasetCard> {
  const path = join(folder, "README.md");
  return parseDatasetCard(await readFile(path, "utf8").catch(() => ""), path);
}

/** All files under a folder, relative to it, with `/`, sorted. */
async function listFolder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) =>
      relative(folder, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join("/"),
    )
    .sort();
}
