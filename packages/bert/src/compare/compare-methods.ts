import type { Evaluation } from "../metrics/evaluate.js";
import { spreadOf } from "../metrics/spread.js";
import type { Pooling, SequenceClassifier, TextEncoder } from "../model/types.js";
import { resolveArguments, type TrainingArguments } from "../training/arguments.js";
import { TrainingArgumentError } from "../training/errors.js";
import type { TrainingEvent } from "../training/events.js";
import { prepareRows, takeNotices } from "../training/prepare.js";
import type { EncodedRows, LabelledRows } from "../training/rows.js";
import { type ComparedMethod, DEFAULT_LAST_LAYERS, METHOD_NAMES, type MethodName } from "./methods.js";
import { type MethodRun, runMethod } from "./run-method.js";

/** What a method needs of a fresh model; what is trained the comparison sets itself. */
export interface ModelRequest {
  method: MethodName;
  /** Of the head and of everything else that is initialised at random. */
  seed: number;
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
    const runs: MethodRun[] = [];
    for (const seed of seeds) {
      if (options.signal?.aborted) return compared;
      const args = resolveArguments({ ...options.args, seed });
      const model = await options.loadModel(requestOf(name, seed, options));
      try {
        // Methods that come later are asked now whether they can run, not after an hour.
        if (rows === undefined) for (const each of methods) model.parameters.setTrainable(selectorOf(each, options));
        model.parameters.setTrainable(selectorOf(name, options));
        rows ??= await prepare(heard, model, args);
        const { train, test } = rows;
        const run = await runMethod(name, { model, train, test, args, options: heard });
        if (run === undefined) return compared;
        runs.push(run);
      } catch (error) {
        if (options.signal?.aborted && error === options.signal.reason) return compared;
        throw error;
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
  const k = options.lastLayers ?? DEFAULT_LAST_LAYERS;
  if (!Number.isInteger(k) || k < 1)
    throw new TrainingArgumentError(`lastLayers is ${k}, expected an integer of at least 1.`);
  return METHOD_NAMES.filter((name) => wanted.includes(name));
}

function requestOf(method: MethodName, seed: number, { reinitialize, keepLayers }: CompareOptions): ModelRequest {
  return method === "partial" ? { method, seed, reinitialize, keepLayers } : { method, seed };
}

function selectorOf(method: MethodName, { lastLayers = DEFAULT_LAST_LAYERS }: CompareOptions): string {
  if (method === "last-k") return `last-${lastLayers}`;
  return method === "full" || method === "partial" ? "all" : "none";
}

async function prepare(
  options: CompareOptions,
  model: SequenceClassifier,
  args: TrainingArguments,
): Promise<{ train: EncodedRows; test: EncodedRows }> {
  const train = await prepareRows(options.train, "train", model, options.tokenizer, args);
  const test = await prepareRows(options.test, "test", model, options.tokenizer, args);
  for (const notice of [...takeNotices(train), ...takeNotices(test)])
    await options.onEvent?.(notice, undefined, args.seed);
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

function summarize(name: MethodName, runs: readonly MethodRun[], seeds: readonly number[]): ComparedMethod {
  const [first] = runs;
  const spread = (of: (evaluation: Evaluation) => number) => spreadOf(runs.map((run) => of(run.evaluation)));
  return {
    name,
    description: first.description,
    trainableParameters: first.trainableParameters,
    seconds: spreadOf(runs.map((run) => run.seconds)).mean,
    peakMemoryBytes: Math.max(...runs.map((run) => run.peakMemoryBytes)),
    eval: first.evaluation,
    ...(first.predictions === undefined ? {} : { predictions: first.predictions }),
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
