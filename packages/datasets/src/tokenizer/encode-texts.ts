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

/** Characters of a token: what a batch will need is guessed from it. */
const CHARACTERS_OF_TOKEN = 4;

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
  for (const text of texts) characters += typeof text === "string" ? text.length : 0;
  const builder = new PackedBuilder(options, columns);
  const expectedTokens = Math.ceil(characters / CHARACTERS_OF_TOKEN) + (specials + 2) * texts.length;
  builder.reserve(Math.max(64, expectedTokens), texts.length);
  const context: Context = {
    scanner,
    builder,
    records: returnOffsets || returnWordIds,
    options,
    plan: planTruncation(options, modelMaxLength),
  };
  for (let index = 0; index < texts.length; index++) {
    const text = texts[index]!;
    if (typeof text === "string") addText(context, single, specials, text, index);
    else addPair(context, pair, pairSpecials, text, index);
  }
  return builder;
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
