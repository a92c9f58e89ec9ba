import type { Evaluation } from "../metrics/evaluate.js";
import type { SequenceClassifier, TextEncoder } from "../model/types.js";
import type { Prediction } from "../pipeline/pipeline.js";
import { resolveArguments, type TrainingArguments } from "./arguments.js";
import { dispatch } from "./callbacks.js";
import { hasDefaultLabels } from "./check-labels.js";
import { refuseUnknownOptions } from "./check-options.js";
import { ClassificationObjective } from "./classification-objective.js";
import { TrainingDataError } from "./errors.js";
import { evaluateRows, predictRows, toPredictions } from "./evaluate-rows.js";
import type { TrainingCallbacks, TrainingEvent, TrainingResult } from "./events.js";
import { type PreparedRows, prepareRows, resolveMaxLength, takeNotices } from "./prepare.js";
import { type EncodedRows, encodeTexts, type LabelledRows, takeRows } from "./rows.js";
import { splitRows } from "./split-rows.js";
import { TrainingRun } from "./training-run.js";

export interface TrainerOptions {
  model: SequenceClassifier;
  /** Needed where rows are texts, and saved beside the weights. */
  tokenizer?: TextEncoder;
  /** Defaults are Hugging Face's. */
  args?: Partial<TrainingArguments>;
  train?: LabelledRows | EncodedRows;
  /** What is evaluated while training, and chosen by. Default: carved from `train` when `args.evalStrategy` asks for evaluations. */
  validation?: LabelledRows | EncodedRows;
  /** What `evaluate()` reports, once, in the end. Never looked at while training. */
  test?: LabelledRows | EncodedRows;
  callbacks?: TrainingCallbacks;
}

export interface RunOptions {
  /** Ends the training after the step that is under way. */
  signal?: AbortSignal;
  /** A checkpoint's folder to go on from. */
  resumeFrom?: string;
}

/**
 * Fine-tunes a classifier and evaluates it, as Hugging Face's `Trainer` does and with its defaults. What is trained is what the model says is
 * trainable. Rows are tokenized once and never padded.
 *
 * @example
 * const trainer = new Trainer({ model, tokenizer, args: { epochs: 1, learningRate: 2e-5, loggingSteps: 10 }, train, test });
 * await trainer.train();
 * console.log((await trainer.evaluate()).accuracy);
 */
export class Trainer implements Disposable {
  readonly model: SequenceClassifier;
  readonly args: TrainingArguments;
  readonly #options: TrainerOptions;
  readonly #callbacks: TrainingCallbacks;
  readonly #prepared = new Map<object, Promise<PreparedRows>>();
  #run: TrainingRun<Evaluation> | undefined;

  /** @throws {TrainingArgumentError} for unknown options, and unknown or impossible arguments */
  constructor(options: TrainerOptions) {
    refuseUnknownOptions(options);
    this.args = resolveArguments(options.args);
    resolveMaxLength(this.args, options.model);
    this.model = options.model;
    this.#options = options;
    this.#callbacks = options.callbacks ?? {};
  }

