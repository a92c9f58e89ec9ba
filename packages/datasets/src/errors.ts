import { NodeBertError } from "@node-bert/hub";

export { NodeBertError };

/** The codes that loading, slicing or reading a dataset can fail with. */
export type DatasetErrorCode =
  | "DATASET_NOT_FOUND"
  | "DATASET_UNSUPPORTED"
  | "BAD_FILE"
  | "BAD_TEXT_ENCODING"
  | "BAD_SPLIT"
  | "EMPTY_SPLIT"
  | "MISSING_COLUMN"
  | "UNKNOWN_LABEL"
  | "BAD_OPTION"
  | "BAD_ARCHIVE"
  | "ROW_OUT_OF_RANGE"
  | "CACHE_IO";

/** A dataset could not be loaded, or was asked for something it does not have. */
export class DatasetError extends NodeBertError {
  declare readonly code: DatasetErrorCode;

  constructor(code: DatasetErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}

/** The codes that making or using a tokenizer can fail with. */
export type TokenizerErrorCode =
  | "TOKENIZER_NOT_FOUND"
  | "BAD_TOKENIZER_FILE"
  | "TOKENIZER_UNSUPPORTED"
  | "BAD_TOKENIZER_OPTION"
  | "TRUNCATION_IMPOSSIBLE"
  | "TOKENIZER_CLOSED";

/** A tokenizer's files are not what they should be, or it was asked for something it cannot do. */
export class TokenizerError extends NodeBertError {
  declare readonly code: TokenizerErrorCode;

  constructor(code: TokenizerErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}

/** Where a bad value was found: every part that is known is named in the message. */
export interface Place {
  /** Path of the file. */
  file?: string;
  /** Row, counted from 0, as `dataset.row(i)` counts. */
  row?: number;
  /** Line of a text file, counted from 1, as editors count. */
  line?: number;
  /** Column or key. */
  column?: string;
}

/** Renders a place: `reviews.csv, line 12, column "label"`. */
export function describePlace(place: Place): string {
  const parts: string[] = [];
  if (place.file !== undefined) parts.push(place.file);
  if (place.line !== undefined) parts.push(`line ${place.line}`);
  if (place.row !== undefined) parts.push(`row ${place.row}`);
  if (place.column !== undefined) parts.push(`column "${place.column}"`);
  return parts.join(", ");
}
