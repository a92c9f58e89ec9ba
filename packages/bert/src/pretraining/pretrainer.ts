import type { BertForMaskedLM } from "../model/bert-for-masked-lm.js";
import type { TextEncoder } from "../model/types.js";
import { checkTokenizer } from "../pipeline/encode-texts.js";
import { resolveArguments } from "../training/arguments.js";
import { dispatch } from "../training/callbacks.js";
import { TrainingDataError } from "../training/errors.js";
import type { TrainingCallbacks, TrainingEvent, TrainingResult } from "../training/events.js";
import { resolveMaxLength } from "../training/prepare.js";
import { randomFrom, shuffle } from "../training/random.js";
import { type EncodedRows, encodeTexts } from "../training/rows.js";
import type { RunOptions } from "../training/trainer.js";
import { TrainingRun } from "../training/training-run.js";
import { type PretrainingArguments, resolvePretrainingArguments } from "./arguments.js";
import { coOccurrenceEmbeddings } from "./co-occurrence.js";
import type { MaskedLMEvaluation } from "./evaluate-masked-lm.js";
import { alignQueriesAndKeys, wavePositions } from "./informed-start.js";
import { MaskedLMObjective } from "./masked-lm-objective.js";
import type { MaskingVocabulary } from "./masking.js";
import { cutIntoWindows } from "./windows.js";

/** What is needed of a tokenizer here. `BertTokenizer` of @node-bert/datasets is one. */
export interface MaskingTokenizer extends TextEncoder {
  idToToken(id: number): string | undefined;
  readonly unkTokenId: number;
  readonly sepTokenId: number;
  readonly padTokenId: number;
  readonly clsTokenId: number;
  readonly maskTokenId: number;
}

export interface PretrainerOptions {
  model: BertForMaskedLM;
  /** Saved beside the weights. */
  tokenizer: MaskingTokenizer;
  args?: Partial<PretrainingArguments>;
  texts: readonly string[];
  /** What the model is judged on. Default: a share `args.validationFraction` of the texts, which then are not trained on. */
  heldOut?: readonly string[];
  callbacks?: TrainingCallbacks<MaskedLMEvaluation>;
}

/**
 * Trains a masked language model on texts, from random values or from any checkpoint, with the {@link Trainer}'s loop, checkpoints and events. Texts
 * that are longer than `maxLength` are cut into several sequences; a batch is packed sequences of `tokensPerBatch` tokens; masks are drawn anew in
 * each step; only masked positions are decoded.
 *
 * @example
 * const model = BertForMaskedLM.fromConfig(parseConfig({ vocab_size: tokenizer.vocabSize, hidden_size: 128, num_hidden_layers: 2, num_attention_heads: 2 }));
 * const pretrainer = new Pretrainer({ model, tokenizer, texts, args: { epochs: 1 } });
 * await pretrainer.train();
 * console.log((await pretrainer.evaluate()).perplexity);
 */
export class Pretrainer implements Disposable {
  readonly model: BertForMaskedLM;
  readonly args: PretrainingArguments;
  readonly #options: PretrainerOptions;
  #objective: Promise<MaskedLMObjective> | undefined;
  #run: TrainingRun<MaskedLMEvaluation> | undefined;

  /** @throws {TrainingArgumentError} for unknown or impossible arguments; {InputError} when tokenizer and model do not fit */
  constructor(options: PretrainerOptions) {
    this.args = resolvePretrainingArguments(options.args);
    resolveMaxLength(this.args, options.model);
    checkTokenizer(options.tokenizer, options.model.config);
    this.model = options.model;
    this.#options = options;
  }

