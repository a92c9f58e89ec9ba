// The YAML header of a dataset's README.md: which files belong to which configuration and split, and class names.

import { DatasetError } from "../errors.js";

/** One configuration of a dataset card. */
export interface CardConfig {
  name: string;
  isDefault: boolean;
  dataDir: string | undefined;
  dataFiles: { split: string; patterns: string[] }[] | undefined;
}

/** What a dataset card says about data. */
export interface DatasetCard {
  configs: CardConfig[];
  /** Class names by configuration, then column; the key "" is a card without configurations. */
  classNames: Map<string, Map<string, string[]>>;
}

type Yaml = Record<string, unknown>;

/**
 * Reads a README.md; one without a header says nothing.
 *
 * @throws DatasetError BAD_FILE for a header that is not YAML.
 */
export async function parseDatasetCard(readme: string, path: string): Promise<DatasetCard> {
  const card: DatasetCard = { configs: [], classNames: new Map() };
  const header = /^---\r?\n([\s\S]*?)\r?\n---/.exec(readme)?.[1];
  if (header === undefined) return card;
  const { parse } = await import("yaml");
  let yaml: Yaml;
  try {
    yaml = (parse(header) ?? {}) as Yaml;
  } catch (cause) {
    throw new DatasetError("BAD_FILE", `${path}: its header is not YAML (${(cause as Error).message}).`, { cause });
  }
  for (const config of asArray(yaml.configs)) card.configs.push(readConfig(config as Yaml));
  for (const info of asArray(yaml.dataset_info)) readClassNames(info as Yaml, card);
  return card;
}

function readConfig(config: Yaml): CardConfig {
  return {
    name: String(config.config_name ?? "default"),
    isDefault: config.default === true,
    dataDir: typeof config.data_dir === "string" ? config.data_dir : undefined,
    dataFiles: readDataFiles(config.data_files),
  };
}

/** `data_files` is a pattern, a list of patterns, a list of {split, path}, or a map of split to patterns. */
function readDataFiles(dataFiles: unknown): CardConfig["dataFiles"] {
  if (dataFiles === undefined || dataFiles === null) return undefined;
  if (typeof dataFiles === "string") return [{ split: "train", patterns: [dataFiles] }];
  if (!Array.isArray(dataFiles)) {
    return Object.entries(dataFiles as Yaml).map(([split, patterns]) => ({
      split,
      patterns: asArray(patterns).map(String),
    }));
  }
  if (dataFiles.every((item) => typeof item === "string")) return [{ split: "train", patterns: dataFiles }];
  return dataFiles.map(({ split, path }: { split?: unknown; path?: unknown }) => ({
    split: String(split ?? "train"),
    patterns: asArray(path).map(String),
  }));
}

function readClassNames(info: Yaml, card: DatasetCard): void {
  const columns = new Map<string, string[]>();
  for (const feature of asArray(info?.features) as Yaml[]) {
    const classLabel = (feature?.dtype as Yaml | undefined)?.class_label as Yaml | undefined;
    if (classLabel?.names === undefined) continue;
    const names = Array.isArray(classLabel.names)
      ? classLabel.names
      : Object.entries(classLabel.names as Yaml)
          .sort(([a], [b]) => Number(a) - Number(b))
          .map(([, name]) => name);
    columns.set(String(feature.name), names.map(String));
  }
  if (columns.size > 0) card.classNames.set(String(info.config_name ?? ""), columns);
}

function asArray(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}
