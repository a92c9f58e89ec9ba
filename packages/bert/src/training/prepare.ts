import type { SequenceClassifier, TextEncoder } from "../model/types.js";
import { checkTokenizer } from "../pipeline/encode-texts.js";
import type { TrainingArguments } from "./arguments.js";
import { alignLabels, checkLabels, describeLengths, lengthReport } from "./check-labels.js";
import { TrainingArgumentError } from "./errors.js";
import type { Notice, NoticeEvent } from "./events.js";
import { type EncodedRows, encodeRows, type LabelledRows } from "./rows.js";

/** Rows ready to train or evaluate on, and what there is to say of them. */
export interface PreparedRows {
  rows: EncodedRows;
  notices: Notice[];
}

/** What there is to say of rows, the first time it is asked. */
export function takeNotices(prepared: PreparedRows): NoticeEvent[] {
  return prepared.notices.splice(0).map((notice) => ({ type: "notice", ...notice }));
}

/**
 * Tokenizes labelled rows and checks them against the model.
 * @param split what they are called in messages
 * @throws {TrainingDataError} {TrainingArgumentError}; {InputError} when tokenizer and model do not fit
 */
export async function prepareRows(
  data: LabelledRows | EncodedRows,
  split: string,
  model: SequenceClassifier,
  tokenizer: TextEncoder | undefined,
  args: TrainingArguments,
): Promise<PreparedRows> {
  const maxLength = resolveMaxLength(args, model);
  if (tokenizer !== undefined) checkTokenizer(tokenizer, model.config);
  const encoded = await encodeRows(data, tokenizer, { maxLength, truncation: args.truncation, split });
  const { rows, notices } = alignLabels(encoded, model, split);
  notices.push(...checkLabels(rows, model.numLabels, split, args.strict));
  notices.push(describeLengths(lengthReport(rows, maxLength), split));
  return { rows, notices };
}

/** Tokens of the longest sequence that the arguments and the model allow. */
export function resolveMaxLength(
  args: Pick<TrainingArguments, "maxLength">,
  model: Pick<SequenceClassifier, "config">,
): number {
  const positions = model.config.maxPositionEmbeddings;
  if (args.maxLength !== undefined && args.maxLength > positions)
    throw new TrainingArgumentError(
      `maxLength is ${args.maxLength}, expected at most ${positions}: the model has no more positions.`,
    );
  return args.maxLength ?? positions;
}
