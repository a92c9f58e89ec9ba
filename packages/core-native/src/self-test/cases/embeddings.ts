import { type DropoutParams, dropoutLabel, dropoutParams, NO_DROPOUT, type OpCase } from "../op-case.js";
import type { Random } from "../random.js";

const EPS = 1e-12; // BERT's
const VOCABULARY = 29;
const POSITIONS = 17;
const TYPES = 2;

/** y = dropout(LayerNorm(word[id] + position[pos] + type[tt])): y (N, H). Ids repeat, so that gradients meet in one row. */
export function embeddingsCase(random: Random, N: number, H: number, dropout: DropoutParams = NO_DROPOUT): OpCase {
  const indices = ["ids", "positions", "types"];
  const params = [EPS, ...dropoutParams(dropout)];
  const table = (rows: number) => ({ type: "s" as const, shape: [rows, H], data: random.normal(rows * H) });
  const vector = (mean: number) => ({ type: "s" as const, shape: [H], data: random.normal(H, 0.3, mean) });
  return {
    label: `(${N}, ${H})${dropoutLabel(dropout)}`,
    tensors: {
      ids: { type: "i", shape: [N], data: random.integers(N, VOCABULARY) },
      positions: { type: "i", shape: [N], data: random.integers(N, POSITIONS) },
      types: { type: "i", shape: [N], data: random.integers(N, TYPES) },
      word: table(VOCABULARY),
      position: table(POSITIONS),
      type: table(TYPES),
      gamma: vector(1),
      beta: vector(0),
      y: { type: "x", shape: [N, H] },
      mean: { type: "s", shape: [N], terms: 1 },
      rstd: { type: "s", shape: [N] },
      dy: { type: "x", shape: [N, H], data: random.normal(N * H) },
      dword: table(VOCABULARY),
      dposition: table(POSITIONS),
      dtype: table(TYPES),
      dgamma: { ...vector(0), terms: 1 },
      dbeta: { ...vector(0), terms: 1 },
    },
    forward: {
      op: "embeddings_forward",
      order: [...indices, "word", "position", "type", "gamma", "beta", "y", "mean", "rstd"],
      params,
      writes: ["y", "mean", "rstd"],
    },
    backward: {
      op: "embeddings_backward",
      order: [
        ...[...indices, "word", "position", "type", "gamma", "mean", "rstd", "dy"],
        ...["dword", "dposition", "dtype", "dgamma", "dbeta"],
      ],
      params,
      writes: [],
      updates: ["dword", "dposition", "dtype", "dgamma", "dbeta"],
    },
    cotangents: { y: "dy" },
    gradients: { word: "dword", position: "dposition", type: "dtype", gamma: "dgamma", beta: "dbeta" },
  };
}
