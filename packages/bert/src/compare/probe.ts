import { type Evaluation, evaluateLogits } from "../metrics/evaluate.js";
import type { Pooling, SequenceClassifier } from "../model/types.js";
import type { TokenBatchOptions } from "../token-batches.js";
import type { EncodedRows } from "../training/rows.js";
import { cachedFeatures } from "./feature-cache.js";
import { fitLogisticRegression, type LogisticRegression, logisticLogits } from "./logistic-regression.js";

export interface ProbeOptions extends TokenBatchOptions {
  /** Default "mean": on frozen BERT features it beats [CLS] by many points. */
  pooling?: Pooling;
  /** Inverse strength of the L2 penalty, as scikit-learn's; default 1. */
  C?: number;
  /** Scale features to mean 0 and variance 1; default false. */
  standardize?: boolean;
  /** Where features are kept between runs; default: nowhere. */
  cacheFolder?: string;
  /** Of the bootstrap intervals; default 42. */
  seed?: number;
}

export interface ProbeResult {
  classifier: LogisticRegression;
  /** Of the training rows. */
  train: Evaluation;
  /** Of the evaluation rows. */
  evaluation: Evaluation;
  /** Of features and fit. */
  seconds: number;
  /** Whether features came from the cache instead of being computed. */
  cached: boolean;
}

/**
 * A linear probe: logistic regression on the frozen encoder's features, which are computed once. What can be learnt without touching the
 * encoder, and the baseline that fine-tuning has to beat.
 * @param train with labels
 * @param test with labels
 */
export async function linearProbe(
  model: SequenceClassifier,
  train: EncodedRows,
  test: EncodedRows,
  options: ProbeOptions = {},
): Promise<ProbeResult> {
  const { pooling = "mean", C = 1, standardize = false, cacheFolder, seed, ...batching } = options;
  const started = performance.now();
  const classes = model.numLabels;
  const features = { ...batching, pooling };
  const trained = await cachedFeatures(model, train, features, cacheFolder);
  const tested = await cachedFeatures(model, test, features, cacheFolder);
  const trainLabels = train.labels as Int32Array;
  const classifier = await fitLogisticRegression(trained.features, trainLabels, model.config.hiddenSize, classes, {
    C,
    standardize,
  });
  const seconds = (performance.now() - started) / 1000;
  return {
    classifier,
    train: evaluateLogits(logisticLogits(classifier, trained.features), trainLabels, classes, { seed }),
    evaluation: evaluateLogits(logisticLogits(classifier, tested.features), test.labels as Int32Array, classes, {
      seed,
    }),
    seconds,
    cached: trained.cached && tested.cached,
  };
}
