import { type Evaluation, evaluateLogits } from "../metrics/evaluate.js";
import { spreadOf } from "../metrics/spread.js";
import type { SequenceClassifier, TextEncoder } from "../model/types.js";
import { resolveArguments, type TrainingArguments } from "../training/arguments.js";
import { TrainingArgumentError } from "../training/errors.js";
import type { TrainingEvent, TrainingResult } from "../training/events.js";
import { predictRows } from "../training/predict-rows.js";
import { prepareRows } from "../training/prepare.js";
import type { EncodedRows, LabelledRows } from "../training/rows.js";
import { Trainer } from "../training/trainer.js";
import type { Pooling } from "./features.js";
import { type ComparedMethod, METHOD_NAMES, type MethodName } from "./methods.js";
import { linearProbe } from "./probe.js";

/** What a method needs of a fresh model. */
export interface ModelRequest {
  method: MethodName;
  /** Of the head and of everything else that is initialised at random. */
  seed: number;
  /** What is to be trained: everything, the last k layers with pooler and head ("last-2"), or nothing. */
  trainable: "all" | "none" | `last-${number}`;
  /** For `partial`: which layers get random values, such as "last-2". */
  reinitialize?: string;
  /** For `partial`: how many layers are kept, from the bottom. */
  keepLayers?: number;
}

export interface CompareOptions {
  /** Loads the pretrained model anew, for each method and seed. The comparison disposes of it. */
  loadModel(request: ModelRequest): Promise<SequenceClassifier>;
  tokenizer?: TextEncoder;
  train: LabelledRows | EncodedRows;
  /** The rows that all methods are evaluated on, each once. */
  test: LabelledRows | EncodedRows;
  /** Default: all but `partial`. */
  methods?: readonly MethodName[];
  /** k of `last-k`; default 2. */
  lastLayers?: number;
  /** For `partial`; one of this and `keepLayers` is needed for it. */
  reinitialize?: string;
  keepLayers?: number;
  /** Of the training; `args.seed` is the first seed. */
  args?: Partial<TrainingArguments>;
  /** Default: `args.seed` alone. Each method is repeated with each. */
  seeds?: readonly number[];
  /** Of the probe; default "mean". */
  pooling?: Pooling;
  /** Where the probe's features are kept between runs. */
  cacheFolder?: string;
  signal?: AbortSignal;
  onMethod?(method: ComparedMethod): unknown;
  onEvent?(event: TrainingEvent, method: MethodName | undefined, seed: number): unknown;
}

interface Run {
  description: string;
  trainableParameters: number;
  seconds: number;
  peakMemoryBytes: number;
  evaluation: Evaluation;
  train?: TrainingResult;
}

/**
 * The notebook's question answered: what pretrained weights are worth on these rows, when nothing, a linear probe, some layers or all of
 * them are trained, on the same rows with the same seeds. Rows are tokenized once; each method gets a fresh model.
 * @returns the methods in the order of {@link METHOD_NAMES}; those not finished when the signal is aborted are left out
 * @throws {TrainingArgumentError} {TrainingDataError} {NotFiniteError}
 */
export async function compareMethods(options: CompareOptions): Promise<ComparedMethod[]> {
  const methods = checkMethods(options);
  const seeds = options.seeds ?? [options.args?.seed ?? resolveArguments().seed];
  if (seeds.length === 0) throw new TrainingArgumentError("seeds is empty, expected at least one seed.");
  resolveArguments(options.args);
  const heard = { ...options, onEvent: withoutRepeatedNotices(options.onEvent) };
  let rows: { train: EncodedRows; test: EncodedRows } | undefined;
  const compared: ComparedMethod[] = [];
  for (const name of methods) {
    const runs: Run[] = [];
    for (const seed of seeds) {
      if (options.signal?.aborted) return compared;
      const args = resolveArguments({ ...options.args, seed });
      const model = await options.loadModel(requestOf(name, seed, options));
      try {
        rows ??= await prepare(heard, model, args);
        const { train, test } = rows;
        const run = await measure(model, () => runMethod(name, model, { train, test }, args, heard));
        if (run === undefined) return compared;
        runs.push(run);
      } finally {
        model.dispose();
      }
      // The probe computes no random numbers: every seed would give the same.
      if (name === "probe") break;
    }
    const method = summarize(name, runs, seeds);
    compared.push(method);
    await options.onMethod?.(method);
  }
  return compared;
}

function checkMethods(options: CompareOptions): MethodName[] {
  const wanted = options.methods ?? METHOD_NAMES.filter((name) => name !== "partial");
  for (const name of wanted)
    if (!METHOD_NAMES.includes(name))
      throw new TrainingArgumentError(`There is no method "${name}", expected ${METHOD_NAMES.join(", ")}.`);
  if (wanted.includes("partial") && options.reinitialize === undefined && options.keepLayers === undefined)
    throw new TrainingArgumentError('The method "partial" needs reinitialize ("last-2") or keepLayers (6).');
  const k = options.lastLayers ?? 2;
  if (!Number.isInteger(k) || k < 1)
    throw new TrainingArgumentError(`lastLayers is ${k}, expected an integer of at least 1.`);
  return METHOD_NAMES.filter((name) => wanted.includes(name));
}

