// Many texts at once, into packed arrays.

import { badOption } from "./bad-option.js";
import type { TokenizerDefinition } from "./definition.js";
import { type EncodeBatchOptions, planTruncation } from "./options.js";
import { PackedBuilder, type PackedColumns } from "./packed-encoding.js";
import { countSpecialTokens, piecesOf, type TemplatePiece } from "./template.js";
import type { TextScanner } from "./text-scanner.js";
import type { TokenArrays } from "./token-sink.js";
import { type TruncationPlan, windowsOfTexts } from "./truncation.js";

/** Texts, or pairs of texts. */
export type Texts = readonly string[] | readonly (readonly [string, string])[];

/** What is the same for all texts of a batch. */
interface Context {
  scanner: TextScanner;
  builder: PackedBuilder;
  records: boolean;
  options: EncodeBatchOptions;
  plan: TruncationPlan | undefined;
}

/** After this share of a batch's characters its tokens are foretold from those so far. */
const SAMPLE_SHARE = 1 / 32;
/** Room is made for this many times what is foretold: the rest is never touched, so it costs nothing. */
const MARGIN = 1.1;

/**
 * Encodes texts and pairs of texts.
 * @param columns are written over.
 * @throws TokenizerError BAD_TOKENIZER_OPTION, TRUNCATION_IMPOSSIBLE
 */
export function encodeTexts(
  scanner: TextScanner,
  { template, modelMaxLength }: TokenizerDefinition,
  texts: Texts,
  options: EncodeBatchOptions,
  columns?: PackedColumns,
): PackedBuilder {
  const { returnOffsets = false, returnWordIds = false, addSpecialTokens = true } = options;
  const single = piecesOf(template, false, addSpecialTokens);
  const pair = piecesOf(template, true, addSpecialTokens);
  const specials = countSpecialTokens(single);
  const pairSpecials = countSpecialTokens(pair);
  let characters = 0;
  for (const text of texts) characters += lengthOf(text);
  const builder = new PackedBuilder(options, columns);
  builder.reserve(Math.max(64, Math.ceil(SAMPLE_SHARE * characters)), texts.length);
  const context: Context = {
    scanner,
    builder,
    records: returnOffsets || returnWordIds,
    options,
    plan: planTruncation(options, modelMaxLength),
  };
  let isForetold = false;
  for (let index = 0, seen = 0; index < texts.length; index++) {
    const text = texts[index]!;
    if (!isForetold && seen > SAMPLE_SHARE * characters) {
      builder.reserve(Math.ceil((MARGIN * builder.columns.tokens * characters) / seen), 0);
      isForetold = true;
    }
    seen += lengthOf(text);
    if (typeof text === "string") addText(context, single, specials, text, index);
    else addPair(context, pair, pairSpecials, text, index);
  }
  return builder;
}

/** Characters of a text or a pair; what is no text is told later. */
function lengthOf(text: string | readonly [string, string]): number {
  return typeof text === "string" ? text.length : (text?.[0]?.length ?? 0) + (text?.[1]?.length ?? 0);
}

function addText(
  context: Context,
  pieces: readonly TemplatePiece[],
  specials: number,
  text: string,
  index: number,
): void {
  const { scanner, records, options } = context;
  scanner.scan(text, records, options.splitSpecialTokens ?? false);
  addSequences(context, pieces, specials, [scanner.sink], index);
}

function addPair(
  context: Context,
  pieces: readonly TemplatePiece[],
  specials: number,
  texts: unknown,
  index: number,
): void {
  const { scanner, records, options } = context;
  if (!Array.isArray(texts) || texts.length !== 2) throw badText(texts, `texts[${index}]`);
  const splitSpecialTokens = options.splitSpecialTokens ?? false;
  scanText(scanner, texts[0], records, splitSpecialTokens, `texts[${index}][0]`);
  const first = copyOf(scanner.sink);
  scanText(scanner, texts[1], records, splitSpecialTokens, `texts[${index}][1]`);
  addSequences(context, pieces, specials, [first, scanner.sink], index);
}

/** Adds one text's, or pair's, sequence, or all windows over it. */
function addSequences(
  { builder, options, plan }: Context,
  pieces: readonly TemplatePiece[],
  specials: number,
  texts: readonly TokenArrays[],
  index: number,
): void {
  const total = texts.reduce((sum, { count }) => sum + count, specials);
  if (plan === undefined || total <= plan.maxLength) {
    builder.add(pieces, texts, undefined, total, index);
    return;
  }
  const lengths = texts.map(({ count }) => count);
  const windows = windowsOfTexts(lengths, plan, specials, options.stride ?? 0, options.returnOverflowing ?? false);
  for (const ranges of windows) builder.add(pieces, texts, ranges, total, index);
}

/** Reads a text into the scanner's sink. @throws TokenizerError BAD_TOKENIZER_OPTION when it is none. */
export function scanText(
  scanner: TextScanner,
  text: unknown,
  records: boolean,
  splitSpecialTokens: boolean,
  name: string,
): void {
  if (typeof text !== "string") throw badText(text, name);
  scanner.scan(text, records, splitSpecialTokens);
}

function badText(text: unknown, name: string): Error {
  return badOption(name, text, "a text, or a pair of texts");
}

function copyOf({ count, ids, offsets, wordIds }: TokenArrays): TokenArrays {
  return { count, ids: ids.slice(0, count), offsets: offsets.slice(0, 2 * count), wordIds: wordIds.slice(0, count) };
}
