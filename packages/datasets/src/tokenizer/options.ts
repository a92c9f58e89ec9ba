// The options of encoding, and what they come to. They are arguments, never state of a tokenizer.

import { TokenizerError } from "../errors.js";
import { badOption } from "./bad-option.js";
import type { TruncationPlan, TruncationSide, TruncationStrategy } from "./truncation.js";

export interface TruncationOptions {
  /** Most tokens of a sequence, special ones included; default the model's. Given alone, it truncates. */
  maxLength?: number;
  /**
   * Whether and how to truncate: `true` is "longest_first"; "head", "tail" and "head-tail" are that too, and say what remains
   * of a text. Default: `true` where `maxLength` is given, else `false`.
   */
  truncation?: boolean | TruncationStrategy | TruncationSide | "do_not_truncate";
  /** What of a text remains, for the strategies; default "head". */
  truncationSide?: TruncationSide;
  /** Tokens that an overflowing window has in common with the one before it; default 0. */
  stride?: number;
}

export interface TextOptions extends TruncationOptions {
  /** Default true. */
  addSpecialTokens?: boolean;
  /** Treats special tokens in the text, such as "[MASK]", as plain text; default false. */
  splitSpecialTokens?: boolean;
}

export interface PaddingOptions {
  /** `true` and "longest": to the longest of the batch; "max_length": to `maxLength`. Default false. */
  padding?: boolean | "longest" | "max_length" | "do_not_pad";
  /** Of "max_length"; default the model's. */
  maxLength?: number;
  /** Rounds the padded length up to a multiple. */
  padToMultipleOf?: number;
  /** Default "right". */
  paddingSide?: "right" | "left";
}

/** Options of `BertTokenizer.encode`. */
export interface EncodeOptions extends TextOptions, PaddingOptions {
  /** The second text. */
  pair?: string;
}

/** Options of `BertTokenizer.encodeBatch`. */
export interface EncodeBatchOptions extends TextOptions {
  /** Fills `offsets`; default false. */
  returnOffsets?: boolean;
  /** Fills `wordIds`; default false. */
  returnWordIds?: boolean;
  /** Makes every overflowing window a sequence of its own and fills `textIndices`; default false. */
  returnOverflowing?: boolean;
}

const STRATEGIES: readonly unknown[] = ["longest_first", "only_first", "only_second"];
const SIDES: readonly unknown[] = ["head", "tail", "head-tail"];

/** What truncation the options ask for, or undefined. @throws TokenizerError BAD_TOKENIZER_OPTION */
export function planTruncation(options: TruncationOptions, modelMaxLength: number): TruncationPlan | undefined {
  const { truncation = options.maxLength !== undefined, truncationSide = "head" } = options;
  if (truncation !== true && truncation !== false && truncation !== "do_not_truncate") {
    if (!STRATEGIES.includes(truncation) && !SIDES.includes(truncation)) {
      throw badOption(
        "truncation",
        truncation,
        "true, false, longest_first, only_first, only_second, do_not_truncate, head, tail or head-tail",
      );
    }
  }
  if (!SIDES.includes(truncationSide)) throw badOption("truncationSide", truncationSide, "head, tail or head-tail");
  checkCount("stride", options.stride, 0);
  checkCount("maxLength", options.maxLength, 0);
  if (truncation === false || truncation === "do_not_truncate") return undefined;
  const maxLength = options.maxLength ?? modelMaxLength;
  if (!Number.isFinite(maxLength)) {
    throw new TokenizerError(
      "BAD_TOKENIZER_OPTION",
      "truncation without maxLength, and the tokenizer names no model_max_length. Give maxLength.",
    );
  }
  if (STRATEGIES.includes(truncation)) {
    return { maxLength, strategy: truncation as TruncationStrategy, side: truncationSide };
  }
  return {
    maxLength,
    strategy: "longest_first",
    side: truncation === true ? truncationSide : (truncation as TruncationSide),
  };
}

/** The length that sequences are padded to. @throws TokenizerError BAD_TOKENIZER_OPTION */
export function paddedLength(longest: number, options: PaddingOptions, modelMaxLength: number): number {
  const { padding = false, padToMultipleOf, maxLength = modelMaxLength } = options;
  if (![true, false, "longest", "max_length", "do_not_pad"].includes(padding)) {
    throw badOption("padding", padding, "true, false, longest, max_length or do_not_pad");
  }
  checkCount("padToMultipleOf", padToMultipleOf, 1);
  checkCount("maxLength", options.maxLength, 0);
  const side = options.paddingSide ?? "right";
  if (side !== "left" && side !== "right") throw badOption("paddingSide", side, "right or left");
  if (padding === false || padding === "do_not_pad") return longest;
  if (padding === "max_length" && !Number.isFinite(maxLength)) {
    throw new TokenizerError(
      "BAD_TOKENIZER_OPTION",
      'padding "max_length" without maxLength, and the tokenizer names no model_max_length. Give maxLength.',
    );
  }
  const length = padding === "max_length" ? maxLength : longest;
  return padToMultipleOf === undefined ? length : Math.ceil(length / padToMultipleOf) * padToMultipleOf;
}

function checkCount(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least)) return;
  throw badOption(name, value, `a whole number of at least ${least}`);
}
