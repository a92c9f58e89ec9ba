import { InputError } from "../errors.js";
import { argmax, softmax } from "../metrics/softmax.js";
import type { Pooling, SequenceClassifier, TextEncoder } from "../model/types.js";
import { extractFeatures, type PoolingModel } from "../pooling.js";
import { computeRows, type TokenBatchOptions } from "../token-batches.js";
import { type EncodeTextsOptions, encodeTexts, type Texts } from "./encode-texts.js";

/** What a classifier says of a text. */
export interface Prediction {
  /** Name of the likeliest class. */
  label: string;
  /** Its probability. */
  score: number;
  /** Of each class. */
  logits: number[];
}

export type ClassifyOptions = EncodeTextsOptions & TokenBatchOptions;
export type FeatureExtractionOptions = ClassifyOptions & { pooling?: Pooling };

/** Classifies texts, or pairs of texts; one prediction for each, in their order. */
export type TextClassifier = (texts: string | Texts, options?: ClassifyOptions) => Promise<Prediction[]>;
/** One vector (H) for each text, in their order. */
export type FeatureExtractor = (texts: string | Texts, options?: FeatureExtractionOptions) => Promise<Float32Array[]>;

/**
 * A function from texts to what a model makes of them, as transformers' `pipeline`.
 * @throws {InputError} for an unknown task; the function: when tokenizer and model do not fit, or a text is no string
 * @example
 * const classify = pipeline("text-classification", { model, tokenizer });
 * const [{ label, score }] = await classify("A wonderful film.");
 */
export function pipeline(
  task: "text-classification",
  parts: { model: SequenceClassifier; tokenizer: TextEncoder },
): TextClassifier;
export function pipeline(
  task: "feature-extraction",
  parts: { model: PoolingModel; tokenizer: TextEncoder },
): FeatureExtractor;
export function pipeline(
  task: string,
  { model, tokenizer }: { model: SequenceClassifier | PoolingModel; tokenizer: TextEncoder },
): TextClassifier | FeatureExtractor {
  if (task === "text-classification") return textClassifier(model as SequenceClassifier, tokenizer);
  if (task === "feature-extraction") return featureExtractor(model, tokenizer);
  throw new InputError(`There is no task "${task}", expected "text-classification" or "feature-extraction".`);
}

function textClassifier(model: SequenceClassifier, tokenizer: TextEncoder): TextClassifier {
  return async (texts, options = {}) => {
    const encoded = encodeTexts(typeof texts === "string" ? [texts] : texts, tokenizer, model.config, options);
    const classes = model.numLabels;
    const logits = await computeRows(model, encoded, classes, (input) => model.forward(input).logits, options);
    const probabilities = softmax(logits, classes);
    return Array.from(argmax(logits, classes), (predicted, row) => ({
      label: model.id2label[predicted],
      score: probabilities[row * classes + predicted],
      logits: Array.from(logits.subarray(row * classes, (row + 1) * classes)),
    }));
  };
}

function featureExtractor(model: PoolingModel, tokenizer: TextEncoder): FeatureExtractor {
  return async (texts, options = {}) => {
    const encoded = encodeTexts(typeof texts === "string" ? [texts] : texts, tokenizer, model.config, options);
    const { hiddenSize } = model.config;
    const features = await extractFeatures(model, encoded, options);
    return Array.from({ length: features.length / hiddenSize }, (_, row) =>
      features.slice(row * hiddenSize, (row + 1) * hiddenSize),
    );
  };
}