function requestOf(method: MethodName, seed: number, options: CompareOptions): ModelRequest {
  if (method === "last-k") return { method, seed, trainable: `last-${options.lastLayers ?? 2}` };
  if (method === "full") return { method, seed, trainable: "all" };
  if (method !== "partial") return { method, seed, trainable: "none" };
  const { reinitialize, keepLayers } = options;
  return { method, seed, trainable: "all", reinitialize, keepLayers };
}

async function prepare(
  options: CompareOptions,
  model: SequenceClassifier,
  args: TrainingArguments,
): Promise<{ train: EncodedRows; test: EncodedRows }> {
  const train = await prepareRows(options.train, "train", model, options.tokenizer, args);
  const test = await prepareRows(options.test, "test", model, options.tokenizer, args);
  for (const notice of [...train.notices, ...test.notices])
    await options.onEvent?.({ type: "notice", ...notice }, undefined, args.seed);
  return { train: train.rows, test: test.rows };
}

/** Every method looks at the same rows and would warn of the same things. */
function withoutRepeatedNotices(onEvent: CompareOptions["onEvent"]): CompareOptions["onEvent"] {
  const seen = new Set<string>();
  return (event, method, seed) => {
    if (event.type === "notice") {
      if (seen.has(event.message)) return;
      seen.add(event.message);
    }
    return onEvent?.(event, method, seed);
  };
}

/** Runs a method and measures the device's memory meanwhile. */
async function measure(
  model: SequenceClassifier,
  body: () => Promise<Omit<Run, "peakMemoryBytes"> | undefined>,
): Promise<Run | undefined> {
  model.device.resetPeakMemory();
  const run = await body();
  return run === undefined ? undefined : { ...run, peakMemoryBytes: model.device.memory().peakBytesInUse };
}

/** @returns undefined when the signal ended it */
async function runMethod(
  name: MethodName,
  model: SequenceClassifier,
  rows: { train: EncodedRows; test: EncodedRows },
  args: TrainingArguments,
  options: CompareOptions,
): Promise<Omit<Run, "peakMemoryBytes"> | undefined> {
  const { signal, pooling = "mean", cacheFolder } = options;
  if (name === "untrained") {
    const evaluation = await evaluate(model, rows.test, args);
    return {
      description: "pretrained encoder, random head, no training",
      trainableParameters: 0,
      seconds: 0,
      evaluation,
    };
  }
  if (name === "probe") {
    const { batchSize, seed } = { batchSize: args.evalBatchSize, seed: args.seed };
    const probe = await linearProbe(model, rows.train, rows.test, { pooling, cacheFolder, signal, batchSize, seed });
    const { coefficients, intercepts } = probe.classifier;
    const source = probe.cached ? "cached features" : "features";
    return {
      description: `logistic regression on ${pooling === "mean" ? "mean-pooled" : "[CLS]"} frozen ${source}`,
      trainableParameters: coefficients.length + intercepts.length,
      seconds: probe.seconds,
      evaluation: probe.evaluation,
    };
  }
  using trainer = new Trainer({ model, tokenizer: options.tokenizer, args, train: rows.train });
  let train: TrainingResult | undefined;
  for await (const event of trainer.run({ signal })) {
    await options.onEvent?.(event, name, args.seed);
    if (event.type === "finished") train = event.result;
  }
  if (train === undefined || train.interrupted) return undefined;
  return {
    description: describe(name, options),
    trainableParameters: model.parameters.count().trainable,
    seconds: train.seconds,
    evaluation: await evaluate(model, rows.test, args),
    train,
  };
}

async function evaluate(model: SequenceClassifier, rows: EncodedRows, args: TrainingArguments): Promise<Evaluation> {
  const logits = await predictRows(model, rows, { batchSize: args.evalBatchSize });
  return evaluateLogits(logits, rows.labels as Int32Array, model.numLabels, { seed: args.seed });
}

function describe(name: MethodName, { lastLayers = 2, reinitialize, keepLayers }: CompareOptions): string {
  if (name === "full") return "every parameter trained";
  if (name === "last-k") return `the last ${lastLayers} layers, pooler and head trained`;
  const parts = [
    ...(keepLayers === undefined ? [] : [`${keepLayers} layers kept`]),
    ...(reinitialize === undefined ? [] : [`${reinitialize} from random values`]),
  ];
  return `every parameter trained, ${parts.join(", ")}`;
}

function summarize(name: MethodName, runs: readonly Run[], seeds: readonly number[]): ComparedMethod {
  const [first] = runs;
  const spread = (of: (evaluation: Evaluation) => number) => spreadOf(runs.map((run) => of(run.evaluation)));
  return {
    name,
    description: first.description,
    trainableParameters: first.trainableParameters,
    seconds: spreadOf(runs.map((run) => run.seconds)).mean,
    peakMemoryBytes: Math.max(...runs.map((run) => run.peakMemoryBytes)),
    eval: first.evaluation,
    ...(first.train === undefined ? {} : { train: first.train }),
    ...(runs.length < 2
      ? {}
      : {
          seeds: {
            seeds: [...seeds],
            accuracy: spread((e) => e.accuracy),
            f1: spread((e) => e.f1),
            loss: spread((e) => e.loss),
          },
        }),
  };
}
