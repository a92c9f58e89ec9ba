// What a tokenizer is, once its files are read: plain data that can be checked, saved and sent to a worker thread.

import type { AddedToken } from "./added-tokens.js";
import type { NormalizerOptions } from "./normalizer.js";
import type { Template } from "./template.js";
import type { VocabularyArrays } from "./vocabulary.js";
import type { WordPieceOptions } from "./word-pieces.js";

/** The tokens that have a role. */
export interface SpecialTokens {
  unk: string;
  sep: string;
  pad: string;
  cls: string;
  mask: string;
}

export interface TokenizerDefinition {
  vocabulary: VocabularyArrays;
  wordPiece: WordPieceOptions;
  /** `stripAccents` undefined follows `lowercase`, as in Hugging Face's files. */
  normalizer: Omit<NormalizerOptions, "stripAccents"> & { stripAccents: boolean | undefined };
  addedTokens: AddedToken[];
  template: Template;
  decoder: { prefix: string; cleanup: boolean };
  specialTokens: SpecialTokens;
  /** Infinity where the files name none. */
  modelMaxLength: number;
  /** What `decode` does by default with the whole text, beside the decoder's clean-up of tokens. */
  cleanUpTokenizationSpaces: boolean;
}

/** The normalizer's options with none left open. */
export function normalizerOf({ normalizer }: TokenizerDefinition): NormalizerOptions {
  return { ...normalizer, stripAccents: normalizer.stripAccents ?? normalizer.lowercase };
}

export const BERT_SPECIAL_TOKENS: SpecialTokens = {
  unk: "[UNK]",
  sep: "[SEP]",
  pad: "[PAD]",
  cls: "[CLS]",
  mask: "[MASK]",
};
