/** Sequences packed without padding: the tokens of all of them in a row. */
export interface PackedEncoding {
  inputIds: Int32Array; // (N)
  tokenTypeIds: Int32Array; // (N)
  /** Sequence b is the tokens cuSeqlens[b] .. cuSeqlens[b + 1]. */
  cuSeqlens: Int32Array; // (B + 1)
  /** Tokens with specials, before truncation. */
  originalLengths: Int32Array; // (B)
  /** Start and end of every token in its text, in UTF-16 units; on request. */
  offsets?: Int32Array; // (2N)
  /** Word of every token, -1 for special tokens; on request. */
  wordIds?: Int32Array; // (N)
}
