// One encoded text, as people look at it: plain arrays, one entry per token.

import { type PaddingOptions, paddedLength } from "./options.js";
import type { TemplatePiece } from "./template.js";
import type { TokenRange } from "./truncation.js";

/** A text, or a pair, after tokenization. All arrays have one entry per token. */
export interface Encoding {
  ids: number[];
  tokens: string[];
  /** 0 for the first text and its special tokens, 1 for the second. */
  typeIds: number[];
  /** 0 for padding. */
  attentionMask: number[];
  /** 1 for special tokens and padding. */
  specialTokensMask: number[];
  /** Where in its original text a token is, [start, end), in UTF-16 units as JavaScript counts; [0, 0] for special tokens. */
  offsets: [number, number][];
  /** Which word of its text a token belongs to; null for special tokens. */
  wordIds: (number | null)[];
  /** Which text a token is of, 0 or 1; null for special tokens. */
  sequenceIds: (number | null)[];
  /** The other windows over a text that was truncated. */
  overflowing: Encoding[];
}

/** The tokens of one text, without special ones. */
export interface TextTokens {
  ids: number[];
  tokens: string[];
  offsets: [number, number][];
  wordIds: number[];
}

/** Puts texts into their template. @param ranges which tokens of each text are taken. */
export function assemble(
  pieces: readonly TemplatePiece[],
  texts: readonly TextTokens[],
  ranges: readonly (readonly TokenRange[])[],
): Encoding {
  const encoding: Encoding = {
    ids: [],
    tokens: [],
    typeIds: [],
    attentionMask: [],
    specialTokensMask: [],
    offsets: [],
    wordIds: [],
    sequenceIds: [],
    overflowing: [],
  };
  for (const piece of pieces) {
    if (piece.sequence === undefined) {
      for (let k = 0; k < piece.ids.length; k++)
        pushSpecial(encoding, piece.ids[k]!, piece.tokens[k]!, piece.typeId, 1);
      continue;
    }
    const text = texts[piece.sequence]!;
    for (const { from, to } of ranges[piece.sequence]!) {
      for (let k = from; k < to; k++) {
        encoding.ids.push(text.ids[k]!);
        encoding.tokens.push(text.tokens[k]!);
        encoding.typeIds.push(piece.typeId);
        encoding.attentionMask.push(1);
        encoding.specialTokensMask.push(0);
        encoding.offsets.push([...text.offsets[k]!]);
        encoding.wordIds.push(text.wordIds[k]!);
        encoding.sequenceIds.push(piece.sequence);
      }
    }
  }
  return encoding;
}

function pushSpecial(encoding: Encoding, id: number, token: string, typeId: number, attention: number): void {
  encoding.ids.push(id);
  encoding.tokens.push(token);
  encoding.typeIds.push(typeId);
  encoding.attentionMask.push(attention);
  encoding.specialTokensMask.push(1);
  encoding.offsets.push([0, 0]);
  encoding.wordIds.push(null);
  encoding.sequenceIds.push(null);
}

/** Pads an encoding and its overflowing windows, in place. */
export function pad(
  encoding: Encoding,
  pads: { id: number; token: string },
  options: PaddingOptions,
  modelMaxLength: number,
): Encoding {
  const length = paddedLength(encoding.ids.length, options, modelMaxLength);
  const isPadding = options.padding !== undefined && options.padding !== false && options.padding !== "do_not_pad";
  if (!isPadding) return encoding;
  for (const one of [encoding, ...encoding.overflowing]) {
    const missing = length - one.ids.length;
    for (let k = 0; k < missing; k++) pushSpecial(one, pads.id, pads.token, 0, 0);
    if (options.paddingSide === "left" && missing > 0) {
      for (const array of Object.values(one)) if (array !== one.overflowing) array.unshift(...array.splice(-missing));
    }
  }
  return encoding;
}
