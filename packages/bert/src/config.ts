import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "./errors.js";

/** A BERT configuration. The names are Hugging Face's in camelCase; in files they are Hugging Face's. */
export interface BertConfig {
  vocabSize: number; // V
  hiddenSize: number; // H
  numHiddenLayers: number; // L
  numAttentionHeads: number; // A
  intermediateSize: number; // F
  hiddenAct: "gelu" | "relu";
  hiddenDropoutProb: number;
  attentionProbsDropoutProb: number;
  /** Of the pooled output before the classifier; undefined: `hiddenDropoutProb`. */
  classifierDropout: number | undefined;
  maxPositionEmbeddings: number; // P
  typeVocabSize: number; // T
  initializerRange: number;
  layerNormEps: number;
  padTokenId: number;
  /** Index is the class; undefined where the file names none. */
  id2label: readonly string[] | undefined;
  /** Fields of the file that BERT's mathematics does not depend on; they are written back as they came. */
  otherFields: Readonly<Record<string, unknown>>;
}

type Json = Record<string, unknown>;

/** Fields of other architectures or variants: the values under which the model is the plain BERT that we compute. */
const REQUIRED_VALUES: Readonly<Record<string, { supported: readonly unknown[]; what: string }>> = {
  model_type: { supported: ["bert"], what: "bert" },
  position_embedding_type: { supported: ["absolute"], what: "absolute" },
  is_decoder: { supported: [false], what: "false (encoders only)" },
  add_cross_attention: { supported: [false], what: "false (encoders only)" },
  is_encoder_decoder: { supported: [false], what: "false (encoders only)" },
  chunk_size_feed_forward: { supported: [0], what: "0 (no chunking)" },
  tie_word_embeddings: { supported: [true], what: "true" },
};

const DEFAULTS: Readonly<Json> = {
  vocab_size: 30522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  hidden_act: "gelu",
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
  max_position_embeddings: 512,
  type_vocab_size: 2,
  initializer_range: 0.02,
  layer_norm_eps: 1e-12,
  pad_token_id: 0,
};

const OWN_FIELDS = new Set([...Object.keys(DEFAULTS), "classifier_dropout", "id2label", "label2id", "num_labels"]);

/** Large enough for every BERT, small enough that no product of two sizes leaves the exact integers. */
const LARGEST_SIZE = 2 ** 24;

/**
 * Reads `config.json` of a model folder.
 * @throws {ConfigError} when there is none, it is not JSON, or a field is wrong or unsupported; the message names file and field
 */
export async function readConfig(folder: string): Promise<BertConfig> {
  const path = join(folder, "config.json");
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new ConfigError(
      missing
        ? `${path}: not there, expected a folder as Hugging Face's save_pretrained writes it (config.json, model.safetensors, …).`
        : `${path}: cannot be read (${(cause as Error).message}).`,
      { cause },
    );
  }
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch (cause) {
    throw new ConfigError(`${path}: not JSON (${(cause as Error).message}).`, { cause });
  }
  return parseConfig(fields, path);
}

/**
 * Checks the fields of a config.json and fills in Hugging Face's defaults.
 * @param path what the file is called in messages
 * @throws {ConfigError} naming field, value and what is supported
 * @example
 * parseConfig({ hidden_size: 384, num_hidden_layers: 6 }).intermediateSize; // 3072
 */
