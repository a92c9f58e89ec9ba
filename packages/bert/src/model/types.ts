// What models take and give. The types are structural where other packages meet them: @node-bert/datasets makes PackedInput.
import type { Device, Tensor } from "@node-bert/core-native";
import type { BertConfig } from "../config.js";
import type { ParameterStore } from "../parameters/parameter-store.js";

/** Sequences side by side without padding: sequence b is tokens `cuSeqlens[b]` … `cuSeqlens[b + 1]`. What is computed on. */
export interface PackedInput {
  inputIds: Int32Array; // (N)
  /** Default: all 0. */
  tokenTypeIds?: Int32Array; // (N)
  cuSeqlens: Int32Array; // (B + 1)
}

/** Sequences padded to equal length, as Hugging Face takes them; packed before anything is computed. Rows are arrays or typed arrays. */
export interface PaddedInput {
  inputIds: readonly ArrayLike<number>[]; // (B, S)
  /** 1 for tokens, 0 for padding; default: all 1. A token's position is its column, wherever the padding is. */
  attentionMask?: readonly ArrayLike<number>[]; // (B, S)
  /** Default: all 0. */
  tokenTypeIds?: readonly ArrayLike<number>[]; // (B, S)
}

export type BertInput = PackedInput | PaddedInput;

/** What is needed of a tokenizer. `BertTokenizer` of @node-bert/datasets is one. */
export interface TextEncoder {
  encodeBatch(
    texts: readonly string[] | readonly (readonly [string, string])[],
    options?: { maxLength?: number; truncation?: boolean | "head" | "tail" | "head-tail" },
  ): Required<PackedInput> & { originalLengths: Int32Array };
  save(folder: string): Promise<string[]>;
  readonly vocabSize: number;
}

/** How a sequence becomes one vector: the mean over its tokens, the state of [CLS], or BERT's pooler on that. */
export type Pooling = "mean" | "cls" | "pooler";

export interface ForwardOptions {
  /** Also give the hidden states: the embeddings' output, then each layer's. Default false. */
  hiddenStates?: boolean;
}

export interface ClassifierOutput {
  logits: Tensor; // (B, C) in the device's float type
  /** Where sequences start in the hidden states. */
  cuSeqlens: Int32Array; // (B + 1)
  hiddenStates?: Tensor[]; // L + 1 of (N, H)
}

export interface LossOutput {
  loss: Tensor; // (1) mean over the rows
  losses: Tensor; // (B) of each row
  logits: Tensor; // (B, C)
}

export interface SaveOptions {
  /** Saved beside the weights, so that the folder works on its own. */
  tokenizer?: { save(folder: string): Promise<string[]> };
  /** Of the weights in the file; default "fp32". */
  precision?: "fp32" | "bf16";
  /** Text of README.md after its front matter; default: a short model card. */
  modelCard?: string;
}

/** What training and evaluation need of a model that classifies sequences. {@link BertForSequenceClassification} is one. */
export interface SequenceClassifier {
  readonly config: BertConfig;
  readonly device: Device;
  readonly parameters: ParameterStore;
  readonly numLabels: number;
  /** Index is the class: ["neg", "pos"]. */
  readonly id2label: readonly string[];
  /** Type of GEMM operands and activations. */
  readonly precision: "fp32" | "bf16" | "fp16" | "int8" | "fp64";
  readonly training: boolean;
  /** Dropout on; gradients of trainable parameters exist from here on. */
  train(): this;
  /** Dropout off. */
  eval(): this;
  /** Enqueues a forward pass; a recording tape records it from the lowest trainable parameter on. */
  forward(input: BertInput, options?: ForwardOptions): ClassifierOutput;
  /** The same with the cross-entropy against `labels`. */
  loss(input: BertInput & { labels: Int32Array }): LossOutput;
  /** The encoder's features, without the head. @returns (B, H) in the device's float type */
  pool(input: BertInput, pooling: Pooling): Tensor;
  savePretrained(folder: string, options?: SaveOptions): Promise<string[]>;
  setLabels(id2label: readonly string[]): void;
  dispose(): void;
}
