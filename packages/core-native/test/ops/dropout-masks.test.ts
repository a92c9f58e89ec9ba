// Which elements each fused op drops, forward and backward, on every device and in every type: the ones of the definition, bit for bit. Inputs are chosen
// so that a result says for each element of the mask whether it was kept.
import test from "ava";
import type { Device, OpName, Tensor } from "../../src/index.js";
import { cuSeqlensOf, type DropoutParams, dropoutParams, randomDropout } from "../../src/self-test/op-case.js";
import { activationTypes, DEVICE_NAMES, testDevice } from "../support/devices.js";
import { dropoutFactor } from "../support/philox.js";
import { randomFor } from "../support/random.js";

const DEVICES = ["reference", ...DEVICE_NAMES];

type Type = ReturnType<typeof activationTypes>[number];
/** Row-major booleans: kept or not. */
type Mask = boolean[];

/** The elements of the tensor that `build` returns. */
async function compute(device: Device, build: () => Tensor): Promise<ArrayLike<number>> {
  const result = device.scope(build);
  const values = await result.read();
  result.dispose();
  return values;
}

const isNotZero = (value: number): boolean => value !== 0;

/** An op whose mask is (rows, columns), and how it is read from a result. */
interface Masked {
  op: OpName;
  mask: (device: Device, type: Type, rows: number, columns: number, dropout: number[]) => Promise<Mask>;
}

const ROW_OPS: Masked[] = [
  {
    op: "add_layer_norm_forward",
    mask: async (device, type, rows, columns, dropout) => {
      const values = await compute(device, () => {
        const [x, y, z] = [1, 0, 0].map((value) => device.full([rows, columns], value, type));
        const [gamma, beta] = [device.full([columns], 1, "f32"), device.zeros([columns], "f32")];
        const statistics = [device.zeros([rows], "f32"), device.zeros([rows], "f32")];
        device.run("add_layer_norm_forward", [x, undefined, gamma, beta, y, z, ...statistics], [1e-12, ...dropout]);
        return z;
      });
      return Array.from(values, isNotZero);
    },
  },
  {
    // Of normalized rows of 0 with rstd 1, the gradient of z is dy less its mean. dy is 1, in the first column 2: the mean is nowhere reached.
    op: "add_layer_norm_backward",
    mask: async (device, type, rows, columns, dropout) => {
      const values = await compute(device, () => {
        const [z, dx] = [device.zeros([rows, columns], type), device.zeros([rows, columns], type)];
        const gradient = Float32Array.from({ length: rows * columns }, (_, i) => (i % columns === 0 ? 2 : 1));
        const dy = device.tensor(gradient, [rows, columns], type);
        const [gamma, mean, rstd] = [
          device.full([columns], 1, "f32"),
          device.zeros([rows], "f32"),
          device.full([rows], 1, "f32"),
        ];
        device.run(
          "add_layer_norm_backward",
          [z, gamma, mean, rstd, dy, dx, undefined, undefined, undefined],
          [1e-12, ...dropout],
        );
        return dx;
      });
      return Array.from(values, isNotZero);
    },
  },
  {
    // gamma = 0 and beta = 1: what is dropped is 1 everywhere.
    op: "embeddings_forward",
    mask: async (device, type, rows, columns, dropout) => {
      const values = await compute(device, () => {
        const y = device.zeros([rows, columns], type);
        const [gamma, beta] = [device.zeros([columns], "f32"), device.full([columns], 1, "f32")];
        const statistics = [device.zeros([rows], "f32"), device.zeros([rows], "f32")];
        device.run(
          "embeddings_forward",
          [...embeddingInputs(device, rows, columns), gamma, beta, y, ...statistics],
          [1e-12, ...dropout],
        );
        return y;
      });
      return Array.from(values, isNotZero);
    },
  },
  {
    // dbeta is the sum over tokens of what is kept of dy. dy of token n is 2^n, so the sum is the column's mask in binary; 20 rows at once.
    op: "embeddings_backward",
    mask: async (device, type, rows, columns, dropout) => {
      const mask: Mask = new Array(rows * columns).fill(false);
      for (let first = 0; first < rows; first += 20) {
        const place = (n: number): number => (n >= first && n < first + 20 ? 2 ** (n - first - 10) : 0);
        const values = await compute(device, () => {
          const powers = Float32Array.from({ length: rows * columns }, (_, i) => place(Math.floor(i / columns)));
          const dy = device.tensor(powers, [rows, columns], type);
          const [gamma, mean, rstd] = [
            device.full([columns], 1, "f32"),
            device.zeros([rows], "f32"),
            device.full([rows], 1, "f32"),
          ];
          const [dgamma, dbeta] = [device.zeros([columns], "f32"), device.zeros([columns], "f32")];
          device.run(
            "embeddings_backward",
            [
              ...embeddingInputs(device, rows, columns),
              ...[gamma, mean, rstd, dy],
              ...[undefined, undefined, undefined, dgamma, dbeta],
            ],
            [1e-12, ...dropout],
          );
          return dbeta;
        });
        for (let n = first; n < Math.min(rows, first + 20); n++)
          for (let h = 0; h < columns; h++) {
            // p = 0.5: the scale is 2, and every sum is exact.
            const bits = Math.round((values[h] / 2) * 2 ** 10);
            mask[n * columns + h] = Math.floor(bits / 2 ** (n - first)) % 2 === 1;
          }
      }
      return mask;
    },
  },
];

