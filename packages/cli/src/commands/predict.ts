import { pipeline } from "@node-bert/bert";
import type { Command } from "commander";
import { loadModel, type ModelChoice, warnOfUntrainedHead } from "../load-model.js";
import { addDeviceOptions, addModelOption, addOutputOptions, addTextOptions } from "../options.js";
import { percent, print, printJson, table } from "../output.js";
import { collect, loadTexts, type TextChoice } from "../texts.js";

interface PredictOptions extends ModelChoice, TextChoice {
  maxLength?: number;
  truncation: "head" | "tail" | "head-tail";
  json?: boolean;
}

/** `bert predict`: the class of each text, in input order. */
export function addPredictCommand(program: Command): Command {
  const command = program
    .command("predict")
    .description("classify texts")
    .option("--text <text>", "a text; may be given several times", collect)
    .option("--file <file>", 'JSONL rows {"text": …}, CSV, TSV, parquet, or a text file with one text a line')
    .option("--text-column <name>", "of --file; default: inferred")
    .action(runPredict);
  addModelOption(command);
  addTextOptions(command);
  addDeviceOptions(command, { int8: true });
  return addOutputOptions(command);
}

async function runPredict(options: PredictOptions): Promise<void> {
  const texts = await loadTexts(options);
  using loaded = await loadModel(options);
  warnOfUntrainedHead(loaded);
  const { maxLength, truncation } = options;
  const predictions = await pipeline("text-classification", loaded)(texts, { maxLength, truncation });
  if (options.json) {
    await printJson({ predictions });
    return;
  }
  const shorten = (text: string) => (text.length > 80 ? `${text.slice(0, 79)}…` : text).replaceAll(/\s+/g, " ");
  const rows = predictions.map(({ label, score }, row) => [label, percent(score), shorten(texts[row])]);
  await print(table(["label", "score", "text"], rows, ["left", "right", "left"]));
}
