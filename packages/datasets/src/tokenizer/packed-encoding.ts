// Many encoded texts, packed one after the other without padding, in typed arrays; and the padded (B, S) view of them.

import { TokenizerError } from "../errors.js";
import type { PackedEncoding } from "../packed-encoding.js";
import { type PaddingOptions, paddedLength } from "./options.js";
import type { TemplatePiece } from "./template.js";
import { copyInto, type TokenArrays } from "./token-sink.js";
import type { TokenRange } from "./truncation.js";

/** What `encodeBatch` returns. The arrays may be views of somewhat longer buffers. */
export interface BatchEncoding extends PackedEncoding {
  /** Which of the texts each sequence is of; only with `returnOverflowing`. */
  textIndices?: Int32Array; // (B)
}

/** The share of an array that is used, from which on it isn't worth a copy. */
const LEAST_USE = 0.8;

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

/** How much was collected. */
export interface PackedSize {
  tokens: number;
  sequences: number;
  /** Whether any type id is not 0; if none is, they aren't written. */
  hasTypeIds: boolean;
}

/** Where sequences begin among others: the tokens and sequences before them. */
export type Place = Pick<PackedSize, "tokens" | "sequences">;

/** Sequences as they are collected, in arrays with room to spare: plain data, which is written over again and again. */
export interface PackedColumns extends PackedSize {
  inputIds: Int32Array;
  tokenTypeIds: Int32Array;
  offsets: Int32Array;
  wordIds: Int32Array;
  /** Where each sequence ends. */
  ends: Int32Array;
  originalLengths: Int32Array;
  textIndices: Int32Array;
}

/** @param buffer SharedArrayBuffer for columns that threads hand to each other. */
export function emptyColumns(buffer: typeof ArrayBuffer | typeof SharedArrayBuffer = ArrayBuffer): PackedColumns {
  const none = () => new Int32Array(new buffer(0));
  return {
    tokens: 0,
    sequences: 0,
    hasTypeIds: false,
    inputIds: none(),
    tokenTypeIds: none(),
    offsets: none(),
    wordIds: none(),
    ends: none(),
    originalLengths: none(),
    textIndices: none(),
  };
}

/** What is collected besides ids. */
export interface WantedColumns {
  returnOffsets?: boolean;
  returnWordIds?: boolean;
  returnOverflowing?: boolean;
}

/** Collects sequences. */
export class PackedBuilder {
  /** @param columns are written over. */
  constructor(
    readonly wanted: WantedColumns,
    readonly columns: PackedColumns = emptyColumns(),
  ) {
    columns.tokens = columns.sequences = 0;
    columns.hasTypeIds = false;
    this.reserve(0, 0);
  }

  /** Makes room for at least so many tokens and sequences in all. */
  reserve(leastTokens: number, leastSequences: number): void {
    const { columns, wanted } = this;
    // All columns are as long as the first: only its length is looked at when something is added.
    const tokens = Math.max(leastTokens, columns.inputIds.length);
    const sequences = Math.max(leastSequences, columns.ends.length);
    columns.inputIds = roomy(columns.inputIds, tokens);
    if (columns.hasTypeIds) columns.tokenTypeIds = roomy(columns.tokenTypeIds, tokens);
    if (wanted.returnOffsets) columns.offsets = roomy(columns.offsets, 2 * tokens);
    if (wanted.returnWordIds) columns.wordIds = roomy(columns.wordIds, tokens);
    columns.ends = roomy(columns.ends, sequences);
    columns.originalLengths = roomy(columns.originalLengths, sequences);
    columns.textIndices = roomy(columns.textIndices, sequences);
  }

  /** Adds one sequence. @param ranges which tokens of each text are taken; undefined takes all. */
  add(
    pieces: readonly TemplatePiece[],
    texts: readonly TokenArrays[],
    ranges: readonly (readonly TokenRange[])[] | undefined,
    originalLength: number,
    textIndex: number,
  ): void {
    const { columns } = this;
    for (const piece of pieces) {
      if (piece.sequence === undefined) this.#addSpecial(piece.ids, piece.typeId);
      else if (ranges === undefined)
        this.#addTokens(texts[piece.sequence]!, 0, texts[piece.sequence]!.count, piece.typeId);
      else
        for (const { from, to } of ranges[piece.sequence]!)
          this.#addTokens(texts[piece.sequence]!, from, to, piece.typeId);
    }
    if (columns.sequences === columns.ends.length) this.reserve(0, Math.ceil(1.5 * (columns.sequences + 64)));
    columns.ends[columns.sequences] = columns.tokens;
    columns.originalLengths[columns.sequences] = originalLength;
    columns.textIndices[columns.sequences++] = textIndex;
  }

  /** Whether sequences collected elsewhere fit without more memory. */
  hasRoomFor(part: PackedSize): boolean {
    const { tokens, sequences, inputIds, ends } = this.columns;
    return tokens + part.tokens <= inputIds.length && sequences + part.sequences <= ends.length;
  }