  /**
   * Trains, calling the callbacks as it goes.
   * @throws {TrainingDataError} {NotFiniteError} {CheckpointError}
   */
  async train(options: RunOptions = {}): Promise<TrainingResult> {
    let result: TrainingResult | undefined;
    for await (const event of this.run(options)) {
      await dispatch(event, this.#callbacks);
      if (event.type === "finished") result = event.result;
    }
    return result as TrainingResult;
  }

  /**
   * Trains, yielding what happens. Leaving the loop early ends the training after the steps under way; `train` is this with callbacks.
   *
   * @example
   * for await (const event of trainer.run()) if (event.type === "step") console.log(event.step, event.loss);
   */
  async *run(options: RunOptions = {}): AsyncGenerator<TrainingEvent, void, void> {
    const { train, validation, tokenizer } = this.#options;
    if (train === undefined) throw new TrainingDataError("The Trainer was given no training rows.");
    const prepared = await this.#prepare(train, "train");
    yield* takeNotices(prepared);
    if (prepared.rows.labelNames !== undefined && hasDefaultLabels(this.model))
      this.model.setLabels(prepared.rows.labelNames);

    let rows = prepared.rows;
    let validationRows: EncodedRows | undefined;
    if (this.args.evalStrategy !== "none" && validation === undefined) {
      const parts = splitRows(rows.labels as Int32Array, this.args.validationFraction, this.args.seed);
      validationRows = takeRows(rows, parts.validation);
      rows = takeRows(rows, parts.train);
      const message = `${parts.validation.length} of ${parts.validation.length + parts.train.length} training rows are set aside for validation, of each class alike; the test rows stay untouched until the end`;
      yield { type: "notice", level: "info", code: "VALIDATION_SPLIT", message };
    } else if (validation !== undefined) {
      const given = await this.#prepare(validation, "validation");
      yield* takeNotices(given);
      validationRows = given.rows;
    }

    this.#run?.dispose();
    const objective = new ClassificationObjective(this.model, rows, validationRows, this.args);
    this.#run = new TrainingRun(objective, tokenizer, this.args);
    if (options.resumeFrom !== undefined) await this.#run.resume(options.resumeFrom);
    yield* this.#run.events(options.signal);
  }

  /**
   * Evaluates on the test rows, else on validation rows, or on those given.
   * @throws {TrainingDataError} when there are none
   */
  async evaluate(rows?: LabelledRows | EncodedRows, options: { signal?: AbortSignal } = {}): Promise<Evaluation> {
    const data = rows ?? this.#options.test ?? this.#options.validation;
    if (data === undefined) throw new TrainingDataError("The Trainer was given no test rows to evaluate on.");
    const split = data === this.#options.validation ? "validation" : "test";
    const prepared = await this.#prepare(data, split);
    for (const notice of takeNotices(prepared)) await dispatch(notice, this.#callbacks);
    return evaluateRows(this.model, prepared.rows, this.args, options);
  }

  /** Classifies texts, pairs of texts or rows, in their order. */
  async predict(
    input: readonly string[] | readonly (readonly [string, string])[] | LabelledRows | EncodedRows,
    options: { signal?: AbortSignal } = {},
  ): Promise<Prediction[]> {
    const encoded = await this.#encodeForPrediction(input);
    return toPredictions(await predictRows(this.model, encoded, this.args, options), this.model.id2label);
  }

  /**
   * Writes everything that is needed to go on exactly: weights, optimizer state, and where the training stands.
   * @throws {TrainingDataError} before any training
   */
  async saveCheckpoint(folder: string): Promise<void> {
    if (this.#run === undefined) throw new TrainingDataError("There is nothing to save: no training was started.");
    await this.#run.saveCheckpoint(folder);
  }

  /** Frees the optimizer's state. The model stays. */
  dispose(): void {
    this.#run?.dispose();
    this.#run = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #prepare(data: LabelledRows | EncodedRows, split: string): Promise<PreparedRows> {
    let prepared = this.#prepared.get(data);
    if (prepared === undefined) {
      prepared = prepareRows(data, split, this.model, this.#options.tokenizer, this.args);
      this.#prepared.set(data, prepared);
    }
    return prepared;
  }

  async #encodeForPrediction(
    input: readonly string[] | readonly (readonly [string, string])[] | LabelledRows | EncodedRows,
  ): Promise<EncodedRows> {
    if ("inputIds" in input) return input;
    const { truncation } = this.args;
    const texts = "texts" in input ? input.texts() : input;
    if (texts.length === 0) throw new TrainingDataError("There are no texts to classify, expected at least one.");
    const options = { maxLength: resolveMaxLength(this.args, this.model), truncation, split: "given" };
    return { ...(await encodeTexts(texts, this.#options.tokenizer, options)), labels: undefined };
  }
}
