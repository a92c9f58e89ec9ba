// From the dataset options of a command line to rows.
import { type Dataset, loadDataset } from "@node-bert/datasets";
import { CommandError, UsageError } from "./errors.js";
import { note } from "./output.js";

export interface DatasetChoice {
  dataset?: string;
  config?: string;
  dataDir?: string;
  textColumn?: string;
  labelColumn?: string;
}

/** How many rows of a split, and which. */
export interface RowChoice {
  rows?: number;
  stratify?: boolean;
  shuffle?: boolean;
  seed: number;
}

function loadOptions(choice: DatasetChoice) {
  const { config, dataDir, textColumn, labelColumn } = choice;
  return { config, dataDir, textColumn, labelColumn };
}

function datasetName(choice: DatasetChoice): string {
  if (choice.dataset === undefined)
    throw new UsageError("--dataset is missing: imdb, sst2, reviews, a Hub id, or a local file or folder");
  return choice.dataset;
}

/** One split expression, e.g. "test[:1%]". */
export async function loadRows(choice: DatasetChoice, split: string): Promise<Dataset> {
  const dataset = await loadDataset(datasetName(choice), { ...loadOptions(choice), split });
  sayColumns(dataset);
  return dataset;
}

/**
 * Training and evaluation rows. Without an evaluation split of its own, a fifth of the training rows becomes it, and that is said.
 */
export async function loadTrainAndEval(
  choice: DatasetChoice,
  splits: { train?: string; eval?: string },
  seed: number,
): Promise<{ train: Dataset; eval: Dataset }> {
  const name = datasetName(choice);
  const trainSplit = splits.train ?? "train";
  if (splits.eval !== undefined) {
    const loaded = await loadDataset(name, { ...loadOptions(choice), split: { train: trainSplit, eval: splits.eval } });
    sayColumns(loaded.train);
    return loaded;
  }
  try {
    const loaded = await loadDataset(name, { ...loadOptions(choice), split: { train: trainSplit, eval: "test" } });
    sayColumns(loaded.train);
    return loaded;
  } catch (error) {
    if ((error as { code?: string }).code !== "BAD_SPLIT") throw error;
  }
  const all = await loadRows(choice, trainSplit);
  all.labels(); // says which column is missing, or which row has no label, before the rows are split
  const { train, test } = all.trainTestSplit({ testSize: 0.2, seed });
  note(
    `${name} has no split "test": ${test.length} of the ${all.length} training rows are set aside for evaluation (--eval-split chooses others)`,
  );
  return { train, eval: test };
}

/** The first rows, or a random or stratified choice of them. */
export function chooseRows(dataset: Dataset, choice: RowChoice): Dataset {
  const { rows, seed } = choice;
  if (rows !== undefined && rows > dataset.length)
    throw new UsageError(`${dataset.describe()} has ${dataset.length} rows, fewer than the ${rows} asked for`);
  if (choice.stratify && rows !== undefined && rows < dataset.length)
    return dataset.trainTestSplit({ trainSize: rows, stratify: true, seed }).train;
  const ordered = choice.shuffle || choice.stratify ? dataset.shuffle(seed) : dataset;
  return rows === undefined ? ordered : ordered.take(rows);
}

/** The names of the classes to train. @throws {CommandError} when there is nothing to tell apart */
export function classNames(train: Dataset): string[] {
  const names = train.classLabels();
  if (names.length < 2)
    throw new CommandError(
      `${train.describe()} has one class only (${names.map((name) => `"${name}"`).join() || "none"}), expected at least two. Is --label-column right, or the data sorted by label?`,
    );
  return names;
}

let said = false;

/** Which columns were taken for text and label, and which are ignored: once. */
function sayColumns(dataset: Dataset): void {
  if (said) return;
  said = true;
  const { text, label, ignored } = dataset.columnReport;
  const parts = [
    `text is "${text?.column ?? "?"}"`,
    label === undefined ? "no label column" : `label is "${label.column}"`,
  ];
  if (ignored.length > 0) parts.push(`ignored: ${ignored.join(", ")}`);
  note(`columns of ${dataset.describe()}: ${parts.join("; ")}`);
}
