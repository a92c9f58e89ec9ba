// Many encoded texts, packed one after the other without padding, in typed arrays; and the padded (B, S) view of them.

import { TokenizerError } from "../errors.js";
import type { PackedEncoding } from "../packed-encoding.js";
import { type PaddingOptions, paddedLength } from "./options.js";
import type { TemplatePiece } from "./template.js";
import { copyInto, grown, type TokenArrays } from "./token-sink.js";
import type { TokenRange } from "./truncation.js";

/** What `encodeBatch` returns. */
export interface BatchEncoding extends PackedEncoding {
  /** Which of the texts each sequence is of; only with `returnOverflowing`. */
  textIndices?: Int32Array; // (B)
}

/** Sequences padded to one length S, row by row. */
export interface PaddedEncoding {
  inputIds: Int32Array; // (B, S)
  attentionMask: Int32Array; // (B, S) 0 for padding
  tokenTypeIds: Int32Array; // (B, S)
  /** [B, S] */
  shape: [number, number];
  offsets?: Int32Array; // (B, S, 2)
  wordIds?: Int32Array; // (B, S)
}

/** Collects sequences. */
export class PackedBuilder {
  #ids: Int32Array<ArrayBuffer>;
  /** Made when the first type id that is not 0 comes. */
  #typeIds: Int32Array<ArrayBuffer> | undefined;
  #offsets: Int32Array<ArrayBuffer> | undefined;
  #wordIds: Int32Array<ArrayBuffer> | undefined;
  #count = 0;
  readonly #ends: number[] = [0];
  readonly #originalLengths: number[] = [];
  readonly #textIndices: number[] = [];

  constructor(options: { offsets: boolean; wordIds: boolean; expectedTokens: number }) {
    const capacity = Math.max(64, options.expectedTokens);
    this.#ids = new Int32Array(capacity);
    if (options.offsets) this.#offsets = new Int32Array(2 * capacity);
    if (options.wordIds) this.#wordIds = new Int32Array(capacity);
  }

  /** Adds one sequence. @param ranges which tokens of each text are taken; undefined takes all. */
  add(
    pieces: readonly TemplatePiece[],
    texts: readonly TokenArrays[],
    ranges: readonly (readonly TokenRange[])[] | undefined,
    originalLength: number,
    textIndex: number,
  ): void {
    for (const piece of pieces) {
      if (piece.sequence === undefined) this.#addSpecial(piece.ids, piece.typeId);
      else if (ranges === undefined)
        this.#addTokens(texts[piece.sequence]!, 0, texts[piece.sequence]!.count, piece.typeId);
      else
        for (const { from, to } of ranges[piece.sequence]!)
          this.#addTokens(texts[piece.sequence]!, from, to, piece.typeId);
    }
    this.#ends.push(this.#count);
    this.#originalLengths.push(originalLength);
    this.#textIndices.push(textIndex);
  }

  finish(returnTextIndices: boolean): BatchEncoding {
    const count = this.#count;
    const result: BatchEncoding = {
      inputIds: this.#ids.slice(0, count),
      tokenTypeIds: this.#typeIds?.slice(0, count) ?? new Int32Array(count),
      cuSeqlens: Int32Array.from(this.#ends),
      originalLengths: Int32Array.from(this.#originalLengths),
    };
    if (this.#offsets !== undefined) result.offsets = this.#offsets.slice(0, 2 * count);
    if (this.#wordIds !== undefined) result.wordIds = this.#wordIds.slice(0, count);
    if (returnTextIndices) result.textIndices = Int32Array.from(this.#textIndices);
    return result;
  }

  #addSpecial(ids: readonly number[], typeId: number): void {
    const at = this.#grow(ids.length, typeId);
    for (let k = 0; k < ids.length; k++) this.#ids[at + k] = ids[k]!;
    this.#offsets?.fill(0, 2 * at, 2 * this.#count);
    this.#wordIds?.fill(-1, at, this.#count);
  }

  #addTokens(text: TokenArrays, from: number, to: number, typeId: number): void {
    const at = this.#grow(to - from, typeId);
    copyInto(this.#ids, at, text.ids, from, to);
    if (this.#offsets !== undefined) copyInto(this.#offsets, 2 * at, text.offsets, 2 * from, 2 * to);
    if (this.#wordIds !== undefined) copyInto(this.#wordIds, at, text.wordIds, from, to);
  }

  /** Makes room for more tokens and returns where they begin. */
  #grow(tokens: number, typeId: number): number {
    const at = this.#count;
    this.#count += tokens;
    if (this.#count > this.#ids.length) {
      const capacity = Math.ceil(1.5 * this.#count);
      this.#ids = grown(this.#ids, capacity);
      if (this.#typeIds !== undefined) this.#typeIds = grown(this.#typeIds, capacity);
      if (this.#offsets !== undefined) this.#offsets = grown(this.#offsets, 2 * capacity);
      if (this.#wordIds !== undefined) this.#wordIds = grown(this.#wordIds, capacity);
    }
    if (typeId !== 0) {
      this.#typeIds ??= new Int32Array(this.#ids.length);
      this.#typeIds.fill(typeId, at, this.#count);
    }
    return at;
  }
}

/**
 * The padded view of packed sequences.
 *
 * @param pads id of the padding token, and the model's longest sequence for `padding: "max_length"`.
 * @param options default `padding: "longest"`.
 * @throws TokenizerError BAD_TOKENIZER_OPTION when a sequence is longer than the length to pad to.
 * @example const { inputIds, attentionMask, shape } = toPadded(tokenizer.encodeBatch(texts), { padTokenId: 0 }, { padToMultipleOf: 8 });
 */
export function toPadded(
  packed: PackedEncoding,
  pads: { padTokenId: number; modelMaxLength?: number },
  options: PaddingOptions = {},
): PaddedEncoding {
  const { cuSeqlens } = packed;
  const B = cuSeqlens.length - 1;
  let longest = 0;
  for (let b = 0; b < B; b++) longest = Math.max(longest, cuSeqlens[b + 1]! - cuSeqlens[b]!);
  const S = paddedLength(
    longest,
    { ...options, padding: options.padding ?? "longest" },
    pads.modelMaxLength ?? Infinity,
  );
  if (S < longest) {
    throw new TokenizerError(
      "BAD_TOKENIZER_OPTION",
      `padding to ${S} tokens, but the longest sequence has ${longest}. Truncate when encoding, or pad to the longest.`,
    );
  }
  const inputIds = new Int32Array(B * S).fill(pads.padTokenId);
  const attentionMask = new Int32Array(B * S);
  const tokenTypeIds = new Int32Array(B * S);
  const result: PaddedEncoding = { inputIds, attentionMask, tokenTypeIds, shape: [B, S] };
  if (packed.offsets !== undefined) result.offsets = new Int32Array(2 * B * S);
  if (packed.wordIds !== undefined) result.wordIds = new Int32Array(B * S).fill(-1);
  for (let b = 0; b < B; b++) {
    const from = cuSeqlens[b]!;
    const to = cuSeqlens[b + 1]!;
    const at = b * S + (options.paddingSide === "left" ? S - (to - from) : 0);
    inputIds.set(packed.inputIds.subarray(from, to), at);
    tokenTypeIds.set(packed.tokenTypeIds.subarray(from, to), at);
    attentionMask.fill(1, at, at + to - from);
    result.offsets?.set(packed.offsets!.subarray(2 * from, 2 * to), 2 * at);
    result.wordIds?.set(packed.wordIds!.subarray(from, to), at);
  }
  return result;
}
