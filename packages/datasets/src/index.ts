export {
  type CacheableTokenizer,
  type TextRows,
  type TokenizeCachedOptions,
  TokenizedRows,
  tokenizeCached,
} from "./cache/tokenized-rows.js";
export {
  type BatchOrder,
  type BatchPosition,
  BatchSampler,
  type BatchSamplerOptions,
  type PlannedBatch,
} from "./collate/batch-sampler.js";
export { packedPositions, packRows } from "./collate/pack.js";
export type { ColumnReport } from "./data/columns.js";
export { Dataset, type DatasetOptions, type DatasetSource, DEFAULT_SEED } from "./data/dataset.js";
export { NO_LABEL } from "./data/labels.js";
export type { MapOptions } from "./data/map.js";
export { parseSplit, resolveSplit, type SplitRange, type SplitTerm } from "./data/split-slices.js";
export { StreamingDataset } from "./data/streaming.js";
export type { Row } from "./data/table.js";
export { DatasetError, type DatasetErrorCode, TokenizerError, type TokenizerErrorCode } from "./errors.js";
export * from "./hub/index.js";
export { type DatasetDict, loadDataset } from "./loaders/load-dataset.js";
export type { LoadOptions } from "./loaders/source.js";
export type { PackedEncoding } from "./packed-encoding.js";
export { type BalanceWarning, type ClassBalance, type ClassShare, classBalance } from "./reports/class-balance.js";
export { type DatasetReport, type ReportOptions, reportDataset, type SplitReport } from "./reports/dataset-report.js";
export {
  type LengthSummary,
  type PaddingReport,
  paddingReport,
  summarizeLengths,
  type TruncationReport,
  truncationReport,
} from "./reports/lengths.js";
export { type DuplicateReport, duplicateReport, type OverlapReport, overlapReport } from "./reports/repeats.js";
export type { AddedToken } from "./tokenizer/added-tokens.js";
export { BertTokenizer, type DecodeOptions, type VocabularyOptions } from "./tokenizer/bert-tokenizer.js";
export type { TokenizerDefinition } from "./tokenizer/definition.js";
export type { Encoding } from "./tokenizer/encoding.js";
export type { EncodeBatchOptions, EncodeOptions, PaddingOptions } from "./tokenizer/options.js";
export { type BatchEncoding, type PaddedEncoding, toPadded } from "./tokenizer/packed-encoding.js";
export { BertTokenizerPool } from "./tokenizer/tokenizer-pool.js";
export type { TruncationSide, TruncationStrategy } from "./tokenizer/truncation.js";
export { type TrainVocabularyOptions, trainVocabulary } from "./vocabulary/train-vocabulary.js";
