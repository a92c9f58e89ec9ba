import { crossEntropy, dropout, linear, type Tensor } from "@node-bert/core-native";
import { type BertConfig, defaultLabels } from "../config.js";
import { ConfigError, InputError } from "../errors.js";
import type { ParameterBlock } from "../parameters/layout.js";
import { BertEncoder } from "./bert-encoder.js";
import { BertPreTrainedModel, type ModelOptions } from "./bert-pre-trained-model.js";
import { packBatch } from "./packed-batch.js";
import { encoderBlocks, headBlock } from "./parameter-blocks.js";
import { ParameterScope } from "./parameter-scope.js";
import type { BertInput, ClassifierOutput, ForwardOptions, LossOutput, Pooling, SequenceClassifier } from "./types.js";

/**
 * BERT with a linear classifier on the pooled [CLS] state. Mirrors transformers' `BertForSequenceClassification` with one label per sequence.
 *
 * @example
 * const model = await BertForSequenceClassification.fromPretrained("models/bert", { numLabels: 2 });
 * const { logits } = model.forward({ inputIds: [[101, 7592, 102]] });
 * console.log(await logits.read()); // (B, C), row after row
 */
export class BertForSequenceClassification extends BertPreTrainedModel implements SequenceClassifier {
  static override readonly architecture: string = "BertForSequenceClassification";
  readonly #encoder: BertEncoder;
  readonly #scope: ParameterScope;

  constructor(config: BertConfig, options: ModelOptions) {
    const labels = config.id2label ?? defaultLabels(2);
    super({ ...config, id2label: labels }, options);
    this.#scope = new ParameterScope(this.parameters);
    this.#encoder = new BertEncoder(config, this.#scope.scope("bert"));
  }

  /** The parameters of such a model. @throws {ConfigError} for a task that is not single-label classification */
  static override blocks(config: BertConfig): ParameterBlock[] {
    const classes = config.id2label?.length ?? 2;
    const problem = config.otherFields.problem_type;
    if (problem !== undefined && problem !== null && problem !== "single_label_classification")
      throw new ConfigError(
        `problem_type is ${JSON.stringify(problem)}, expected "single_label_classification": one label per text.`,
      );
    if (classes < 2)
      throw new ConfigError(`The model has ${classes} label, expected at least 2: regression is not supported.`);
    return [
      ...encoderBlocks(config, { prefix: "bert.", pooler: true, tiedDecoder: false }),
      headBlock("classifier.weight", [classes, config.hiddenSize]),
      headBlock("classifier.bias", [classes]),
    ];
  }

  get numLabels(): number {
    return this.id2label.length;
  }

  /** Index is the class: ["neg", "pos"]. */
  get id2label(): readonly string[] {
    return this.config.id2label ?? [];
  }

  /** Names the classes, for predictions and saving. @throws {InputError} when it is another number of names */
  setLabels(id2label: readonly string[]): void {
    if (id2label.length !== this.numLabels)
      throw new InputError(
        `There are ${id2label.length} label names, expected ${this.numLabels}: the model has as many classes.`,
      );
    this.config = { ...this.config, id2label: [...id2label] };
  }

  /**
   * Enqueues a forward pass; returns at once. Dropout is on after {@link train}. While a tape records, everything from the lowest trainable
   * parameter on is recorded.
   * @throws {InputError} for ids, types or lengths that the model has no embedding for
   */
  forward(input: BertInput, options: ForwardOptions = {}): ClassifierOutput {
    const batch = packBatch(input, this.config);
    return this.device.scope(() => {
      const { cuSeqlens } = batch;
      if (!options.hiddenStates)
        return { logits: this.#classify(this.#encoder.pool(batch, this.training, "pooler")), cuSeqlens };
      const { lastHiddenState, sequences, hiddenStates } = this.#encoder.forward(batch, this.training, {
        keepHiddenStates: true,
      });
      const logits = this.#classify(this.#encoder.poolFirst(lastHiddenState, sequences));
      return { logits, cuSeqlens, hiddenStates };
    });
  }

  /** The encoder's features: one vector for each sequence, in the device's float type. @returns (B, H) */
  pool(input: BertInput, pooling: Pooling): Tensor {
    const batch = packBatch(input, this.config);
    return this.device.scope(() => this.#encoder.pool(batch, this.training, pooling));
  }

  /**
   * What each token attends to, in every layer and head, without dropout; for looking at. Training and inference never store these.
   * @returns L of (A, Σ len²): for each head, the (query, key) squares of the sequences one after another
   */
  attentions(input: BertInput): Tensor[] {
    const batch = packBatch(input, this.config);
    return this.device.scope(() => this.#encoder.attentions(batch));
  }

  /** @param pooled (B, H) @returns (B, C) */
  #classify(pooled: Tensor): Tensor {
    const { classifierDropout, hiddenDropoutProb } = this.config;
    const active = this.training && this.parameters.trainsAtOrBelow("head");
    const dropped = dropout(pooled, active ? (classifierDropout ?? hiddenDropoutProb) : 0);
    return linear(dropped, this.#scope.value("classifier.weight"), this.#scope.value("classifier.bias"));
  }

  /**
   * A forward pass and its cross-entropy.
   * @param input with the class of each sequence
   * @throws {InputError} for a label that is no class of the model
   */
  loss(input: BertInput & { labels?: Int32Array }): LossOutput {
    const { labels } = input;
    const rows = "cuSeqlens" in input ? input.cuSeqlens.length - 1 : input.inputIds.length;
    if (!(labels instanceof Int32Array) || labels.length !== rows)
      throw new InputError(
        `labels has ${labels?.length ?? "no"} entries, expected an Int32Array with ${rows}, one per sequence.`,
      );
    labels.forEach((label, row) => {
      if (!(label >= 0 && label < this.numLabels))
        throw new InputError(`Sequence ${row}: the label is ${label}, expected 0 to ${this.numLabels - 1}.`);
    });
    return this.device.scope(() => {
      const classes = this.device.tensor(labels); // uploaded first, or it would split the step
      const { logits } = this.forward(input);
      return { ...crossEntropy(logits, classes), logits };
    });
  }
}
