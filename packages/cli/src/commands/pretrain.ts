import {
  BertForMaskedLM,
  choosePrecision,
  type MaskedLMEvaluation,
  openDevice,
  Pretrainer,
  parseConfig,
  RunFolder,
  textPlot,
} from "@node-bert/bert";
import { BertTokenizer, resolveModelFolder } from "@node-bert/datasets";
import { type Command, Option } from "commander";
import { InterruptedError, UsageError } from "../errors.js";
import { interruptSignal } from "../interrupt.js";
import {
  addDatasetOptions,
  addDeviceOptions,
  addOptimizerOptions,
  addOutputOptions,
  addRequiredOption,
} from "../options.js";
import { count, note, percent, print, printJson } from "../output.js";
import { checkOutputFolder, makeFolder } from "../output-path.js";
import { parseCount, parseProbability } from "../parse.js";
import { type DatasetChoice, loadRows } from "../rows.js";
import { saySample } from "../sample.js";
import { showEvent, showTraining, type TrainingChoice, trainingArguments } from "../training.js";

interface PretrainOptions extends DatasetChoice, Omit<TrainingChoice, "batchSize" | "truncation" | "strict"> {
  model?: string;
  vocabulary?: string;
  layers: number;
  hidden: number;
  heads: number;
  feedForward?: number;
  positions: number;
  start: "random" | "informed";
  split: string;
  heldOut: number;
  tokensPerBatch: number;
  maskProbability: number;
  wholeWords?: boolean;
  evalSteps?: number;
  saveSteps: number;
  keepCheckpoints: number;
  savePrecision: "fp32" | "bf16";
  resume?: string;
  output: string;
  device: string;
  threads?: number;
  precision: "fp32" | "bf16" | "auto";
  dropout?: number;
  json?: boolean;
  quiet?: boolean;
}

/** `bert pretrain`: a masked language model on one's own texts, from random values or from a checkpoint. */
export function addPretrainCommand(program: Command): Command {
  const command = program
    .command("pretrain")
    .description("train a masked language model on texts, from random values or further from a model")
    .option("--model <name>", "go on from this model folder or Hub id, with its tokenizer")
    .option("--vocabulary <folder>", "or start from random values, with this tokenizer (bert vocabulary makes one)")
    .option("--layers <n>", "of a new model", parseCount, 4)
    .option("--hidden <n>", "of a new model: width of its layers", parseCount, 256)
    .option("--heads <n>", "of a new model: attention heads", parseCount, 4)
    .option("--feed-forward <n>", "of a new model (default: 4 times the width)", parseCount)
    .option("--positions <n>", "of a new model: longest sequence it will ever take", parseCount, 512)
    .addOption(
      new Option(
        "--start <kind>",
        "of a new model: BERT's random values, or words, positions and attention that know what comes near what",
      )
        .choices(["random", "informed"])
        .default("random"),
    )
    .option("--split <split>", 'several with +: "train+unsupervised"', "train")
    .option(
      "--held-out <share>",
      "share of the texts that the model is judged on and not trained on",
      parseProbability,
      0.01,
    )
    .option(
      "--max-length <n>",
      "longer texts are cut into several sequences (default: the model's positions)",
      parseCount,
    )
    .option("--tokens-per-batch <n>", "tokens of a step, in packed sequences", parseCount, 8192)
    .option("--mask-probability <p>", "share of the tokens that are to be predicted", parseProbability, 0.15)
    .option("--whole-words", "mask all pieces of a word, or none")
    .option("--eval-steps <n>", "judge every so many steps, and at the end (default: at the end)", parseCount)
    .option("--save-steps <n>", "write a checkpoint every so many steps", parseCount, 500)
    .option("--keep-checkpoints <n>", "how many, the newest", parseCount, 2)
    .option("--resume <checkpoint>", "go on from a checkpoint folder, with the same options")
    .addOption(new Option("--save-precision <type>", "of the saved weights").choices(["fp32", "bf16"]).default("fp32"))
    .action(runPretrain);
  addRequiredOption(command, "--output <folder>", "where the model, its checkpoints and the run's record go");
  addDatasetOptions(command);
  addOptimizerOptions(command, { epochs: 1, learningRate: 5e-4, weightDecay: 0.01, warmupRatio: 0.06, logEvery: 100 });
  addDeviceOptions(command);
  return addOutputOptions(command);
}

