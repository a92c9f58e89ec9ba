import type { Evaluation } from "../metrics/evaluate.js";
import type { Pooling, SequenceClassifier } from "../model/types.js";
import type { TrainingArguments } from "../training/arguments.js";
import { evalTokensPerBatch, evaluateRows, predictRows, toPredictions } from "../training/evaluate-rows.js";
import type { TrainingResult } from "../training/events.js";

import { type EncodedRows, rowCount, takeRows } from "../training/rows.js";
import { Trainer } from "../training/trainer.js";
import type { CompareOptions } from "./compare-methods.js";
import { DEFAULT_LAST_LAYERS, type MethodName, type SamplePrediction } from "./methods.js";
import { linearProbe } from "./probe.js";

/** Rows whose predictions are shown, as many as the notebook prints. */
const SAMPLES = 8;

const POOLED: Readonly<Record<Pooling, string>> = {
  mean: "mean over tokens",
  cls: "[CLS]",
  pooler: "pooler's output",
};

/** What a method is run on. */
export interface MethodSubject {
  model: SequenceClassifier;
  train: EncodedRows;
  test: EncodedRows;
  args: TrainingArguments;
  options: CompareOptions;
}

/** What one run, with one seed, came to. */
export interface MethodRun {
  description: string;
  trainableParameters: number;
  seconds: number;
  /** See `ComparedMethod`. */
  peakMemoryBytes: number;
  evaluation: Evaluation;
  train?: TrainingResult;
  predictions?: SamplePrediction[];
}

/** Runs a method, measuring the device's memory meanwhile. @returns undefined when the signal ended it */
export async function runMethod(name: MethodName, subject: MethodSubject): Promise<MethodRun | undefined> {
  const { device } = subject.model;
  device.resetPeakMemory();
  const run = await runBody(name, subject);
  return run === undefined ? undefined : { ...run, peakMemoryBytes: device.memory().peakBytesInUse };
}

async function runBody(
  name: MethodName,
  subject: MethodSubject,
): Promise<Omit<MethodRun, "peakMemoryBytes"> | undefined> {
  const { model, train: rows, test, args, options } = subject;
  const { signal, pooling = "mean", cacheFolder } = options;
  if (name === "untrained") {
    const evaluation = await evaluateRows(model, test, args, { signal });
    return {
      description: "pretrained encoder, random head, no training",
      trainableParameters: 0,
      seconds: 0,
      evaluation,
      predictions: await predictFirst(model, test, args),
    };
  }
  if (name === "probe") {
    const probe = await linearProbe(model, rows, test, {
      pooling,
      cacheFolder,
      signal,
      seed: args.seed,
      tokensPerBatch: evalTokensPerBatch(model, args),
    });
    const { coefficients, intercepts } = probe.classifier;
    const source = probe.cached ? "cached features" : "features";
    return {
      description: `logistic regression on frozen ${source} (${POOLED[pooling]})`,
      trainableParameters: coefficients.length + intercepts.length,
      seconds: probe.seconds,
      evaluation: probe.evaluation,
    };
  }
  using trainer = new Trainer({ model, tokenizer: options.tokenizer, args, train: rows });
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
    evaluation: await evaluateRows(model, test, args, { signal }),
    train,
  };
}

async function predictFirst(
  model: SequenceClassifier,
  rows: EncodedRows,
  args: TrainingArguments,
): Promise<SamplePrediction[]> {
  const names = rows.labelNames ?? model.id2label;
  const first = takeRows(
    rows,
    Int32Array.from({ length: Math.min(SAMPLES, rowCount(rows)) }, (_, row) => row),
  );
  const predictions = toPredictions(await predictRows(model, first, args), names);
  return predictions.map((prediction, b) => ({ ...prediction, actual: names[first.labels?.[b] ?? -1] }));
}

function describe(
  name: MethodName,
  { lastLayers = DEFAULT_LAST_LAYERS, reinitialize, keepLayers }: CompareOptions,
): string {
  if (name === "full") return "every parameter trained";
  if (name === "last-k") return `the last ${lastLayers} layers, pooler and head trained`;
  const parts = [
    ...(keepLayers === undefined ? [] : [`${keepLayers} layers kept`]),
    ...(reinitialize === undefined ? [] : [`${reinitialize} from random values`]),
  ];
  return `every parameter trained, ${parts.join(", ")}`;
}
