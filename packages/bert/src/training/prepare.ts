import type { SequenceClassifier, TextEncoder } from "../model/types.js";
import type { TrainingArguments } from "./arguments.js";
import { checkLabelNames, checkLabels, describeLengths, lengthReport } from "./check-labels.js";
import { TrainingArgumentError, TrainingDataError } from "./errors.js";
import type { Notice } from "./events.js";
import { type EncodedRows, encodeRows, type LabelledRows } from "./rows.js";

/** Rows ready to train or evaluate on, and what there is to say of them. */
export interface PreparedRows {
  rows: EncodedRows;
  notices: Notice[];
}

/**
 * Tokenizes labelled rows and checks them against the model.
 * @param split what they are called in messages
 * @throws {TrainingDataError} {TrainingArgumentError}
 */
export async function prepareRows(
  data: LabelledRows | EncodedRows,
  split: string,
  model: SequenceClassifier,
  tokenizer: TextEncoder | undefined,
  args: TrainingArguments,
): Promise<PreparedRows> {
  const maxLength = resolveMaxLength(args, model);
  checkVocabulary(tokenizer, model);
  const rows = await encodeRows(data, tokenizer, { maxLength, truncation: args.truncation, split });
  const notices = [...checkLabelNames(rows, model, split), ...checkLabels(rows, model.numLabels, split, args.strict)];
  notices.push(describeLengths(lengthReport(rows, maxLength), split));
  return { rows, notices };
}

/** Tokens of the longest sequence that the arguments and the model allow. */
export function resolveMaxLength(args: Pick<TrainingArguments, "maxLength">, model: SequenceClassifier): number {
  const positions = model.config.maxPositionEmbeddings;
  if (args.maxLength !== undefined && args.maxLength > positions)
    throw new TrainingArgumentError(
      `maxLength is ${args.maxLength}, expected at most ${positions}: the model has no more positions.`,
    );
  return args.maxLength ?? positions;
}

function checkVocabulary(tokenizer: TextEncoder | undefined, model: SequenceClassifier): void {
  const { vocabSize } = model.config;
  if (tokenizer !== undefined && tokenizer.vocabSize > vocabSize)
    throw new TrainingDataError(
      `The tokenizer has ${tokenizer.vocabSize} tokens but the model embeds ${vocabSize}: they do not belong together. Load both from one folder.`,
    );
}
