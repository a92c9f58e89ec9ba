export { type BertConfig, parseConfig, readConfig } from "./config.js";
export { ConfigError, InputError, ParameterError, SaveError, WeightsError } from "./errors.js";
export type { FromConfigOptions, FromPretrainedOptions, LoadNotice } from "./loading/from-pretrained.js";
export type { LoadReport } from "./loading/load-report.js";
export { BertForMaskedLM, type MaskedLMOutput } from "./model/bert-for-masked-lm.js";
export { BertForSequenceClassification } from "./model/bert-for-sequence-classification.js";
export { BertModel, type BertModelOutput } from "./model/bert-model.js";
export { BertPreTrainedModel, type ModelClass, type ModelOptions } from "./model/bert-pre-trained-model.js";
export type { Precision } from "./model/precision.js";
export { sharedDevice } from "./model/shared-device.js";
export type {
  BertInput,
  ClassifierOutput,
  ForwardOptions,
  LossOutput,
  PackedInput,
  PaddedInput,
  Pooling,
  SaveOptions,
  SequenceClassifier,
  TextEncoder,
} from "./model/types.js";
export type { ParameterBlock } from "./parameters/layout.js";
export { type Parameter, ParameterStore } from "./parameters/parameter-store.js";
export type { TrainableRange } from "./parameters/ranges.js";
export type { ParameterSelector } from "./parameters/select.js";
export {
  type ClassifyOptions,
  type FeatureExtractionOptions,
  type FeatureExtractor,
  type Prediction,
  pipeline,
  type TextClassifier,
} from "./pipeline/pipeline.js";
export { extractFeatures, type FeatureOptions, type PoolingModel } from "./pooling.js";
export { SafetensorsFile } from "./safetensors/open-file.js";
export { type TensorSource, writeSafetensors } from "./safetensors/write-file.js";
