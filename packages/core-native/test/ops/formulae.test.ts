// The reference device against the formulae written again in TypeScript, and against published values: what the other tests compare with
// must itself be right.
import test from "ava";
import { attentionCase } from "../../src/self-test/cases/attention.js";
import { linearCase } from "../../src/self-test/cases/linear.js";
import { type OpCase, randomDropout, type TensorSpec } from "../../src/self-test/op-case.js";
import type { Random } from "../../src/self-test/random.js";
import { type Outputs, runCase } from "../../src/self-test/run-case.js";
import { compare } from "../support/compare.js";
import { referenceDevice } from "../support/devices.js";
import { dropoutFactor } from "../support/philox.js";
import { randomFor } from "../support/random.js";

const NEARLY_EQUAL = { normalized: 1e-13, largest: 1e-12 };

/** Runs one forward call in float64. Tensors without data are outputs, returned. */
async function forward(op: string, tensors: Record<string, TensorSpec>, params: number[]): Promise<Outputs> {
  const names = Object.keys(tensors);
  const writes = names.filter((name) => tensors[name].data === undefined);
  const call = { op, order: names, params, writes };
  const opCase: OpCase = { label: op, tensors, forward: call, cotangents: {}, gradients: {} };
  return (await runCase(referenceDevice(), "f64", opCase)).forward.outputs;
}

test.serial("GELU is x times the normal distribution function, not the tanh form", async (t) => {
  // Phi(1) and Phi(-3) to 16 digits; the tanh form gives 0.84119 at 1.
  const outputs = await forward(
    "linear_forward",
    {
      x: { type: "x", shape: [5, 1], data: [0, 1, -1, -3, 30] },
      w: { type: "x", shape: [1, 1], data: [1] },
      bias: { type: "s", shape: [1], data: [0] },
      y: { type: "x", shape: [5, 1] },
      pre: { type: "x", shape: [5, 1] },
    },
    [1, 0],
  );
  const expected = [0, 0.8413447460685429, -0.15865525393145707, -3 * 0.0013498980316300946, 30];
  const verdict = compare(outputs.y, { shape: [5, 1], data: expected }, NEARLY_EQUAL);
  t.true(verdict.passed, verdict.message);
  t.deepEqual(Array.from(outputs.pre.data), [0, 1, -1, -3, 30]);
});

test.serial("LayerNorm of 1, 2, 3, 4", async (t) => {
  const vector = (data?: number[]) => ({ type: "x" as const, shape: [1, 4], data });
  const outputs = await forward(
    "add_layer_norm_forward",
    {
      x: vector([1, 2, 3, 4]),
      residual: vector([0, 0, 0, 0]),
      gamma: { type: "s", shape: [4], data: [1, 1, 1, 2] },
      beta: { type: "s", shape: [4], data: [0, 0, 0, 10] },
      y: vector(),
      z: vector(),
      mean: { type: "s", shape: [1] },
      rstd: { type: "s", shape: [1] },
    },
    [0, 0, 0, 0, 0, 0],
  );
  const root = Math.sqrt(0.8); // rstd: the variance is 5 / 4
  const expected = [-1.5 * root, -0.5 * root, 0.5 * root, 10 + 3 * root];
  t.true(compare(outputs.y, { shape: [1, 4], data: expected }, NEARLY_EQUAL).passed);
  t.is(outputs.mean.data[0], 2.5);
});

test.serial("cross-entropy of equal logits is log C; ignored rows do not count", async (t) => {
  const outputs = await forward(
    "cross_entropy_forward",
    {
      logits: { type: "x", shape: [3, 4], data: [7, 7, 7, 7, 0, 0, 0, 0, 1, 2, 3, 4] },
      labels: { type: "i", shape: [3], data: [1, -100, 3] },
      losses: { type: "s", shape: [3] },
      loss: { type: "s", shape: [1] },
      lse: { type: "s", shape: [3] },
    },
    [-100],
  );
  const last = Math.log(Math.exp(-3) + Math.exp(-2) + Math.exp(-1) + 1);
  const losses = { shape: [3], data: [Math.log(4), 0, last] };
  t.true(compare(outputs.losses, losses, NEARLY_EQUAL).passed);
  t.true(compare(outputs.loss, { shape: [1], data: [(Math.log(4) + last) / 2] }, NEARLY_EQUAL).passed);
});

