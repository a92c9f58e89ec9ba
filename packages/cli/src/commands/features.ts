import { rename, rm } from "node:fs/promises";
import { pipeline, writeSafetensors } from "@node-bert/bert";
import { type Command, Option } from "commander";
import { CommandError } from "../errors.js";
import { interruptSignal } from "../interrupt.js";
import { loadModel, type ModelChoice } from "../load-model.js";
import {
  addDatasetOptions,
  addDeviceOptions,
  addModelOption,
  addOutputOptions,
  addRequiredOption,
  addTextOptions,
} from "../options.js";
import { print, printJson } from "../output.js";
import { checkOutputFile } from "../output-path.js";
import { startProgress } from "../progress.js";
import { type DatasetChoice, loadRows } from "../rows.js";
import { saySample } from "../sample.js";

interface FeaturesOptions extends ModelChoice, DatasetChoice {
  split: string;
  pooling: "mean" | "cls";
  output: string;
  maxLength?: number;
  truncation: "head" | "tail" | "head-tail";
  json?: boolean;
  quiet?: boolean;
}

/** `bert features`: one vector a row from the frozen encoder, as a safetensors file. */
export function addFeaturesCommand(program: Command): Command {
  const command = program
    .command("features")
    .description(
      "write the frozen encoder's vectors to a safetensors file: features (B, H), and labels (B) where there are any",
    )
    .option("--split <split>", 'slices as in Hugging Face: "test[:1%]"', "train")
    .addOption(new Option("--pooling <how>", "mean over the tokens, or [CLS]").choices(["mean", "cls"]).default("mean"))
    .action(runFeatures);
  addRequiredOption(command, "--output <file>", "a .safetensors file");
  addModelOption(command);
  addDatasetOptions(command);
  addTextOptions(command);
  addDeviceOptions(command, { int8: true });
  return addOutputOptions(command);
}

async function runFeatures(options: FeaturesOptions): Promise<void> {
  await checkOutputFile(options.output);
  const rows = await loadRows(options, options.split);
  using loaded = await loadModel(options);
  const { maxLength, truncation, pooling, output } = options;
  const extract = pipeline("feature-extraction", loaded);
  const interrupt = interruptSignal();
  const progress = options.quiet ? undefined : startProgress("features", rows.length, "rows");
  try {
    const onProgress = (done: number) => progress?.update(done);
    const features = await extract(rows.texts(), {
      maxLength,
      truncation,
      pooling,
      signal: interrupt.signal,
      onProgress,
    });
    const width = loaded.model.config.hiddenSize;
    await saveFeatures(
      output,
      features,
      width,
      rows.labelColumn === undefined ? undefined : rows.labels({ allowMissing: true }),
      pooling,
    );
    const result = { output, rows: rows.length, width, pooling };
    if (options.json) await printJson(result);
    else await print(`${output}: features (${result.rows}, ${width}), ${pooling} pooling`);
    await saySample(options);
  } finally {
    progress?.stop();
    interrupt.release();
  }
}

/** Written beside and renamed, so that an existing file is replaced whole or not at all. */
async function saveFeatures(
  path: string,
  features: Float32Array[],
  width: number,
  labels: Int32Array | undefined,
  pooling: string,
) {
  const bytesOf = (values: Float32Array | Int32Array) =>
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (const row of features) yield bytesOf(row);
  }
  const tensors = [{ name: "features", type: "F32", shape: [features.length, width], chunks }];
  if (labels !== undefined) {
    const labelChunks = async function* (): AsyncGenerator<Uint8Array> {
      yield bytesOf(labels);
    };
    tensors.push({ name: "labels", type: "I32", shape: [labels.length], chunks: labelChunks });
  }
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeSafetensors(partial, tensors, { pooling });
    await rename(partial, path);
  } catch (error) {
    throw new CommandError(
      `${path}: could not be written (${(error as Error).message}); what was there before is untouched`,
    );
  } finally {
    await rm(partial, { force: true });
  }
}