function embeddingInputs(device: Device, rows: number, columns: number): Tensor[] {
  const index = (limit: number) => device.tensor(Int32Array.from({ length: rows }, (_, n) => n % limit));
  const table = (size: number) =>
    device.tensor(
      Float32Array.from({ length: size * columns }, (_, i) => Math.sin(i)),
      [size, columns],
      "f32",
    );
  return [index(7), index(5), index(2), table(7), table(5), table(2)];
}

for (const name of DEVICES)
  for (const type of activationTypes(name))
    for (const { op, mask } of ROW_OPS)
      test.serial(`${op} on ${name} in ${type} drops what the definition says`, async (t) => {
        const random = randomFor(`mask of ${op}`);
        for (const [rows, columns] of [
          [37, 61],
          [5, 136],
        ]) {
          const dropout = randomDropout(random, 0.5);
          const got = await mask(testDevice(name), type, rows, columns, dropoutParams(dropout));
          const expected = got.map((_, i) => dropoutFactor(dropout, Math.floor(i / columns), i % columns) !== 0);
          t.deepEqual(got, expected, `${rows} x ${columns}`);
        }
      });

const A = 2;

type Filling = "one" | "identity";
interface Filled {
  q?: Filling;
  k?: Filling;
  v?: Filling;
  dout?: Filling;
}
interface Results {
  out: ArrayLike<number>; // (N, H)
  dqkv: ArrayLike<number>; // (N, 3H)
}

/** Packed sequences: where each token lies in its own. */
class Packed {
  readonly lengths: readonly number[];
  readonly longest: number;
  readonly places: readonly number[];

  constructor(lengths: readonly number[]) {
    this.lengths = lengths;
    this.longest = Math.max(...lengths);
    this.places = lengths.flatMap((length) => Array.from({ length }, (_, i) => i));
  }

  /** A flag for each query, head and key of the query's sequence. */
  mask(flag: (query: number, head: number, key: number) => boolean): Mask {
    const lengthAt = this.lengths.flatMap((length) => new Array<number>(length).fill(length));
    return lengthAt.flatMap((length, n) =>
      Array.from({ length: A * length }, (_, i) => flag(n, Math.floor(i / length), i % length)),
    );
  }
}

/**
 * Attention with scores of 0, so that all keys of a query have the same probability. A head's rows of q, k, v and dout are 0, or 1 in the first column
 * ("one"), or, for the D tokens of a sequence from place `first` on, those of the identity.
 */
