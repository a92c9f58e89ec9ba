import type { Device } from "@node-bert/core-native";
import { type DownloadOptions, resolveModelFolder } from "@node-bert/hub";
import { type BertConfig, defaultLabels, readConfig } from "../config.js";
import { InputError } from "../errors.js";
import type { BertPreTrainedModel, ModelClass } from "../model/bert-pre-trained-model.js";
import { choosePrecision, type Precision } from "../model/precision.js";
import { sharedDevice } from "../model/shared-device.js";
import { inLastLayers } from "../parameters/select.js";
import { Checkpoint } from "../safetensors/checkpoint.js";
import { initializeParameters } from "./initialize.js";
import { reportLoading } from "./load-report.js";
import { planLoading } from "./plan-loading.js";

export interface FromConfigOptions {
  /** A device, or the name of one that models share; default "auto". */
  device?: Device | string;
  /** Default "fp32". */
  precision?: "fp32" | "bf16" | "fp16" | "int8";
  /** Of the initial values; default 42. */
  seed?: number;
}

/** Something a person should read. */
export interface LoadNotice {
  level: "info" | "warning";
  /** Stable, for programs: "WEIGHTS", "PRECISION". */
  code: string;
  message: string;
}

/** Download options are for Hub ids: `revision`, `token`, `cacheDir`, `onProgress` of the download, `signal` to end it. */
export interface FromPretrainedOptions
  extends Pick<DownloadOptions, "revision" | "token" | "cacheDir" | "onProgress" | "signal"> {
  /** Classes of a sequence classifier; default: those of config.json, else 2. */
  numLabels?: number;
  /** Their names, by class: `["neg", "pos"]` or `{ 0: "neg", 1: "pos" }`. */
  id2label?: readonly string[] | Readonly<Record<number, string>>;
  /** A device, or the name of one that models share; default "auto". */
  device?: Device | string;
  /** Default "fp32". "auto" measures which of fp32 and bf16 is faster here; "int8" is for inference on the CPU. */
  precision?: Precision;
  /** Of new parameters; default 42. */
  seed?: number;
  /** Overrides all dropout probabilities of the configuration. */
  dropout?: number;
  /** Only the first k layers; the others are left out. */
  keepLayers?: number;
  /** "last-k": random values for the last k layers and the pooler (Zhang et al. 2021), whatever the checkpoint has. */
  reinitialize?: string;
  /** Takes what is to be said; default: a line on stderr. */
  onNotice?: (notice: LoadNotice) => void;
}

/** See {@link BertPreTrainedModel.fromPretrained}. */
export async function loadPretrained<T extends BertPreTrainedModel>(
  model: ModelClass<T>,
  nameOrFolder: string,
  options: FromPretrainedOptions,
): Promise<T> {
  const notify = options.onNotice ?? printNotice;
  const { revision, token, cacheDir, onProgress, signal } = options;
  const folder = await resolveModelFolder(nameOrFolder, { revision, token, cacheDir, onProgress, signal });
  const config = overrideConfig(await readConfig(folder), options);
  const blocks = model.blocks(config);
  const again = options.reinitialize === undefined ? undefined : reinitializedNames(blocks, options.reinitialize);
  const checkpoint = await Checkpoint.open(folder);
  try {
    const plan = planLoading(blocks, checkpoint.tensors);
    const report = reportLoading({
      plan,
      blocks,
      path: checkpoint.path,
      newHead: options.numLabels !== undefined || options.id2label !== undefined,
      keptLayers: options.keepLayers,
      reinitialized: again && { selector: options.reinitialize!, names: again },
    });
    const device = typeof options.device === "object" ? options.device : sharedDevice(options.device);
    const { precision, reason } = await choosePrecision(device, options.precision ?? "fp32");
    const loaded = new model(config, { device, precision });
    try {
      loaded.loadReport = report;
      for (const [name, source] of plan.sources)
        if (!again?.has(name))
          checkpoint.tensors.get(source)!.file.readInto(source, loaded.parameters.get(name).tensor);
      initializeParameters(loaded.parameters, report.initialized, config, options.seed ?? 42);
      await device.synchronize();
    } catch (error) {
      loaded.dispose();
      throw error;
    }
    if (reason !== undefined) notify({ level: "info", code: "PRECISION", message: reason });
    notify({ level: report.level, code: "WEIGHTS", message: report.message });
    return loaded;
  } finally {
    await checkpoint.close();
  }
}

function overrideConfig(config: BertConfig, options: FromPretrainedOptions): BertConfig {
  const { numLabels, dropout, keepLayers } = options;
  const result = { ...config };
  const names = labelNames(options.id2label);
  if (numLabels !== undefined && (!Number.isInteger(numLabels) || numLabels < 1))
    throw new InputError(`numLabels is ${numLabels}, expected an integer of at least 1.`);
  if (names !== undefined && numLabels !== undefined && names.length !== numLabels)
    throw new InputError(`id2label has ${names.length} names, expected numLabels (${numLabels}).`);
  if (names !== undefined) result.id2label = names;
  else if (numLabels !== undefined && config.id2label?.length !== numLabels) result.id2label = defaultLabels(numLabels);
  if (result.id2label !== config.id2label) {
    // It told how the old labels were trained.
    const { problem_type: _, ...otherFields } = config.otherFields;
    result.otherFields = otherFields;
  }
  if (dropout !== undefined) {
    if (!(dropout >= 0 && dropout < 1)) throw new InputError(`dropout is ${dropout}, expected 0 to below 1.`);
    result.hiddenDropoutProb = dropout;
    result.attentionProbsDropoutProb = dropout;
    result.classifierDropout = config.classifierDropout === undefined ? undefined : dropout;
  }
  if (keepLayers !== undefined) {
    if (!Number.isInteger(keepLayers) || keepLayers < 1 || keepLayers > config.numHiddenLayers)
      throw new InputError(
        `keepLayers is ${keepLayers}, expected 1 to ${config.numHiddenLayers}: the model has as many layers.`,
      );
    result.numHiddenLayers = keepLayers;
  }
  return result;
}

function labelNames(given: FromPretrainedOptions["id2label"]): string[] | undefined {
  if (given === undefined) return undefined;
  const names = Array.isArray(given)
    ? (given as string[])
    : Array.from({ length: Object.keys(given).length }, (_, id) => (given as Record<number, string>)[id]);
  const odd = names.findIndex((name) => typeof name !== "string");
  if (odd >= 0 || names.length === 0)
    throw new InputError(`id2label has no name for class ${Math.max(odd, 0)}, expected one for each from 0 on.`);
  return [...names];
}

function reinitializedNames(blocks: ReturnType<ModelClass<unknown>["blocks"]>, selector: string): Set<string> {
  const last = /^last-(\d+)$/.exec(selector);
  if (last === null) throw new InputError(`reinitialize is "${selector}", expected "last-<k>", such as "last-2".`);
  const chosen = blocks.filter(inLastLayers(blocks, Number(last[1])));
  return new Set(chosen.filter(({ part }) => part !== "head").flatMap(({ names }) => names));
}

function printNotice({ level, message }: LoadNotice): void {
  process.stderr.write(`${level === "warning" ? "Warning: " : ""}${message}\n`);
}