async function runPretrain(options: PretrainOptions): Promise<void> {
  const { output, json, quiet, savePrecision } = options;
  if ((options.model === undefined) === (options.vocabulary === undefined))
    throw new UsageError(
      "expected either --model, to go on from a model, or --vocabulary, to start a new one with that tokenizer",
    );
  await checkOutputFolder(output, options.model ?? (options.vocabulary as string));
  const rows = await loadRows(options, options.split);
  using device = openDevice(options.device, { threads: options.threads });
  const { model, tokenizer } = await openModel(options, device);
  using pretrainer = new Pretrainer({ model, tokenizer, texts: rows.texts().flat(), args: argumentsOf(options) });
  const { json: _json, quiet: _quiet, ...configuration } = options;
  await makeFolder(output);
  const folder = await RunFolder.create(output, {
    title: `Pretraining on ${rows.describe()}`,
    configuration: { ...configuration, ...pretrainer.args },
    device: device.info,
  });
  if (options.start === "informed" && options.model === undefined && options.resume === undefined) {
    note("start from which words come near each other …");
    await pretrainer.startInformed();
  }
  const interrupt = interruptSignal();
  const display = showTraining("pretrain", quiet);
  try {
    const losses: { x: number; y: number }[] = [];
    let result: Awaited<ReturnType<typeof pretrainer.train>> | undefined;
    for await (const event of pretrainer.run({ signal: interrupt.signal, resumeFrom: options.resume })) {
      await folder.record(event);
      showEvent(event, display);
      if (event.type === "step") losses.push({ x: event.step, y: event.loss });
      if (event.type === "finished") result = event.result;
    }
    if (result === undefined) throw new Error("the training ended without a result");
    await model.savePretrained(output, { tokenizer, precision: savePrecision });
    if (result.interrupted) {
      await folder.finish({ train: result });
      throw new InterruptedError(
        `interrupted after ${result.steps} steps; the model as it was then is in ${output}; --resume ${output}/checkpoint-${result.steps} goes on`,
      );
    }
    const { log } = result;
    // A resumed run knows the steps before by their log.
    const before = log.filter(({ step }) => step < (losses[0]?.x ?? 0)).map(({ step, loss }) => ({ x: step, y: loss }));
    const heldOut = await pretrainer.evaluate();
    await folder.finish({ train: result, heldOut });
    if (json) await printJson({ output, train: result, heldOut });
    else
      await print(
        `${textPlot("Loss at masked tokens, by step", [...before, ...losses])}\n\n${describeHeldOut(heldOut)}`,
      );
    await saySample(options);
    if (json) return;
    note(
      `\n${count(result.steps)} steps, ${count(result.tokens)} tokens in ${result.seconds.toFixed(0)} s (${count(Math.round(result.tokensPerSecond))} tokens/s)`,
    );
    note(`Model, log and report: ${output}`);
  } finally {
    interrupt.release();
    model.dispose();
  }
}

function argumentsOf(options: PretrainOptions) {
  const {
    batchSize: _,
    truncation: __,
    strict: ___,
    ...shared
  } = trainingArguments({
    ...options,
    batchSize: 1,
    truncation: "head",
  });
  return {
    ...shared,
    tokensPerBatch: options.tokensPerBatch,
    maskProbability: options.maskProbability,
    wholeWords: options.wholeWords ?? false,
    validationFraction: options.heldOut,
    evalStrategy: options.evalSteps === undefined ? "none" : "steps",
    evalSteps: options.evalSteps,
    saveStrategy: "steps",
    saveSteps: options.saveSteps,
    saveTotalLimit: options.keepCheckpoints,
    outputDir: options.output,
  } as const;
}

async function openModel(
  options: PretrainOptions,
  device: ReturnType<typeof openDevice>,
): Promise<{ model: BertForMaskedLM; tokenizer: BertTokenizer }> {
  const { seed, dropout, precision } = options;
  const onNotice = ({ message }: { message: string }) => note(message);
  const folder = await resolveModelFolder((options.model ?? options.vocabulary) as string);
  const tokenizer = await BertTokenizer.fromPretrained(folder);
  if (options.model !== undefined) {
    const model = await BertForMaskedLM.fromPretrained(folder, { device, precision, dropout, seed, onNotice });
    return { model, tokenizer };
  }
  const config = parseConfig({
    vocab_size: tokenizer.vocabSize,
    pad_token_id: tokenizer.padTokenId,
    hidden_size: options.hidden,
    num_hidden_layers: options.layers,
    num_attention_heads: options.heads,
    intermediate_size: options.feedForward ?? 4 * options.hidden,
    max_position_embeddings: options.positions,
    ...(dropout === undefined ? {} : { hidden_dropout_prob: dropout, attention_probs_dropout_prob: dropout }),
  });
  const chosen = await choosePrecision(device, precision);
  if (chosen.reason !== undefined) note(chosen.reason);
  const model = BertForMaskedLM.fromConfig(config, { device, precision: chosen.precision, seed });
  return { model, tokenizer: new BertTokenizer({ ...tokenizer.definition, modelMaxLength: options.positions }) };
}

function describeHeldOut({ loss, perplexity, accuracy, predictions, sequences }: MaskedLMEvaluation): string {
  return (
    `held-out texts: loss ${loss.toFixed(4)} (perplexity ${perplexity.toFixed(1)}), accuracy ${percent(accuracy)} ` +
    `at ${count(predictions)} masked tokens of ${count(sequences)} sequences`
  );
}
