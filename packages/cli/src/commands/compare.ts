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
  addOutputOptions,
  addPartialOptions,
  addTextOptions,
  addTrainingOptions,
} from "../options.js";
import { note, percent, print, printJson, table } from "../output.js";
import { checkOutputFolder, makeFolder } from "../output-path.js";
import { parseCount } from "../parse.js";
import { chooseRows, classNames, type DatasetChoice, loadTrainAndEval } from "../rows.js";
import { applyFirstTry, FIRST_TRY, saySample } from "../sample.js";
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

/** What a method's row tells, in a sentence. */
const MEANING: Readonly<Record<MethodName, string>> = {
  untrained: "It guesses: a new head knows nothing, so this is where the others start, not a baseline.",
  probe: "What pretraining alone knows of the task: the encoder is used as it is.",
  "last-k": "Cheaper than training everything: what the lower layers learnt in pretraining is kept.",
  partial: "What the pretrained layers that were left out would have been worth.",
  full: "The most accurate when there are rows enough, and the most work.",
};

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
    .option("--model <name>", "a Hugging Face model folder, a Hub id, or the model that comes along", FIRST_TRY.model)
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
    .action(runCompare)
    .addHelpText(
      "after",
      "\nWithout --model and --dataset it compares on the small model and the short reviews that come along, with settings for these, in a minute.",
    );
  command.hook("preAction", () => {
    if (command.getOptionValue("dataset") !== undefined) return;
    if (command.getOptionValueSource("model") === "default") applyFirstTry(command);
    command.setOptionValue("dataset", FIRST_TRY.dataset);
  });
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
    if (options.json) await printJson({ methods: compared });
    else await print(renderComparison(compared));
    await saySample(options);
    note(`\nLog and report: ${output}/report.html`);
    if (options.dataset === FIRST_TRY.dataset) note(whatNext());
  } finally {
    interrupt.release();
  }
}

/** The table, and a sentence a row. */
function renderComparison(compared: readonly ComparedMethod[]): string {
  const sentences = compared.map(({ name, description }) => `${name}: ${description}. ${MEANING[name]}`);
  const predictions = compared.flatMap((method) => method.predictions ?? []);
  return [
    renderMethods(compared),
    "Intervals are 95 %, by resampling the evaluation rows.",
    ...sentences,
    ...(predictions.length === 0 ? [] : [renderPredictions(predictions)]),
  ].join("\n");
}

function whatNext(): string {
  return [
    "Next:",
    "  bert compare --dataset reviews.csv                  your own texts and labels: CSV, TSV, JSONL or parquet",
    "  bert compare --dataset imdb --train-rows 2000 --eval-rows 2000 --stratify --max-length 256",
    "  bert compare --model google-bert/bert-base-uncased --dataset imdb --train-rows 400 --eval-rows 400 --stratify",
  ].join("\n");
}
