import { Trainer } from "@node-bert/bert";
import type { Command } from "commander";
import { renderEvaluation } from "../evaluation.js";
import { interruptSignal } from "../interrupt.js";
import { loadModel, type ModelChoice, warnOfUntrainedHead } from "../load-model.js";
import { addDatasetOptions, addDeviceOptions, addModelOption, addOutputOptions, addTextOptions } from "../options.js";
import { print, printJson } from "../output.js";
import { parseCount, parseNatural } from "../parse.js";
import { describeRecorded, findRecorded } from "../recorded-evaluation.js";
import { chooseRows, type DatasetChoice, loadRows } from "../rows.js";
import { saySample } from "../sample.js";
import { showTraining } from "../training.js";

interface EvaluateOptions extends ModelChoice, DatasetChoice {
  split: string;
  rows?: number;
  shuffle?: boolean;
  stratify?: boolean;
  seed: number;
  maxLength?: number;
  truncation: "head" | "tail" | "head-tail";
  json?: boolean;
  quiet?: boolean;
}

/** `bert evaluate`: every metric of a fine-tuned model on labelled rows. */
export function addEvaluateCommand(program: Command): Command {
  const command = program
    .command("evaluate")
    .description("measure a fine-tuned model on labelled texts")
    .option("--split <split>", 'slices as in Hugging Face: "test[:1%]"', "test")
    .option("--rows <n>", "only this many of the rows", parseCount)
    .option("--shuffle", "choose those rows at random instead of the first ones")
    .option("--stratify", "choose them at random with the classes in their shares")
    .option("--seed <n>", "of that choice and of the confidence intervals", parseNatural, 42)
    .action(runEvaluate);
  addModelOption(command);
  addDatasetOptions(command);
  addTextOptions(command);
  addDeviceOptions(command, { int8: true });
  return addOutputOptions(command);
}

async function runEvaluate(options: EvaluateOptions): Promise<void> {
  const rows = chooseRows(await loadRows(options, options.split), options);
  using loaded = await loadModel(options);
  warnOfUntrainedHead(loaded);
  const { model, tokenizer } = loaded;
  const { maxLength, truncation, seed } = options;
  const args = { maxLength, truncation, seed };
  const interrupt = interruptSignal();
  try {
    using trainer = new Trainer({
      model,
      tokenizer,
      args,
      test: rows,
      callbacks: showTraining("evaluate", options.quiet),
    });
    const evaluation = await trainer.evaluate(undefined, { signal: interrupt.signal });
    const recorded = model.precision === "int8" ? await findRecorded(loaded.folder, options, evaluation) : undefined;
    if (options.json) await printJson(recorded === undefined ? evaluation : { ...evaluation, recorded });
    else await print(renderEvaluation(evaluation, model.id2label));
    if (recorded !== undefined && !options.json)
      await print(`\n${describeRecorded("int8", evaluation.accuracy, recorded)}`);
    await saySample(options);
  } finally {
    interrupt.release();
  }
}
