import {
  BertTokenizer,
  type Dataset,
  type DatasetReport,
  loadDataset,
  reportDataset,
  resolveModelFolder,
} from "@node-bert/datasets";
import type { Command } from "commander";
import { addDatasetOptions, addOutputOptions } from "../options.js";
import { note, percent, print, printJson, table } from "../output.js";
import { parseCount } from "../parse.js";
import type { DatasetChoice } from "../rows.js";
import { saySample } from "../sample.js";
import { collect } from "../texts.js";

interface DataOptions extends DatasetChoice {
  split?: string[];
  model?: string;
  batchSize: number;
  json?: boolean;
  quiet?: boolean;
}

/** `bert data`: what is worth knowing about a dataset before training on it. */
export function addDataCommand(program: Command): Command {
  const command = program
    .command("data")
    .description("class balance, duplicates, overlap of train and test, and what truncation and padding would cost")
    .argument("[dataset]", "the same as --dataset")
    .option("--split <split>", "one split or slice; several times for several (default: all)", collect)
    .option("--model <name>", "a model whose tokenizer counts the tokens")
    .option("--batch-size <n>", "for the share of padding", parseCount, 8)
    .action((dataset: string | undefined, options: DataOptions) =>
      runData({ ...options, dataset: dataset ?? options.dataset }),
    );
  addDatasetOptions(command);
  return addOutputOptions(command);
}

async function runData(options: DataOptions): Promise<void> {
  const { dataset = "reviews", split, config, dataDir, textColumn, labelColumn } = options;
  const wanted = split === undefined ? undefined : Object.fromEntries(split.map((name) => [name, name]));
  const choice = { config, dataDir, textColumn, labelColumn };
  const splits: Record<string, Dataset> = await (wanted === undefined
    ? loadDataset(dataset, choice)
    : loadDataset(dataset, { ...choice, split: wanted }));
  const tokenizer =
    options.model === undefined
      ? undefined
      : await BertTokenizer.fromPretrained(await resolveModelFolder(options.model));
  const report = reportDataset(splits, {
    batchSize: options.batchSize,
    countTokens: tokenizer && ((texts) => tokenizer.encodeBatch(texts).originalLengths),
  });
  if (options.json) await printJson(report);
  else await print(render(report));
  await saySample({ ...options, dataset });
  if (tokenizer === undefined && !options.json && !options.quiet)
    note("\n--model <name> adds what truncation and padding would cost");
}

function render({ splits, overlaps, warnings }: DatasetReport): string {
  const overview = splits.map(({ split, rows, balance, duplicates }) => [
    split,
    String(rows),
    balance?.classes.map(({ name, share }) => `${name} ${percent(share)}`).join(", ") ?? "no labels",
    String(duplicates.duplicates),
  ]);
  const parts = [table(["split", "rows", "classes", "repeated texts"], overview, ["left", "right", "left", "right"])];
  const lengths = splits.flatMap(({ split, truncation = [], padding = [] }) =>
    truncation.map((cut, i) => [
      split,
      String(cut.maxLength),
      percent(cut.shareCut),
      percent(cut.shareDropped),
      percent(padding[i].shareToLongest),
      percent(padding[i].shareToMaxLength),
    ]),
  );
  if (lengths.length > 0) {
    const header = ["split", "max length", "rows cut", "tokens dropped", "padding to longest", "padding to max length"];
    parts.push(table(header, lengths, ["left", "right", "right", "right", "right", "right"]));
  }
  for (const { train, test, report } of overlaps)
    if (report.shared > 0)
      parts.push(
        `${report.shared} of ${report.rows} texts of ${test} are in ${train} too (${percent(report.share, 2)})`,
      );
  if (warnings.length > 0) parts.push(warnings.map((warning) => `Warning: ${warning}`).join("\n"));
  return parts.join("\n\n");
}
