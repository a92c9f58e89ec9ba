// What a program on this package needs of the layer below, so that it need not depend on it itself.
export { Device, openDevice, type SelfTestReport, type SelfTestResult, selfTest } from "@node-bert/core-native";
export {
  type MeasuredSpread,
  measureThroughput,
  type Throughput,
  type ThroughputOptions,
} from "./benchmark/measure-throughput.js";
export { type CompareOptions, compareMethods, type ModelRequest } from "./compare/compare-methods.js";
export {
  fitLogisticRegression,
  type LogisticRegression,
  type LogisticRegressionOptions,
  logisticLogits,
} from "./compare/logistic-regression.js";
export { type ComparedMethod, METHOD_NAMES, type MethodName } from "./compare/methods.js";
export { linearProbe, type ProbeOptions, type ProbeResult } from "./compare/probe.js";
export { renderMethods } from "./compare/table.js";
export { type BertConfig, parseConfig, readConfig } from "./config.js";
export { ConfigError, InputError, ParameterError, SaveError, WeightsError } from "./errors.js";
export type { FromConfigOptions, FromPretrainedOptions, LoadNotice } from "./loading/from-pretrained.js";
export type { LoadReport } from "./loading/load-report.js";
export type { BootstrapOptions, Interval } from "./metrics/bootstrap.js";
export type { CalibrationBin } from "./metrics/calibration.js";
export type { ConfusionMatrix } from "./metrics/confusion.js";
export { type Evaluation, evaluateLogits } from "./metrics/evaluate.js";
export { type Spread, spreadOf } from "./metrics/spread.js";
export { BertForMaskedLM, type MaskedLMOutput } from "./model/bert-for-masked-lm.js";
export { BertForSequenceClassification } from "./model/bert-for-sequence-classification.js";
export { BertModel, type BertModelOutput } from "./model/bert-model.js";
export { BertPreTrainedModel, type ModelClass, type ModelOptions } from "./model/bert-pre-trained-model.js";
export { type PaddedSequences, padSequences } from "./model/pad-sequences.js";
export { choosePrecision, type Precision } from "./model/precision.js";
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
export { DEFAULT_PRETRAINING_ARGUMENTS, type PretrainingArguments } from "./pretraining/arguments.js";
export type { MaskedLMEvaluation } from "./pretraining/evaluate-masked-lm.js";
export { type MaskingTokenizer, Pretrainer, type PretrainerOptions } from "./pretraining/pretrainer.js";
export { describeEnvironment, type Environment } from "./report/environment.js";
export { RunFolder, type RunResults } from "./report/run-folder.js";
export { textPlot } from "./report/text-plot.js";
export { SafetensorsFile } from "./safetensors/open-file.js";
export { type TensorSource, writeSafetensors } from "./safetensors/write-file.js";
export { AdamW, type AdamWSettings } from "./training/adamw.js";
export { DEFAULT_ARGUMENTS, resolveArguments, type TrainingArguments, type Truncation } from "./training/arguments.js";
export { nearestArgument } from "./training/check-arguments.js";
export { type LengthReport, lengthReport } from "./training/check-labels.js";
export { CheckpointError, NotFiniteError, TrainingArgumentError, TrainingDataError } from "./training/errors.js";
export type {
  EpochEndEvent,
  EvaluatedEvent,
  FinishedEvent,
  LogEntry,
  LogEvent,
  Notice,
  NoticeEvent,
  SavedEvent,
  Scores,
  StartedEvent,
  StepEvent,
  TrainingCallbacks,
  TrainingEvent,
  TrainingResult,
} from "./training/events.js";
export type { EncodedRows, LabelledRows, PackedEncoding } from "./training/rows.js";
export { type SchedulerName, scheduleFactor } from "./training/schedule.js";
export { type RunOptions, Trainer, type TrainerOptions } from "./training/trainer.js";
