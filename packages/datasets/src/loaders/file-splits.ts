// Which files of a folder or repository are which split of which configuration. The rules are Hugging Face's
// (data_files.py), with one addition: names such as `plain_text/unsupervised-00000-of-00001.parquet` name their split
// in any folder, as the Hub's own metadata does for them.

import { posix } from "node:path";
import { DatasetError } from "../errors.js";
import type { CardConfig } from "./dataset-card.js";
import type { FileFormat } from "./format.js";
import { globToRegExp } from "./glob.js";
import { json } from "./json.js";
import { jsonl } from "./jsonl.js";
import { csv, tsv } from "./separated.js";
import { text } from "./text.js";

/** Apache Parquet; hyparquet and its decompressors are loaded when a file needs them. */
const parquet: FileFormat = {
  name: "parquet",
  async *stream(...args) {
    yield* (await import("./parquet.js")).streamParquet(...args);
  },
  async countRows(path) {
    return (await import("./parquet.js")).countParquetRows(path);
  },
};

const FORMATS: Record<string, FileFormat> = {
  ".parquet": parquet,
  ".jsonl": jsonl,
  ".ndjson": jsonl,
  ".json": json,
  ".csv": csv,
  ".tsv": tsv,
  ".txt": text,
};

const KEYWORDS: [split: string, keywords: string[]][] = [
  ["train", ["train", "training"]],
  ["validation", ["validation", "valid", "dev", "val"]],
  ["test", ["test", "testing", "eval", "evaluation"]],
];
const NOT_DATA = new Set(["config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"]);
const SHARD = /^(\w+(?:\.\w+)*)-\d{5}-of-\d{5}/;

/** Files of every split, relative to the folder or repository. */
export interface SplitFiles {
  config: string | undefined;
  splits: Map<string, string[]>;
}

/** The format of a file by its name, `.gz` left aside; undefined for what is not data. */
export function formatOf(path: string): FileFormat | undefined {
  const name = posix.basename(path.replaceAll("\\", "/")).toLowerCase();
  if (NOT_DATA.has(name) || name.startsWith(".")) return undefined;
  return FORMATS[posix.extname(name.replace(/\.gz$/, ""))];
}

/** Extensions that can be loaded, for messages. */
export const SUPPORTED_EXTENSIONS = [...Object.keys(FORMATS), ".gz of these"].join(", ");

/**
 * Chooses configuration and files.
 *
 * @param paths files relative to the root, with `/`.
 * @param configs configurations of the dataset card, if it has any.
 * @throws DatasetError DATASET_UNSUPPORTED without data files; BAD_OPTION for an unknown or missing `config`.
 */
export function chooseSplitFiles(
  where: string,
  paths: readonly string[],
  configs: readonly CardConfig[],
  config: string | undefined,
): SplitFiles {
  const data = onlyOneFormat(where, paths.filter(isVisible));
  if (data.length === 0) {
    throw new DatasetError(
      "DATASET_UNSUPPORTED",
      `${where}: no data files. Formats that can be loaded: ${SUPPORTED_EXTENSIONS}; an aclImdb folder or tarball.`,
    );
  }
  if (configs.length > 0) return fromCard(where, paths.filter(isVisible), configs, config);
  const folders = configFolders(data);
  const chosen = chooseConfig(where, folders, config);
  const files = chosen === undefined ? data : data.filter((path) => inFolder(path, chosen));
  return { config: chosen, splits: assignSplits(files) };
}

function isVisible(path: string): boolean {
  return formatOf(path) !== undefined && !path.split("/").some((part) => part.startsWith(".") || part.startsWith("__"));
}

/** Tables beat text, and files of one format must not be mixed: `train.csv` beside `train.jsonl` is the same data twice. */
function onlyOneFormat(where: string, paths: readonly string[]): string[] {
  const counts = new Map<FileFormat, number>();
  for (const path of paths) counts.set(formatOf(path)!, (counts.get(formatOf(path)!) ?? 0) + 1);
  for (const weaker of [text, json]) if (counts.size > 1) counts.delete(weaker);
  if (counts.has(parquet)) return paths.filter((path) => formatOf(path) === parquet);
  if (counts.size > 1) {
    const listed = [...counts].map(([format, count]) => `${count} × ${format.name}`).join(", ");
    throw new DatasetError(
      "DATASET_UNSUPPORTED",
      `${where}: data in several formats (${listed}). Say which files are meant, with dataFiles or a glob.`,
    );
  }
  const [format] = counts.keys();
  return paths.filter((path) => formatOf(path) === format);
}

