import { InputError } from "../errors.js";

/** Numbers of sequences padded to the longest, row after row. */
export interface PaddedSequences {
  shape: [B: number, S: number, H: number];
  data: Float32Array; // (B, S, H), 0 at padding
  /** 1 for tokens, 0 for padding. */
  attentionMask: Uint8Array; // (B, S)
}

/**
 * From packed rows, as models give hidden states, to the padded array that Hugging Face gives.
 * @param values (N, H), read from a device
 * @param cuSeqlens (B + 1), of the model's output
 * @throws {InputError} when the values are not whole rows for every token
 * @example
 * const model = await BertModel.fromPretrained("models/bert");
 * const { lastHiddenState, cuSeqlens } = model.forward({ inputIds: [[101, 7592, 102]] });
 * const { shape, data } = padSequences(await lastHiddenState.read(), cuSeqlens); // shape [1, 3, H]
 */
export function padSequences(values: ArrayLike<number>, cuSeqlens: Int32Array): PaddedSequences {
  const B = cuSeqlens.length - 1;
  const N = cuSeqlens[B];
  const H = values.length / N;
  if (!Number.isInteger(H))
    throw new InputError(`There are ${values.length} values for ${N} tokens, expected a multiple.`);
  let S = 0;
  for (let b = 0; b < B; b++) S = Math.max(S, cuSeqlens[b + 1] - cuSeqlens[b]);
  const data = new Float32Array(B * S * H);
  const attentionMask = new Uint8Array(B * S);
  for (let b = 0; b < B; b++) {
    const [from, to] = [cuSeqlens[b], cuSeqlens[b + 1]];
    attentionMask.fill(1, b * S, b * S + to - from);
    for (let i = 0; i < (to - from) * H; i++) data[b * S * H + i] = values[from * H + i];
  }
  return { shape: [B, S, H], data, attentionMask };
}