  /** Adds sequences collected elsewhere whose numbers `placeColumns` copies then, on any thread. @returns where they begin. */
  makePlace(part: PackedSize): Place {
    const { columns } = this;
    const place = { tokens: columns.tokens, sequences: columns.sequences };
    if (part.hasTypeIds) this.#needTypeIds();
    columns.tokens += part.tokens;
    columns.sequences += part.sequences;
    return place;
  }

  finish(): BatchEncoding {
    const { columns, wanted } = this;
    const { tokens, sequences, hasTypeIds } = columns;
    const cuSeqlens = new Int32Array(sequences + 1);
    cuSeqlens.set(columns.ends.subarray(0, sequences), 1);
    const result: BatchEncoding = {
      inputIds: trimmed(columns.inputIds, tokens),
      tokenTypeIds: hasTypeIds ? trimmed(columns.tokenTypeIds, tokens) : new Int32Array(tokens),
      cuSeqlens,
      originalLengths: trimmed(columns.originalLengths, sequences),
    };
    if (wanted.returnOffsets) result.offsets = trimmed(columns.offsets, 2 * tokens);
    if (wanted.returnWordIds) result.wordIds = trimmed(columns.wordIds, tokens);
    if (wanted.returnOverflowing) result.textIndices = trimmed(columns.textIndices, sequences);
    return result;
  }

  #addSpecial(ids: readonly number[], typeId: number): void {
    const { columns, wanted } = this;
    const at = this.#grow(ids.length, typeId);
    for (let k = 0; k < ids.length; k++) columns.inputIds[at + k] = ids[k]!;
    if (wanted.returnOffsets) columns.offsets.fill(0, 2 * at, 2 * columns.tokens);
    if (wanted.returnWordIds) columns.wordIds.fill(-1, at, columns.tokens);
  }

  #addTokens(text: TokenArrays, from: number, to: number, typeId: number): void {
    const { columns, wanted } = this;
    const at = this.#grow(to - from, typeId);
    copyInto(columns.inputIds, at, text.ids, from, to);
    if (wanted.returnOffsets) copyInto(columns.offsets, 2 * at, text.offsets, 2 * from, 2 * to);
    if (wanted.returnWordIds) copyInto(columns.wordIds, at, text.wordIds, from, to);
  }

  /** Makes room for more tokens and returns where they begin. */
  #grow(tokens: number, typeId: number): number {
    const { columns } = this;
    const at = columns.tokens;
    if (at + tokens > columns.inputIds.length) this.reserve(Math.ceil(1.5 * (at + tokens)), 0);
    if (typeId !== 0) this.#needTypeIds();
    columns.tokens += tokens;
    if (columns.hasTypeIds) columns.tokenTypeIds.fill(typeId, at, columns.tokens);
    return at;
  }

  #needTypeIds(): void {
    const { columns } = this;
    if (columns.hasTypeIds) return;
    columns.hasTypeIds = true;
    columns.tokenTypeIds = roomy(columns.tokenTypeIds, columns.inputIds.length);
    columns.tokenTypeIds.fill(0, 0, columns.tokens);
  }
}

/**
 * Copies sequences into their place among others.
 * @param target its type ids are 0 so far.
 * @param firstText index of the text that is the sequences' first.
 */
export function placeColumns(
  target: PackedColumns,
  { tokens, sequences }: Place,
  source: PackedColumns,
  firstText: number,
  wanted: WantedColumns,
): void {
  const copy = (to: Int32Array, at: number, from: Int32Array, count: number) => to.set(from.subarray(0, count), at);
  copy(target.inputIds, tokens, source.inputIds, source.tokens);
  if (source.hasTypeIds) copy(target.tokenTypeIds, tokens, source.tokenTypeIds, source.tokens);
  if (wanted.returnOffsets) copy(target.offsets, 2 * tokens, source.offsets, 2 * source.tokens);
  if (wanted.returnWordIds) copy(target.wordIds, tokens, source.wordIds, source.tokens);
  copy(target.originalLengths, sequences, source.originalLengths, source.sequences);
  for (let b = 0; b < source.sequences; b++) {
    target.ends[sequences + b] = tokens + source.ends[b]!;
    target.textIndices[sequences + b] = firstText + source.textIndices[b]!;
  }
}

/** An array at least so long that begins with another's numbers: itself if it can. */
function roomy(array: Int32Array, length: number): Int32Array {
  if (length <= array.length) return array;
  const isShared = array.buffer instanceof SharedArrayBuffer;
  const result = new Int32Array(isShared ? new SharedArrayBuffer(4 * length) : new ArrayBuffer(4 * length));
  result.set(array);
  return result;
}

/** The beginning of an array: a copy, unless that would save little memory, because writing to new memory takes long. */
function trimmed(array: Int32Array, length: number): Int32Array {
  return length > LEAST_USE * array.length ? array.subarray(0, length) : array.slice(0, length);
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
