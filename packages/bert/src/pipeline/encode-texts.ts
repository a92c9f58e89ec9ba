import type { BertConfig } from "../config.js";
import { InputError } from "../errors.js";
import type { TextEncoder } from "../model/types.js";

export type Texts = readonly string[] | readonly (readonly [string, string])[];

export interface EncodeTextsOptions {
  /** Most tokens of a text, special ones included; longer texts are truncated. Default: what the model has positions for. */
  maxLength?: number;
  /** Which part of a longer text is kept; default "head". */
  truncation?: "head" | "tail" | "head-tail";
}

/** @throws {InputError} when tokenizer or length do not fit the model, or a text is no string */
export function encodeTexts(
  texts: Texts,
  tokenizer: TextEncoder,
  config: BertConfig,
  options: EncodeTextsOptions,
): ReturnType<TextEncoder["encodeBatch"]> {
  checkTokenizer(tokenizer, config);
  const { maxLength = config.maxPositionEmbeddings, truncation = "head" } = options;
  if (!Number.isInteger(maxLength) || maxLength < 3 || maxLength > config.maxPositionEmbeddings)
    throw new InputError(
      `maxLength is ${maxLength}, expected 3 to ${config.maxPositionEmbeddings}: the model has no more positions.`,
    );
  texts.forEach((text, row) => {
    const parts = Array.isArray(text) ? text : [text];
    if ((Array.isArray(text) && text.length !== 2) || parts.some((part) => typeof part !== "string"))
      throw new InputError(`Text ${row} is ${JSON.stringify(text)}, expected a string, or a pair of strings.`);
  });
  return tokenizer.encodeBatch(texts, { maxLength, truncation });
}

/** @throws {InputError} when the tokenizer has more tokens than the model embeds */
export function checkTokenizer(tokenizer: Pick<TextEncoder, "vocabSize">, config: BertConfig): void {
  if (tokenizer.vocabSize > config.vocabSize)
    throw new InputError(
      `The tokenizer has ${tokenizer.vocabSize} tokens, but the model embeds ${config.vocabSize} (vocab_size of config.json): ` +
        "they do not belong together. Load both from one folder.",
    );
}
