import {
  type ComparedMethod,
  compareMethods,
  METHOD_NAMES,
  type MethodName,
  RunFolder,
  renderMethods,
} from "@node-bert/bert";
import { hubHome } from "@node-bert/datasets";
import { type Command, InvalidArgumentError, Option } from "commander";
import { InterruptedError, UsageError } from "../errors.js";
import { interruptSignal } from "../interrupt.js";
import { loadClassifier, loadModel, type ModelChoice } from "../load-model.js";
import {
  addDatasetOptions,
  addDeviceOptions,
  addModelOption,
  addOutputOptions,
  addPartialOptions,
  addTextOptions,
  addTrainingOptions,
} from "../options.js";
import { note, percent, print, printJson, table } from "../output.js";
import { checkOutputFolder, makeFolder } from "../output-path.js";
import { parseCount } from "../parse.js";
import { chooseRows, classNames, type DatasetChoice, loadTrainAndEval } from "../rows.js";
import { showEvent, showTraining, type TrainingChoice, trainingArguments } from "../training.js";

interface CompareCommandOptions extends Omit<ModelChoice, "seed">, DatasetChoice, TrainingChoice {
  trainSplit?: string;
  evalSplit?: string;
  trainRows?: number;
  evalRows?: number;
  shuffle?: boolean;
  stratify?: boolean;
  methods?: MethodName[];
  lastLayers: number;
  seeds: number;
  pooling: "mean" | "cls";
  output: string;
  json?: boolean;
  quiet?: boolean;
}

function parseMethods(text: string): MethodName[] {
  const names = text.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !(METHOD_NAMES as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new InvalidArgumentError(`there is no method "${unknown}"; expected some of ${METHOD_NAMES.join(",")}`);
  return names as MethodName[];
}

/** `bert compare`: the notebook's question, answered on the same rows and seeds. */
export function addCompareCommand(program: Command): Command {
  const command = program
    .command("compare")
    .description("untrained head, linear probe, last layers and full fine-tuning, on the same rows and seeds")
    .option("--output <folder>", "where the run's record goes", "runs/compare")
    .option("--train-split <split>", 'default "train"; slices as in Hugging Face: "train[:1%]"')
    .option("--eval-split <split>", 'default "test", else rows set aside from training')
    .option("--train-rows <n>", "only this many of the training rows", parseCount)
    .option("--eval-rows <n>", "only this many of the evaluation rows", parseCount)
    .option("--shuffle", "choose those rows at random instead of the first ones")
    .option("--stratify", "choose them at random with the classes in their shares")
    .option("--strict", "fail, instead of warning, when a slice is more than 95 % one class")
    .option("--methods <names>", "untrained,probe,last-k,partial,full (default: all but partial)", parseMethods)
    .option("--last-layers <k>", "layers that last-k trains, with the pooler and the head", parseCount, 2)
    .option("--seeds <n>", "repeat each method with this many seeds: mean and deviation", parseCount, 1)
    .addOption(new Option("--pooling <how>", "features of the probe").choices(["mean", "cls"]).default("mean"))
    .action(runCompare);
  addModelOption(command);
  addDatasetOptions(command);
  addTextOptions(command);
  addTrainingOptions(command);
  addPartialOptions(command);
  addDeviceOptions(command);
  return addOutputOptions(command);
}

/** Partial initialisation is run when it is asked for, by name or by one of its options. */
function chooseMethods({ methods, reinitialize, keepLayers }: CompareCommandOptions): MethodName[] {
  const partial = reinitialize !== undefined || keepLayers !== undefined;
  if (methods === undefined) return METHOD_NAMES.filter((name) => partial || name !== "partial");
  if (methods.includes("partial") && !partial)
    throw new UsageError("the method partial needs --reinitialize last-<k> or --keep-layers <k>");
  if (partial && !methods.includes("partial"))
    throw new UsageError("--reinitialize and --keep-layers are of the method partial, which --methods leaves out");
  return methods;
}

/** What the notebook prints of its untrained model. */
function renderPredictions(predictions: NonNullable<ComparedMethod["predictions"]>): string {
  const rows = predictions.map(({ label, score, logits, actual }) => [
    actual,
    label,
    percent(score),
    logits.map((logit) => logit.toFixed(3)).join("  "),
  ]);
  const head = ["actual", "predicted", "score", "logits"];
  return `\nthe untrained head's raw predictions of the first ${rows.length} evaluation rows:\n${table(head, rows)}`;
}

async function runCompare(options: CompareCommandOptions): Promise<void> {
  const { seed, shuffle, stratify, output, lastLayers, pooling } = options;
  const methods = chooseMethods(options);
  await checkOutputFolder(output, options.model);
  const splits = await loadTrainAndEval(options, { train: options.trainSplit, eval: options.evalSplit }, seed);
  const train = chooseRows(splits.train, { rows: options.trainRows, shuffle, stratify, seed });
  const test = chooseRows(splits.eval, { rows: options.evalRows, shuffle, stratify, seed });
  const labels = classNames(train);
  using loaded = await loadModel({ ...options, reinitialize: undefined, keepLayers: undefined }, labels);
  const { folder, tokenizer } = loaded;
  const { device } = loaded.model;
  loaded.model.dispose();

  const { json: _json, quiet: _quiet, ...configuration } = options;
  await makeFolder(output);
  const record = await RunFolder.create(output, {
    title: `Comparison on ${train.describe()}`,
    configuration,
    device: device.info,
    labelNames: labels,
  });
  const interrupt = interruptSignal();
  try {
    const displays = new Map<string, ReturnType<typeof showTraining>>();
    const compared = await compareMethods({
      loadModel: ({ seed: modelSeed, reinitialize, keepLayers }) =>
        loadClassifier({ ...options, seed: modelSeed, reinitialize, keepLayers }, folder, device, labels),
      tokenizer,
      train,
      test,
      methods,
      lastLayers,
      reinitialize: options.reinitialize,
      keepLayers: options.keepLayers,
      args: trainingArguments(options),
      seeds: Array.from({ length: options.seeds }, (_, i) => seed + i),
      pooling,
      cacheFolder: `${hubHome()}/node-bert/features`,
      signal: interrupt.signal,
      onMethod: ({ name, seconds, seeds, eval: { accuracy } }) =>
        note(`${name}: accuracy ${percent(seeds?.accuracy.mean ?? accuracy)}, ${seconds.toFixed(1)} s`),
      onEvent: async (event, method) => {
        const label = method ?? "compare";
        if (!displays.has(label)) displays.set(label, showTraining(label, options.quiet));
        showEvent(event, displays.get(label)!);
        await record.record(event, method);
      },
    });
    await record.finish({ methods: compared });
    if (interrupt.signal.aborted)
      throw new InterruptedError(
        `interrupted; what was finished (${compared.map(({ name }) => name).join(", ") || "nothing"}) is in ${output}`,
      );
    if (options.json) {
      await printJson({ methods: compared });
      return;
    }
    await print(renderMethods(compared));
    for (const { name, description } of compared) await print(`${name}: ${description}`);
    for (const { predictions } of compared) if (predictions !== undefined) await print(renderPredictions(predictions));
    if (options.dataset === "reviews")
      note(
        "\nThis is the embedded sample of short reviews, not a benchmark; for the real thing: --dataset imdb --train-rows 2000 --eval-rows 2000 --stratify",
      );
    note(`\nLog and report: ${output}/report.html`);
  } finally {
    interrupt.release();
  }
}
