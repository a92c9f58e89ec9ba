import { OpError } from "../errors.js";
import type { Sequences } from "../sequences.js";
import { Tape } from "../tape.js";
import type { Tensor } from "../tensor.js";

/**
 * The rows of x that `index` names, in its order: pooling by [CLS], or the masked positions of a language model.
 * @param x (N, H)
 * @param index (M) i32, below N; one out of range rejects at the next sync point
 * @returns (M, H)
 */
export function gatherRows(x: Tensor, index: Tensor): Tensor {
  const { device } = x;
  const y = device.empty([index.shape[0], ...x.shape.slice(1)], x.dtype);
  device.run("gather_rows_forward", [x, index, y], []);
  const tape = Tape.recording(x);
  tape?.append({
    output: y,
    inputs: [index],
    backward: (dy) => {
      const dx = device.empty(x.shape, x.dtype);
      device.run("gather_rows_backward", [index, dy, dx], []);
      tape.add(x, dx);
    },
  });
  return y;
}

/**
 * The mean over the tokens of each sequence.
 * @param x (N, H)
 * @returns (B, H)
 * @throws {OpError} when x has another number of rows than the sequences have tokens
 */
export function meanPool(x: Tensor, sequences: Sequences): Tensor {
  const { device } = x;
  if (x.shape[0] !== sequences.tokens)
    throw new OpError(
      "ERR_INVALID_OP",
      `meanPool: x is (${x.shape.join(", ")}) but cuSeqlens ends at ${sequences.tokens}`,
    );
  const y = device.empty([sequences.count, ...x.shape.slice(1)], x.dtype);
  device.run("mean_pool_forward", [x, sequences.tensor, y], []);
  const tape = Tape.recording(x);
  tape?.append({
    output: y,
    inputs: [sequences.tensor],
    backward: (dy) => {
      const dx = device.empty(x.shape, x.dtype);
      device.run("mean_pool_backward", [sequences.tensor, dy, dx], []);
      tape.add(x, dx);
    },
  });
  return y;
}

/**
 * Drops elements with probability p and scales the others by 1 / (1 − p) (Srivastava et al. 2014). The mask comes from a counter
 * (native/include/node_bert/philox.h) and is drawn again in the backward pass.
 * @param x (M, K)
 */
export function dropout(x: Tensor, p: number): Tensor {
  const { device } = x;
  if (p === 0) return x;
  const params = device.nextDropout(p);
  const y = device.empty(x.shape, x.dtype);
  device.run("dropout", [x, y], params);
  const tape = Tape.recording(x);
  tape?.append({
    output: y,
    inputs: [],
    backward: (dy) => {
      const dx = device.empty(x.shape, x.dtype);
      device.run("dropout", [dy, dx], params);
      tape.add(x, dx);
    },
  });
  return y;
}