/** Folders that stand for configurations: those directly under the root that hold shards or a file per split. */
function configFolders(paths: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const [first, ...rest] = path.split("/");
    if (rest.length === 0) return [];
    folders.add(first);
  }
  const isSplitName = (folder: string) =>
    KEYWORDS.some(([, keywords]) => keywords.some((k) => startsWithWord(folder, k)));
  if ([...folders].some((folder) => folder === "data" || isSplitName(folder))) return [];
  return [...folders].sort();
}

function inFolder(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`) || path.includes(`/${folder}/`);
}

function chooseConfig(where: string, known: readonly string[], wanted: string | undefined): string | undefined {
  if (wanted !== undefined && known.length > 0 && !known.includes(wanted)) {
    throw new DatasetError("BAD_OPTION", `${where}: no configuration "${wanted}". There are: ${known.join(", ")}.`);
  }
  if (wanted !== undefined) return known.length > 0 ? wanted : undefined;
  if (known.length <= 1) return known[0];
  if (known.includes("default")) return "default";
  throw new DatasetError(
    "BAD_OPTION",
    `${where}: several configurations: ${known.join(", ")}. Choose one with config.`,
  );
}

function fromCard(
  where: string,
  paths: readonly string[],
  configs: readonly CardConfig[],
  wanted: string | undefined,
): SplitFiles {
  const standard = configs.find(({ isDefault }) => isDefault)?.name;
  const names = configs.map(({ name }) => name);
  const chosen = chooseConfig(where, names, wanted ?? standard);
  const card = configs.find(({ name }) => name === chosen)!;
  if (card.dataFiles === undefined) {
    const folder = card.dataDir?.replace(/\/+$/, "");
    const files = folder === undefined ? [...paths] : paths.filter((path) => path.startsWith(`${folder}/`));
    return { config: chosen, splits: assignSplits(onlyOneFormat(where, files)) };
  }
  const splits = new Map<string, string[]>();
  for (const { split, patterns } of card.dataFiles) {
    const matched = patterns.flatMap((pattern) => paths.filter((path) => globToRegExp(pattern).test(path)).sort());
    if (matched.length > 0) splits.set(split, [...new Set(matched)]);
  }
  return { config: chosen, splits };
}

/** Files to splits by their names; without any sign all files are `train`. */
export function assignSplits(paths: readonly string[]): Map<string, string[]> {
  const schemes = [shardSplit, folderSplit, fileSplit];
  for (const splitOf of schemes) {
    const found = new Map<string, string[]>();
    for (const path of [...paths].sort()) {
      const split = splitOf(path);
      if (split !== undefined) found.set(split, [...(found.get(split) ?? []), path]);
    }
    if (found.size > 0) return inUsualOrder(found);
  }
  return new Map([["train", [...paths].sort()]]);
}

function inUsualOrder(splits: Map<string, string[]>): Map<string, string[]> {
  const usual = KEYWORDS.map(([split]) => split);
  const rank = (split: string) => (usual.indexOf(split) + usual.length + 1) % (usual.length + 1);
  return new Map([...splits].sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1)));
}

function shardSplit(path: string): string | undefined {
  return SHARD.exec(posix.basename(path))?.[1];
}

function folderSplit(path: string): string | undefined {
  const folders = path.split("/").slice(0, -1);
  return KEYWORDS.find(([, keywords]) => folders.some((folder) => keywords.some((k) => hasWord(folder, k))))?.[0];
}

function fileSplit(path: string): string | undefined {
  const name = posix.basename(path);
  return KEYWORDS.find(([, keywords]) => keywords.some((k) => hasWord(name, k)))?.[0];
}

function startsWithWord(name: string, word: string): boolean {
  return name.startsWith(word) && (name.length === word.length || /[-._ 0-9]/.test(name[word.length]));
}

/** `word` at the start of `name`, or after a separator, and a separator or the end after it. */
function hasWord(name: string, word: string): boolean {
  return startsWithWord(name, word) || new RegExp(`[-._ 0-9]${word}(?:[-._ 0-9]|$)`).test(name);
}