  /**
   * Trains, calling the callbacks as it goes.
   * @throws {TrainingDataError} {NotFiniteError} {CheckpointError}
   */
  async train(options: RunOptions = {}): Promise<TrainingResult> {
    let result: TrainingResult | undefined;
    for await (const event of this.run(options)) {
      await dispatch(event, this.#options.callbacks ?? {});
      if (event.type === "finished") result = event.result;
    }
    return result as TrainingResult;
  }

  /** Trains, yielding what happens; `train` is this with callbacks. */
  async *run(options: RunOptions = {}): AsyncGenerator<TrainingEvent<MaskedLMEvaluation>, void, void> {
    const objective = await this.#prepare();
    this.#run?.dispose();
    const { maskProbability: _, wholeWords: __, ...training } = this.args;
    this.#run = new TrainingRun(objective, this.#options.tokenizer, resolveArguments(training));
    if (options.resumeFrom !== undefined) await this.#run.resume(options.resumeFrom);
    yield* this.#run.events(options.signal);
  }

  /**
   * Gives a new model an informed start instead of a random one: word embeddings from which tokens come near each other in the training texts,
   * positions as waves, and attention that begins at near tokens. It starts with what would take it long to learn. Before training only.
   * @throws {InputError} when the vocabulary is too large
   */
  async startInformed(): Promise<void> {
    const { rows } = await this.#prepare();
    const { device, parameters, config } = this.model;
    const { seed } = this.args;
    const { isSpecial } = maskingVocabulary(this.#options.tokenizer, config.vocabSize);
    const words = await coOccurrenceEmbeddings(rows, isSpecial, config.hiddenSize, device, seed);
    const positions = wavePositions(config.maxPositionEmbeddings, config.hiddenSize, seed);
    parameters.get("bert.embeddings.word_embeddings.weight").tensor.write(words);
    parameters.get("bert.embeddings.position_embeddings.weight").tensor.write(positions);
    await alignQueriesAndKeys(parameters, config, seed);
    parameters.refreshCopies();
  }

  /** Judges the model on the texts held out. */
  async evaluate(): Promise<MaskedLMEvaluation> {
    return (await this.#prepare()).evaluate!();
  }

  /** Frees the optimizer's state. The model stays. */
  dispose(): void {
    this.#run?.dispose();
    this.#run = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #prepare(): Promise<MaskedLMObjective> {
    this.#objective ??= this.#makeObjective();
    return this.#objective;
  }

  async #makeObjective(): Promise<MaskedLMObjective> {
    const { texts, heldOut, tokenizer } = this.#options;
    const { validationFraction, seed, maskProbability, wholeWords, tokensPerBatch } = this.args;
    const parts = heldOut === undefined ? setAside(texts, validationFraction, seed) : { train: texts, heldOut };
    return new MaskedLMObjective(
      this.model,
      await this.#encode(parts.train, "train"),
      await this.#encode(parts.heldOut, "held-out"),
      {
        vocabulary: maskingVocabulary(tokenizer, this.model.config.vocabSize),
        masking: { probability: maskProbability, wholeWords },
        seed,
        evalTokensPerBatch: tokensPerBatch,
      },
    );
  }

  async #encode(texts: readonly string[], split: string): Promise<EncodedRows> {
    const { tokenizer, model } = { ...this.#options };
    const whole = { maxLength: Number.MAX_SAFE_INTEGER, truncation: "head", split } as const;
    const rows = cutIntoWindows(await encodeTexts(texts, tokenizer, whole), resolveMaxLength(this.args, model));
    if (rows.inputIds.length === 0)
      throw new TrainingDataError(`The ${split} texts have no words, expected at least one text that is not empty.`);
    return { ...rows, labels: undefined };
  }
}

/** Chooses whole texts by the seed; both parts keep their order. */
function setAside(texts: readonly string[], fraction: number, seed: number): { train: string[]; heldOut: string[] } {
  const count = Math.max(1, Math.round(texts.length * fraction));
  if (count >= texts.length)
    throw new TrainingDataError(
      `${texts.length} texts are too few to set ${100 * fraction} % aside for judging. Give held-out texts, or change validationFraction.`,
    );
  const order = shuffle(
    Array.from(texts, (_, i) => i),
    randomFrom(seed, 0x4e1d),
  );
  const chosen = new Set(order.slice(0, count));
  return { train: texts.filter((_, i) => !chosen.has(i)), heldOut: texts.filter((_, i) => chosen.has(i)) };
}

function maskingVocabulary(tokenizer: MaskingTokenizer, size: number): MaskingVocabulary {
  const isSpecial = new Uint8Array(size);
  for (const role of ["unk", "sep", "pad", "cls", "mask"] as const) isSpecial[tokenizer[`${role}TokenId`]] = 1;
  const continuesWord = Uint8Array.from({ length: size }, (_, id) =>
    tokenizer.idToToken(id)?.startsWith("##") ? 1 : 0,
  );
  return { size, maskId: tokenizer.maskTokenId, isSpecial, continuesWord };
}