export function parseConfig(fields: unknown, path = "config"): BertConfig {
  if (fields === null || typeof fields !== "object" || Array.isArray(fields))
    throw new ConfigError(`${path}: ${describe(fields)}, expected an object.`);
  const json = fields as Json;
  const refuse = (field: string, expected: string): ConfigError =>
    new ConfigError(`${path}: ${field} is ${describe(json[field])}, expected ${expected}.`);
  for (const [field, { supported, what }] of Object.entries(REQUIRED_VALUES))
    if (json[field] !== undefined && json[field] !== null && !supported.includes(json[field]))
      throw refuse(field, what);
  if (json.quantization_config !== undefined && json.quantization_config !== null)
    throw refuse("quantization_config", "none: quantized weights are not supported");
  const pruned = json.pruned_heads;
  if (pruned !== undefined && pruned !== null && Object.keys(pruned as object).length > 0)
    throw refuse("pruned_heads", "none: every layer must have all its heads");

  const value = (field: string): unknown => json[field] ?? DEFAULTS[field];
  const size = (field: string, least = 1): number => {
    const given = value(field);
    if (!Number.isInteger(given) || (given as number) < least || (given as number) > LARGEST_SIZE)
      throw refuse(field, `an integer from ${least} to ${LARGEST_SIZE}`);
    return given as number;
  };
  const number = (field: string, holds: (x: number) => boolean, expected: string): number => {
    const given = value(field);
    if (typeof given !== "number" || !holds(given)) throw refuse(field, expected);
    return given;
  };
  const probability = (field: string): number => number(field, (p) => p >= 0 && p < 1, "a number from 0 to below 1");

  const config: BertConfig = {
    vocabSize: size("vocab_size"),
    hiddenSize: size("hidden_size"),
    numHiddenLayers: size("num_hidden_layers"),
    numAttentionHeads: size("num_attention_heads"),
    intermediateSize: size("intermediate_size"),
    hiddenAct: parseActivation(value("hidden_act"), () => refuse("hidden_act", "gelu (the exact one, by erf) or relu")),
    hiddenDropoutProb: probability("hidden_dropout_prob"),
    attentionProbsDropoutProb: probability("attention_probs_dropout_prob"),
    classifierDropout:
      json.classifier_dropout === undefined || json.classifier_dropout === null
        ? undefined
        : probability("classifier_dropout"),
    maxPositionEmbeddings: size("max_position_embeddings"),
    typeVocabSize: size("type_vocab_size"),
    initializerRange: number("initializer_range", (x) => x >= 0 && x <= 10, "a number from 0 to 10"),
    layerNormEps: number("layer_norm_eps", (x) => x > 0 && x < 1, "a number between 0 and 1"),
    padTokenId: size("pad_token_id", 0),
    id2label: parseLabels(json, path),
    otherFields: Object.fromEntries(Object.entries(json).filter(([field]) => !OWN_FIELDS.has(field))),
  };
  if (config.hiddenSize % config.numAttentionHeads !== 0)
    throw new ConfigError(
      `${path}: hidden_size is ${config.hiddenSize}, expected a multiple of num_attention_heads (${config.numAttentionHeads}).`,
    );
  if (config.padTokenId >= config.vocabSize) throw refuse("pad_token_id", `below vocab_size (${config.vocabSize})`);
  return config;
}

/** `gelu_python` is what old files call the exact GELU. */
function parseActivation(name: unknown, refuse: () => ConfigError): BertConfig["hiddenAct"] {
  if (name === "gelu" || name === "gelu_python") return "gelu";
  if (name === "relu") return "relu";
  throw refuse();
}

function parseLabels(json: Json, path: string): string[] | undefined {
  const given = json.id2label;
  if (given === undefined || given === null) {
    const count = json.num_labels;
    if (count === undefined || count === null) return undefined;
    if (!Number.isInteger(count) || (count as number) < 1 || (count as number) > LARGEST_SIZE)
      throw new ConfigError(`${path}: num_labels is ${describe(count)}, expected an integer of at least 1.`);
    return defaultLabels(count as number);
  }
  const entries = typeof given === "object" ? Object.entries(given as Json) : [];
  const labels: string[] = [];
  for (const [id, label] of entries) {
    if (!/^\d+$/.test(id) || Number(id) >= entries.length || typeof label !== "string")
      throw new ConfigError(
        `${path}: id2label has the entry ${describe(id)}: ${describe(label)}, expected names for 0 to ${entries.length - 1}.`,
      );
    labels[Number(id)] = label;
  }
  if (labels.length === 0)
    throw new ConfigError(`${path}: id2label is ${describe(given)}, expected an object from class numbers to names.`);
  return labels;
}

/** Hugging Face's names of classes without a name. */
export function defaultLabels(count: number): string[] {
  return Array.from({ length: count }, (_, id) => `LABEL_${id}`);
}

/** The fields of config.json, for a model of `architecture` ("BertForSequenceClassification"). */
export function configFields(config: BertConfig, architecture: string): Json {
  const labels = config.id2label;
  return {
    ...config.otherFields,
    architectures: [architecture],
    model_type: "bert",
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    intermediate_size: config.intermediateSize,
    hidden_act: config.hiddenAct,
    hidden_dropout_prob: config.hiddenDropoutProb,
    attention_probs_dropout_prob: config.attentionProbsDropoutProb,
    classifier_dropout: config.classifierDropout ?? null,
    max_position_embeddings: config.maxPositionEmbeddings,
    type_vocab_size: config.typeVocabSize,
    initializer_range: config.initializerRange,
    layer_norm_eps: config.layerNormEps,
    pad_token_id: config.padTokenId,
    ...(labels === undefined
      ? {}
      : {
          id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
          label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
        }),
  };
}

function describe(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
