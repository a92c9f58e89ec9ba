import type { Device } from "@node-bert/core-native";
import type { BertConfig } from "../config.js";
import { InputError } from "../errors.js";
import { type FromConfigOptions, type FromPretrainedOptions, loadPretrained } from "../loading/from-pretrained.js";
import { initializeParameters } from "../loading/initialize.js";
import type { LoadReport } from "../loading/load-report.js";
import type { ParameterBlock } from "../parameters/layout.js";
import { ParameterStore } from "../parameters/parameter-store.js";
import { saveModel } from "../saving/save-model.js";
import { sharedDevice } from "./shared-device.js";
import type { SaveOptions } from "./types.js";

const ACTIVATION_TYPE = { bf16: "bf16", fp16: "f16" } as const;

export interface ModelOptions {
  device: Device;
  precision: "fp32" | "bf16" | "fp16" | "int8";
}

/** The class of a model: what its static methods need of `this`. */
export interface ModelClass<T> {
  new (config: BertConfig, options: ModelOptions): T;
  /** Hugging Face's name of it. */
  readonly architecture: string;
  blocks(config: BertConfig): ParameterBlock[];
}

/** What all models share: parameters on a device, loading, saving, and the choice between training and evaluation. */
export abstract class BertPreTrainedModel implements Disposable {
  static readonly architecture: string;
  config: BertConfig;
  readonly device: Device;
  readonly parameters: ParameterStore;
  /** What came of loading; undefined for a model made from a configuration. */
  loadReport: LoadReport | undefined;
  #training = false;

  /** @internal Use fromPretrained or fromConfig: the parameters are all zero here. */
  constructor(config: BertConfig, { device, precision }: ModelOptions) {
    const { blocks } = new.target as unknown as ModelClass<unknown>;
    this.config = config;
    this.device = device;
    const int8 = precision === "int8";
    const isShort = precision === "bf16" || precision === "fp16";
    const ofInt8 = int8 && device.info.bf16 === "native" ? "bf16" : device.floatType;
    this.parameters = new ParameterStore(device, blocks(config), isShort ? ACTIVATION_TYPE[precision] : ofInt8, {
      int8,
    });
  }

  /** The parameters of a model with this configuration. */
  static blocks(_config: BertConfig): ParameterBlock[] {
    throw new TypeError("BertPreTrainedModel is abstract");
  }

  /**
   * Loads a model from a Hugging Face folder (config.json, model.safetensors, also sharded) or from the Hub. What the checkpoint lacks above the
   * encoder is initialized from the seed; one line says what was loaded.
   * @param nameOrFolder a folder, or a Hub id such as "google-bert/bert-base-uncased"
   * @throws {ConfigError} {WeightsError} naming file, field or tensor; {HubError} when it cannot be downloaded
   * @example
   * const model = await BertForSequenceClassification.fromPretrained("models/bert", { numLabels: 2, seed: 1 });
   */
  static async fromPretrained<T extends BertPreTrainedModel>(
    this: ModelClass<T>,
    nameOrFolder: string,
    options: FromPretrainedOptions = {},
  ): Promise<T> {
    // biome-ignore lint/complexity/noThisInStatic: it is the subclass that this was called on which is loaded
    return loadPretrained(this, nameOrFolder, options);
  }

  /** A model with random values, a function of the seed. */
  static fromConfig<T extends BertPreTrainedModel>(
    this: ModelClass<T>,
    config: BertConfig,
    options: FromConfigOptions = {},
  ): T {
    const device = typeof options.device === "object" ? options.device : sharedDevice(options.device);
    const model = new this(config, { device, precision: options.precision ?? "fp32" });
    initializeParameters(model.parameters, model.parameters.names(), config, options.seed ?? 42);
    return model;
  }

  /** The type of GEMM operands, and of activations unless it is int8: then they are bf16 where the processor multiplies that, else fp32. */
  get precision(): "fp32" | "bf16" | "fp16" | "int8" | "fp64" {
    if (this.parameters.int8) return "int8";
    return ({ f32: "fp32", bf16: "bf16", f16: "fp16", f64: "fp64" } as const)[this.parameters.activationType];
  }

  get training(): boolean {
    return this.#training;
  }

  /**
   * Turns dropout on, above the lowest trainable parameter, and makes the gradients of what is trainable.
   * @throws {InputError} in int8, which is for inference
   */
  train(): this {
    if (this.parameters.int8)
      throw new InputError(
        'The model\'s precision is "int8", which is for inference: load it with precision "fp32" or "bf16" to train it.',
      );
    this.#training = true;
    this.parameters.buildGradients();
    return this;
  }

  /** Turns dropout off. Models are so when they are made. */
  eval(): this {
    this.#training = false;
    return this;
  }

  /**
   * Writes a folder that Hugging Face loads: config.json, model.safetensors with its names, a model card, the tokenizer. Everything is
   * written beside first: a failure leaves what was in the folder as it was.
   * @returns the files' paths
   * @throws {SaveError} when the disk is full or the folder cannot be written
   */
  async savePretrained(folder: string, options: SaveOptions = {}): Promise<string[]> {
    return saveModel(this, (this.constructor as unknown as ModelClass<unknown>).architecture, folder, options);
  }

  /** Frees the parameters. The device stays open. */
  dispose(): void {
    this.parameters.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
