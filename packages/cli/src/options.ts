// The groups of options that several commands share. Defaults are Hugging Face Trainer's where it has one.
import { type Command, Option } from "commander";
import { UsageError } from "./errors.js";
import {
  parseCount,
  parseLength,
  parseNatural,
  parseNonNegative,
  parsePositive,
  parseProbability,
  parseShare,
} from "./parse.js";

/**
 * An option that the command cannot do without. Commander's own are checked before unknown flags, so that `--modle x` would be answered with
 * "--model is missing" instead of the flag that was meant.
 */
export function addRequiredOption(command: Command, flags: string, description: string): Command {
  const option = new Option(flags, description);
  return command.addOption(option).hook("preAction", () => {
    const value = command.getOptionValue(option.attributeName());
    if (value === undefined) throw new UsageError(`${option.long} is missing: ${description}`);
    if (value === "") throw new UsageError(`${option.long} is empty, expected ${description}`);
  });
}

export function addOutputOptions(command: Command): Command {
  return command
    .option("--json", "print one JSON document on stdout and nothing else there")
    .option("--quiet", "no progress on stderr");
}

/** @param options.int8 offers precision int8, which is for inference */
export function addDeviceOptions(command: Command, options: { int8?: boolean } = {}): Command {
  return command
    .option("--device <name>", "auto, cpu, reference or cuda:<number>", "auto")
    .option("--threads <n>", "CPU threads (default: as many as the process may use)", parseCount)
    .addOption(
      new Option(
        "--precision <type>",
        `bf16 and, on CUDA, fp16 are mixed precision; auto takes what is faster on this machine, and says so${options.int8 ? "; int8 multiplies in 8 bits" : ""}`,
      )
        .choices(options.int8 ? ["fp32", "bf16", "fp16", "int8", "auto"] : ["fp32", "bf16", "fp16", "auto"])
        .default("fp32"),
    );
}

export function addModelOption(command: Command): Command {
  return addRequiredOption(command, "--model <name>", "a Hugging Face model folder or a Hub id");
}

export function addTextOptions(command: Command): Command {
  return command
    .option(
      "--max-length <n>",
      "longest sequence in tokens, [CLS] and [SEP] included (default and none: as long as the model allows)",
      parseLength,
    )
    .addOption(
      new Option("--truncation <side>", "what is kept of a longer text")
        .choices(["head", "tail", "head-tail"])
        .default("head"),
    )
    .hook("preAction", () => {
      if (command.getOptionValue("maxLength") === "none") command.setOptionValue("maxLength", undefined);
    });
}

export function addDatasetOptions(command: Command): Command {
  return command
    .option("--dataset <name>", "imdb, sst2, reviews, a Hub id, or a local file or folder")
    .option("--config <name>", "configuration of a Hub dataset")
    .option("--data-dir <folder>", "where the files of a named dataset lie, instead of the Hub")
    .option("--text-column <name>", "default: inferred, and said")
    .option("--label-column <name>", "default: inferred, and said");
}

export function addTrainingOptions(command: Command): Command {
  command.option("--batch-size <n>", "rows of a step", parseCount, 8);
  return addOptimizerOptions(command, { epochs: 3, learningRate: 5e-5, weightDecay: 0, logEvery: 50 });
}

/** What a person may set of the optimizer, whatever is trained. */
export function addOptimizerOptions(
  command: Command,
  defaults: { epochs: number; learningRate: number; weightDecay: number; warmupRatio?: number; logEvery: number },
): Command {
  return command
    .option("--epochs <n>", "passes over the training rows", parsePositive, defaults.epochs)
    .option("--max-steps <n>", "ends after this many steps, whatever the epochs", parseCount)
    .option("--learning-rate <x>", "peak of the schedule", parsePositive, defaults.learningRate)
    .option("--weight-decay <x>", "of AdamW, not on biases and LayerNorm", parseNonNegative, defaults.weightDecay)
    .option("--max-gradient-norm <x>", "gradients are clipped to this norm; 0: not", parseNonNegative, 1)
    .option("--warmup-steps <n>", "steps of linear warm-up", parseNatural)
    .option("--warmup-ratio <x>", "the same as a share of all steps", parseShare, defaults.warmupRatio)
    .addOption(
      new Option("--scheduler <name>", "of the learning rate")
        .choices(["linear", "constant", "cosine"])
        .default("linear"),
    )
    .option("--gradient-accumulation <n>", "batches of one optimizer step", parseCount, 1)
    .option("--dropout <p>", "overrides the config's dropout probabilities", parseProbability)
    .addOption(
      new Option("--order <name>", "of the training rows").choices(["sequential", "shuffled"]).default("shuffled"),
    )
    .option(
      "--log-every <n>",
      "steps between log entries, and on a GPU between signs of progress; first, last and epoch ends are always logged",
      parseCount,
      defaults.logEvery,
    )
    .option("--seed <n>", "of the head, the order and dropout", parseNatural, 42);
}

export function addPartialOptions(command: Command): Command {
  return command
    .option("--reinitialize <layers>", "start these layers from random values: last-<k>")
    .option("--keep-layers <k>", "use only the first k layers of the pretrained encoder", parseCount);
}
