import { OpError } from "../errors.js";
import type { Sequences } from "../sequences.js";
import { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

export interface AttentionOptions {
  /** A; must divide H. */
  heads: number;
  /** Probability of dropping an attention weight; default 0. */
  dropout?: number;
  /** Factor of the scores; default 1 / √D. */
  scale?: number;
}

/**
 * Multi-head self-attention inside each packed sequence: out = dropout(softmax(scale q kᵀ)) v (Vaswani et al. 2017). The scores never
 * leave the cache (Dao et al. 2022).
 * @param qkv (N, 3H): row n is q | k | v, each A heads of D
 * @returns (N, H)
 * @throws {OpError} when shapes, types or devices do not fit
 */
export function attention(qkv: Tensor, sequences: Sequences, options: AttentionOptions): Tensor {
  const { device } = qkv;
  const hidden = checkAttention("attention", qkv, sequences, options.heads);
  const [tokens] = qkv.shape;
  const out = device.empty([tokens, hidden], qkv.dtype);
  const scale = options.scale ?? 1 / Math.sqrt(hidden / options.heads);
  const params = [options.heads, sequences.longest, scale, ...device.nextDropout(options.dropout ?? 0)];
  const tape = Tape.recording(qkv);
  const lse = tape === undefined ? undefined : device.empty([options.heads, tokens]);
  device.run("attention_forward", [qkv, sequences.tensor, out, lse], params);
  if (tape === undefined || lse === undefined) return out;
  tape.append({
    output: out,
    inputs: [qkv, sequences.tensor],
    extras: [lse],
    backward: (dOut) => {
      const dQkv = device.empty(qkv.shape, qkv.dtype);
      device.run("attention_backward", [qkv, sequences.tensor, out, lse, dOut, dQkv], params);
      tape.add(qkv, dQkv);
    },
  });
  return out;
}

/**
 * The attention weights themselves, without dropout, for looking at: a path of its own, because {@link attention} never stores them.
 * @returns (A, Σ len²): for each head, the (query, key) matrices of the sequences one after the other
 */
export function attentionProbabilities(
  qkv: Tensor,
  sequences: Sequences,
  options: Omit<AttentionOptions, "dropout">,
): Tensor {
  const { device } = qkv;
  const hidden = checkAttention("attentionProbabilities", qkv, sequences, options.heads);
  let squares = 0;
  for (let b = 0; b < sequences.count; b++) squares += (sequences.cuSeqlens[b + 1] - sequences.cuSeqlens[b]) ** 2;
  const probabilities = device.empty([options.heads, squares]);
  const scale = options.scale ?? 1 / Math.sqrt(hidden / options.heads);
  device.run(
    "attention_probabilities",
    [qkv, sequences.tensor, probabilities],
    [options.heads, sequences.longest, scale],
  );
  return probabilities;
}

function checkAttention(op: string, qkv: Tensor, sequences: Sequences, heads: number): number {
  const [tokens, width] = qkv.shape;
  const shape = `(${qkv.shape.join(", ")})`;
  if (qkv.shape.length !== 2 || width % 3 !== 0)
    throw new OpError("ERR_INVALID_OP", `${op}: qkv is ${shape}, expected (N, 3H)`);
  if (tokens !== sequences.tokens)
    throw new OpError("ERR_INVALID_OP", `${op}: qkv is ${shape} but cuSeqlens ends at ${sequences.tokens}`);
  const hidden = width / 3;
  if (!Number.isInteger(heads) || heads < 1 || hidden % heads !== 0)
    throw new OpError("ERR_INVALID_OP", `${op}: heads is ${heads}, expected a divisor of H = ${hidden}`);
  return hidden;
}
