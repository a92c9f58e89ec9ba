// A whole small BERT on CUDA: logits and every parameter's gradient against float64, and training that follows the CPU's step by step.
import { type Device, openDevice, Tape } from "@node-bert/core-native";
import test from "ava";
import { type BertConfig, BertForSequenceClassification, Trainer } from "../../src/index.js";
import type { EncodedRows } from "../../src/training/rows.js";
import { CUDA, cuda, cudaTest } from "./emulated.js";

const CONFIG: BertConfig = {
  vocabSize: 311,
  hiddenSize: 64,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 136,
  maxPositionEmbeddings: 96,
  typeVocabSize: 2,
  layerNormEps: 1e-12,
  hiddenAct: "gelu",
  hiddenDropoutProb: 0,
  attentionProbsDropoutProb: 0,
  classifierDropout: undefined,
  initializerRange: 0.08,
  padTokenId: 0,
  id2label: undefined,
  otherFields: {},
};

const cpu = openDevice("cpu", { threads: 1 });
const reference = openDevice("reference");

/** Rows whose class can be told from their first word; lengths off every tile, the last one ragged. */
function rowsOf(lengths: readonly number[]): EncodedRows & { labels: Int32Array } {
  const cuSeqlens = new Int32Array(lengths.length + 1);
  lengths.forEach((length, b) => {
    cuSeqlens[b + 1] = cuSeqlens[b] + length;
  });
  const labels = Int32Array.from(lengths, (_, b) => b % 2);
  const inputIds = Int32Array.from({ length: cuSeqlens[lengths.length] }, (_, i) => 2 + ((i * 7919) % 307));
  labels.forEach((label, b) => {
    inputIds[cuSeqlens[b]] = 2 + label;
  });
  return {
    inputIds,
    tokenTypeIds: inputIds.map((id) => id % 2),
    cuSeqlens,
    originalLengths: Int32Array.from(lengths),
    labels,
  };
}

const BATCH = rowsOf([1, 65, 17, 33, 64, 7]);

interface Gradients {
  logits: ArrayLike<number>;
  gradients: Map<string, ArrayLike<number>>;
}

async function gradientsOn(device: Device, precision: "fp32" | "bf16" | "fp16"): Promise<Gradients> {
  using model = BertForSequenceClassification.fromConfig(CONFIG, { device, precision, seed: 7 });
  model.parameters.buildGradients();
  const logits = device.scope(() => {
    const tape = new Tape();
    const output = tape.record(() => model.loss(BATCH));
    tape.backward(output.loss, undefined, { keep: [output.logits] });
    return output.logits;
  });
  const gradients = new Map<string, ArrayLike<number>>();
  for (const { name, gradient } of model.parameters) gradients.set(name, await gradient!.read());
  const values = await logits.read();
  logits.dispose();
  return { logits: values, gradients };
}

function error(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference += (got[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}

/** Rounding of activations that a gradient is made of; a gradient that is a near-cancelling sum (of keys' biases) is all rounding. */
const FLOOR = { fp32: 2e-6, bf16: 2e-2, fp16: 3e-3 } as const;

for (const precision of ["fp32", "bf16", "fp16"] as const)
  cudaTest(`${CUDA} in ${precision}: logits and every gradient against float64`, async (t) => {
    const exact = await gradientsOn(reference, "fp32");
    // The CPU's own error in the same precision is the yardstick; it has no fp16, whose error lies between.
    const peer = await gradientsOn(cpu, precision === "fp32" ? "fp32" : "bf16");
    const actual = await gradientsOn(cuda(), precision);
    const floor = FLOOR[precision];
    const logits = error(actual.logits, exact.logits);
    t.true(logits <= 2 * error(peer.logits, exact.logits) + floor, `logits are off by ${logits}`);
    t.is(actual.gradients.size, exact.gradients.size);
    for (const [name, expected] of exact.gradients) {
      if (name.endsWith("key.bias")) continue; // exactly 0: softmax does not see what is added to all scores of a query
      const found = error(actual.gradients.get(name)!, expected);
      const allowed = 3 * error(peer.gradients.get(name)!, expected) + floor;
      t.true(found <= allowed, `${name}: error ${found}, allowed ${allowed}`);
    }
  });

async function train(device: Device, precision: "fp32" | "bf16" | "fp16", dropout: number, steps: number) {
  const config = { ...CONFIG, hiddenDropoutProb: dropout, attentionProbsDropoutProb: dropout };
  using model = BertForSequenceClassification.fromConfig(config, { device, precision, seed: 7 });
  const losses: number[] = [];
  const trainer = new Trainer({
    model,
    args: { batchSize: 4, epochs: 100, maxSteps: steps, learningRate: 2e-3, loggingSteps: 1, order: "sequential" },
    train: rowsOf([5, 9, 3, 12, 7, 4, 11, 6]),
    callbacks: { onLog: ({ loss }) => void losses.push(loss), onNotice: () => {} },
  });
  await trainer.train();
  return losses;
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

for (const [what, dropout] of [
  ["30 AdamW steps", 0],
  ["30 AdamW steps with dropout", 0.1],
] as const)
  cudaTest(`${CUDA}: ${what} take the CPU's losses, and they fall`, async (t) => {
    const expected = await train(cpu, "fp32", dropout, 30);
    const actual = await train(cuda(), "fp32", dropout, 30);
    t.is(actual.length, 30);
    actual.forEach((loss, step) => {
      const tolerance = 1e-4 * Math.max(expected[step], 0.05);
      t.true(Math.abs(loss - expected[step]) <= tolerance, `step ${step + 1}: ${loss}, the CPU has ${expected[step]}`);
    });
    t.true(mean(actual.slice(-5)) < 0.5 * mean(actual.slice(0, 5)), `losses ${actual}`);
  });

for (const precision of ["bf16", "fp16"] as const)
  cudaTest(`${CUDA}: training in ${precision} learns`, async (t) => {
    const losses = await train(cuda(), precision, 0, 20);
    t.true(mean(losses.slice(-4)) < 0.6 * mean(losses.slice(0, 4)), `losses ${losses}`);
  });

cudaTest(`${CUDA}: each step is launched as one graph, and nobody waits but for results`, async (t) => {
  const before = cuda().info as { graphs: { launched: number; notUsedBecause: string } };
  await train(cuda(), "fp32", 0, 6);
  const after = cuda().info as typeof before;
  t.is(after.graphs.notUsedBecause, "");
  t.is(after.graphs.launched - before.graphs.launched, 6);
});

test("fp16 is refused where it cannot be computed", async (t) => {
  const { choosePrecision } = await import("../../src/model/precision.js");
  await t.throwsAsync(choosePrecision(cpu, "fp16"), { message: /"fp16", which the device cpu does not compute in/ });
});