async function attend(
  device: Device,
  type: Type,
  packed: Packed,
  D: number,
  dropout: DropoutParams,
  first: number,
  filled: Filled,
): Promise<Results> {
  const [N, H] = [packed.places.length, A * D];
  const matrix = (parts: (Filling | undefined)[]): Tensor => {
    const values = new Float32Array(N * parts.length * H);
    parts.forEach((filling, part) => {
      for (let n = 0; n < N; n++) {
        const d = filling === "identity" ? packed.places[n] - first : 0;
        if (filling === undefined || d < 0 || d >= D) continue;
        for (let a = 0; a < A; a++) values[(n * parts.length + part) * H + a * D + d] = 1;
      }
    });
    return device.tensor(values, [N, parts.length * H], type);
  };
  const params = [A, packed.longest, 0.25, ...dropoutParams(dropout)];
  const { out, dqkv } = device.scope(() => {
    const inputs = [matrix([filled.q, filled.k, filled.v]), device.tensor(cuSeqlensOf(packed.lengths))];
    const [out, dqkv] = [device.zeros([N, H], type), device.zeros([N, 3 * H], type)];
    const lse = device.zeros([A, N], "f32");
    device.run("attention_forward", [...inputs, out, lse], params);
    device.run("attention_backward", [...inputs, out, lse, matrix([filled.dout]), dqkv], params);
    return { out, dqkv };
  });
  const results = { out: await out.read(), dqkv: await dqkv.read() };
  out.dispose();
  dqkv.dispose();
  return results;
}

/** How each result shows the mask: in the rows of queries, with the keys in columns, or the other way round. */
const SHOWN: Record<
  string,
  { filled: Filled; rows: "queries" | "keys"; kept: (results: Results, at: number) => boolean }
> = {
  // A row of out is the query's dropped probabilities.
  out: { filled: { v: "identity" }, rows: "queries", kept: ({ out }, at) => out[at] !== 0 },
  // A row of dv is the key's column of them.
  dv: { filled: { dout: "identity" }, rows: "keys", kept: ({ dqkv }, at) => dqkv[at] !== 0 },
  // The gradient of a probability is 1 / (1 - p) where it is kept, else 0; softmax subtracts the mean.
  dq: { filled: { k: "identity", v: "one", dout: "one" }, rows: "queries", kept: ({ dqkv }, at) => dqkv[at] > 0 },
  dk: { filled: { q: "identity", v: "one", dout: "one" }, rows: "keys", kept: ({ dqkv }, at) => dqkv[at] > 0 },
};
const COLUMNS: Record<string, number> = { dq: 0, dk: 1, dv: 2 };

/** Lengths that end inside tiles and fill several; D = 40 has plain kernels on a GPU, which take longer on the emulator. */
const SHAPES = [
  { D: 40, packed: new Packed([40, 9]) },
  { D: 32, packed: new Packed([130, 9, 70]) },
  { D: 64, packed: new Packed([130, 9, 70]) },
];

for (const name of DEVICES)
  for (const type of activationTypes(name))
    for (const { D, packed } of SHAPES)
      test.serial(`attention on ${name} in ${type}, D=${D}: all results drop what the definition says`, async (t) => {
        const dropout = randomDropout(randomFor(`attention masks ${D}`), 0.5);
        const expected = packed.mask((n, a, j) => dropoutFactor(dropout, n * A + a, j) !== 0);
        for (const [result, { filled, rows, kept }] of Object.entries(SHOWN)) {
          const passes: Results[] = [];
          for (let first = 0; first < packed.longest; first += D)
            passes.push(await attend(testDevice(name), type, packed, D, dropout, first, filled));
          const got = packed.mask((query, head, key) => {
            const sequence = query - packed.places[query];
            const [row, column] = rows === "queries" ? [query, key] : [sequence + key, packed.places[query]];
            const start = result === "out" ? row * A * D : (row * 3 + COLUMNS[result]) * A * D;
            return kept(passes[Math.floor(column / D)], start + head * D + (column % D));
          });
          t.deepEqual(got, expected, result);
        }
      });
