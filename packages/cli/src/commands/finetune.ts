import { RunFolder, Trainer } from "@node-bert/bert";
import { type Command, Option } from "commander";
import { InterruptedError } from "../errors.js";
import { renderEvaluation } from "../evaluation.js";
import { interruptSignal } from "../interrupt.js";
import { loadModel, type ModelChoice } from "../load-model.js";
import {
  addDatasetOptions,
  addDeviceOptions,
  addModelOption,
  addOutputOptions,
  addPartialOptions,
  addRequiredOption,
  addTextOptions,
  addTrainingOptions,
} from "../options.js";
import { note, print, printJson } from "../output.js";
import { checkOutputFolder, makeFolder } from "../output-path.js";
import { parseCount } from "../parse.js";
import { chooseRows, classNames, type DatasetChoice, loadTrainAndEval } from "../rows.js";
import { saySample } from "../sample.js";
import { showEvent, showTraining, type TrainingChoice, trainingArguments } from "../training.js";

interface FinetuneOptions extends Omit<ModelChoice, "seed">, DatasetChoice, TrainingChoice {
  trainSplit?: string;
  evalSplit?: string;
  trainRows?: number;
  evalRows?: number;
  shuffle?: boolean;
  stratify?: boolean;
  trainable: string;
  output: string;
  evalStrategy: "none" | "epoch" | "steps";
  saveStrategy: "no" | "epoch" | "steps";
  saveSteps: number;
  resume?: string;
  json?: boolean;
  quiet?: boolean;
}

/** `bert finetune`: train a classifier on labelled texts, evaluate it once, save a folder that Hugging Face loads. */
export function addFinetuneCommand(program: Command): Command {
  const command = program
    .command("finetune")
    .description("train a classifier, evaluate it, and save a folder that Hugging Face loads")
    .option("--train-split <split>", 'default "train"; slices as in Hugging Face: "train[:1%]"')
    .option("--eval-split <split>", 'default "test", else rows set aside from training')
    .option("--train-rows <n>", "only this many of the training rows", parseCount)
    .option("--eval-rows <n>", "only this many of the evaluation rows", parseCount)
    .option("--shuffle", "choose those rows at random instead of the first ones")
    .option("--stratify", "choose them at random with the classes in their shares")
    .option("--strict", "fail, instead of warning, when a slice is more than 95 % one class")
    .option("--trainable <which>", 'all, head, last-<k>, or names separated by commas: "classifier,bert.pooler"', "all")
    .addOption(
      new Option("--eval-strategy <when>", "evaluate while training, on rows set aside from it")
        .choices(["none", "epoch", "steps"])
        .default("none"),
    )
    .addOption(
      new Option("--save-strategy <when>", "checkpoints to go on from").choices(["no", "epoch", "steps"]).default("no"),
    )
    .option("--save-steps <n>", "for --save-strategy steps", parseCount, 500)
    .option("--resume <checkpoint>", "go on from a checkpoint folder")
    .action(runFinetune);
  addRequiredOption(command, "--output <folder>", "where the model and the run's record go");
  addModelOption(command);
  addDatasetOptions(command);
  addTextOptions(command);
  addTrainingOptions(command);
  addPartialOptions(command);
  addDeviceOptions(command);
  return addOutputOptions(command);
}

async function runFinetune(options: FinetuneOptions): Promise<void> {
  const { seed, shuffle, stratify, output } = options;
  await checkOutputFolder(output, options.model);
  const splits = await loadTrainAndEval(options, { train: options.trainSplit, eval: options.evalSplit }, seed);
  const train = chooseRows(splits.train, { rows: options.trainRows, shuffle, stratify, seed });
  const evaluationRows = chooseRows(splits.eval, { rows: options.evalRows, shuffle, stratify, seed });
  const labels = classNames(train);
  using loaded = await loadModel(options, labels);
  const { model, tokenizer } = loaded;
  model.parameters.setTrainable(options.trainable);

  const args = {
    ...trainingArguments(options),
    evalStrategy: options.evalStrategy,
    saveStrategy: options.saveStrategy,
    saveSteps: options.saveSteps,
    outputDir: options.saveStrategy === "no" ? undefined : output,
  };
  const callbacks = showTraining("finetune", options.quiet);
  using trainer = new Trainer({ model, tokenizer, args, train, test: evaluationRows, callbacks });
  const { json: _json, quiet: _quiet, ...configuration } = options;
  await makeFolder(output);
  const folder = await RunFolder.create(output, {
    title: `Fine-tuning on ${train.describe()}`,
    configuration: { ...configuration, ...trainer.args },
    device: model.device.info,
    labelNames: labels,
  });
  const interrupt = interruptSignal();
  try {
    let result: Awaited<ReturnType<typeof trainer.train>> | undefined;
    for await (const event of trainer.run({ signal: interrupt.signal, resumeFrom: options.resume })) {
      showEvent(event, callbacks);
      await folder.record(event);
      if (event.type === "finished") result = event.result;
    }
    if (result === undefined) throw new Error("the training ended without a result");
    await model.savePretrained(output, { tokenizer });
    if (result.interrupted) {
      await folder.finish({ train: result });
      throw new InterruptedError(
        `interrupted after ${result.steps} steps; the model as it was then, and the log, are in ${output}`,
      );
    }
    const evaluation = await trainer.evaluate(undefined, { signal: interrupt.signal }).catch(async (error) => {
      await folder.finish({ train: result });
      if (!interrupt.signal.aborted) throw error;
      throw new InterruptedError(`interrupted while evaluating; the trained model and the log are in ${output}`);
    });
    await folder.finish({ train: result, evaluation });
    if (options.json) await printJson({ output, train: result, eval: evaluation });
    else await print(renderEvaluation(evaluation, labels));
    await saySample(options);
    if (options.json) return;
    const { steps, rows, seconds, samplesPerSecond, tokens, paddedTokens } = result;
    note(
      `\n${steps} steps over ${rows} rows in ${seconds.toFixed(1)} s (${samplesPerSecond.toFixed(1)} rows/s); ` +
        `${((100 * (paddedTokens - tokens)) / Math.max(paddedTokens, 1)).toFixed(0)} % of a padded batch would have been padding`,
    );
    note(`Model, log and report: ${output}`);
  } finally {
    interrupt.release();
  }
}