test.serial("the reference's matrix product and its gradients are sums of products", async (t) => {
  const [N, K, M] = [3, 4, 5];
  const opCase = linearCase(randomFor("formulae linear"), N, K, M);
  const value = (name: string, row: number, column: number, width: number) =>
    opCase.tensors[name].data![row * width + column];
  const sum = (count: number, term: (i: number) => number) =>
    Array.from({ length: count }, (_, i) => term(i)).reduce((a, b) => a + b, 0);
  const table = (rows: number, columns: number, element: (row: number, column: number) => number) => ({
    shape: [rows, columns],
    data: Array.from({ length: rows * columns }, (_, i) => element(Math.floor(i / columns), i % columns)),
  });
  const y = table(N, M, (n, m) => value("bias", 0, m, M) + sum(K, (k) => value("x", n, k, K) * value("w", m, k, K)));
  const dx = table(N, K, (n, k) => sum(M, (m) => value("dy", n, m, M) * value("w", m, k, K)));
  const dw = table(M, K, (m, k) => value("dw", m, k, K) + sum(N, (n) => value("dy", n, m, M) * value("x", n, k, K)));
  const result = await runCase(referenceDevice(), "f64", opCase);
  t.true(compare(result.forward.outputs.y, y, NEARLY_EQUAL).passed);
  t.true(compare(result.backward!.outputs.dx, dx, NEARLY_EQUAL).passed);
  t.true(compare(result.backward!.outputs.dw, dw, NEARLY_EQUAL).passed);
});

type Table = number[][];

const multiply = (a: Table, b: Table): Table =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)));
const transpose = (a: Table): Table => a[0].map((_, j) => a.map((row) => row[j]));
const zip = (a: Table, b: Table, f: (x: number, y: number) => number): Table =>
  a.map((row, i) => row.map((x, j) => f(x, b[i][j])));
const softmax = (row: number[]): number[] => {
  const exponentials = row.map((score) => Math.exp(score - Math.max(...row)));
  const total = exponentials.reduce((sum, e) => sum + e, 0);
  return exponentials.map((e) => e / total);
};

test.serial("attention, forward and backward, is its composition of matrix products and softmaxes", async (t) => {
  const random: Random = randomFor("formulae attention");
  const [lengths, A, D] = [[4, 1, 6], 3, 5];
  const H = A * D;
  const dropout = randomDropout(random, 0.25);
  const opCase = attentionCase(random, lengths, A, D, { dropout });
  const { forward: got, backward: gotBackward } = await runCase(referenceDevice(), "f64", opCase);

  const out = Array.from(got.outputs.out.data, () => Number.NaN);
  const dqkv = Array.from(gotBackward!.outputs.dqkv.data, () => Number.NaN);
  let begin = 0;
  for (const length of lengths) {
    const rows = Array.from({ length }, (_, i) => begin + i);
    for (let a = 0; a < A; a++) {
      const take = (name: string, width: number, first: number): Table =>
        rows.map((n) => Array.from({ length: D }, (_, d) => opCase.tensors[name].data![n * width + first + d]));
      const put = (into: number[], width: number, first: number, values: Table) =>
        values.forEach((row, i) => {
          row.forEach((value, d) => {
            into[(begin + i) * width + first + d] = value;
          });
        });
      const scale = 1 / Math.sqrt(D);
      const q = take("qkv", 3 * H, a * D);
      const k = take("qkv", 3 * H, H + a * D);
      const v = take("qkv", 3 * H, 2 * H + a * D);
      const dout = take("dout", H, a * D);
      const mask = rows.map((n) => rows.map((_, j) => dropoutFactor(dropout, n * A + a, j)));

      const p = multiply(q, transpose(k)).map((row) => softmax(row.map((score) => score * scale)));
      const kept = zip(p, mask, (x, y) => x * y);
      put(out, H, a * D, multiply(kept, v));

      const dp = zip(multiply(dout, transpose(v)), mask, (x, y) => x * y);
      const dscores = p.map((row, i) => {
        const dot = row.reduce((sum, value, j) => sum + value * dp[i][j], 0);
        return row.map((value, j) => scale * value * (dp[i][j] - dot));
      });
      put(dqkv, 3 * H, a * D, multiply(dscores, k));
      put(dqkv, 3 * H, H + a * D, multiply(transpose(dscores), q));
      put(dqkv, 3 * H, 2 * H + a * D, multiply(transpose(kept), dout));
    }
    begin += length;
  }
  const forwardVerdict = compare(got.outputs.out, { shape: got.outputs.out.shape, data: out }, NEARLY_EQUAL);
  t.true(forwardVerdict.passed, forwardVerdict.message);
  const expected = { shape: gotBackward!.outputs.dqkv.shape, data: dqkv };
  const backwardVerdict = compare(gotBackward!.outputs.dqkv, expected, NEARLY_EQUAL);
  t.true(backwardVerdict.passed, backwardVerdict.message);
});
