// A whole small BERT on CUDA: logits and every parameter's gradient against float64, by the rule of the op tests (at most 2, backward 3, times the error
// of the naive implementation in the same precision), and training that follows the CPU's step by step.
import { type Device, openDevice, Tape } from "@node-bert/core-native";
import test from "ava";
import { compare, difference, toleranceFrom, type Values } from "../../../core-native/src/self-test/compare.js";
import { rounded } from "../../../core-native/src/self-test/run-case.js";
import { type BertConfig, BertForSequenceClassification, Trainer } from "../../src/index.js";
import type { EncodedRows } from "../../src/training/rows.js";
import { magnitude } from "../support/close.js";
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
/** The same plain loops under parameters and statistics in f32, as every other device has them: the naive implementation in fp32, bf16 and fp16. */
const naive: Device = Object.assign(openDevice("reference"), { floatType: "f32" as const });

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

const TYPE = { fp32: "f32", bf16: "bf16", fp16: "f16" } as const;
type Precision = keyof typeof TYPE;

function makeModel(device: Device, precision: Precision, dropout: number): BertForSequenceClassification {
  const config = { ...CONFIG, hiddenDropoutProb: dropout, attentionProbsDropoutProb: dropout };
  return BertForSequenceClassification.fromConfig(config, { device, precision, seed: 7 });
}

/** Gives a model in float64 the very numbers that one in `precision` computes with: what goes into products is rounded. */
async function takeParameters(
  model: BertForSequenceClassification,
  from: BertForSequenceClassification,
  precision: Precision,
): Promise<void> {
  for (const { key, operand } of from.parameters.blocks) {
    const values = await from.parameters.value(key).read();
    model.parameters.value(key).write(rounded(values, operand ? TYPE[precision] : "f32"));
  }
}

/** "logits", and each parameter's name with its gradient. */
async function outputsOf(model: BertForSequenceClassification): Promise<Map<string, Values>> {
  model.train();
  model.device.setDropoutState(5, 1);
  const logits = model.device.scope(() => {
    const tape = new Tape();
    const output = tape.record(() => model.loss(BATCH));
    tape.backward(output.loss, undefined, { keep: [output.logits] });
    return output.logits;
  });
  const outputs = new Map([["logits", { shape: logits.shape, data: await logits.read() }]]);
  for (const { name, shape, gradient } of model.parameters) outputs.set(name, { shape, data: await gradient!.read() });
  logits.dispose();
  return outputs;
}

/** The CPU, too: what both hold to, they hold to each other by twice as much. */
const DEVICES = [
  { name: CUDA, open: cuda, precisions: ["fp32", "bf16", "fp16"] },
  { name: "cpu", open: () => cpu, precisions: ["fp32", "bf16"] },
] as const;

for (const [{ name, open }, precision] of DEVICES.flatMap((each) =>
  each.precisions.map((type) => [each, type] as const),
))
  for (const dropout of [0, 0.1])
    cudaTest(`${name} in ${precision}, dropout ${dropout}: logits and every gradient against float64`, async (t) => {
      using exactModel = makeModel(reference, "fp32", dropout);
      using naiveModel = makeModel(naive, precision, dropout);
      using model = makeModel(open(), precision, dropout);
      await takeParameters(exactModel, naiveModel, precision);
      const exact = await outputsOf(exactModel);
      const plain = await outputsOf(naiveModel);
      const actual = await outputsOf(model);
      t.deepEqual([...actual.keys()], [...exact.keys()]);
      let nearest = 0;
      for (const [output, expected] of exact) {
        const factor = output === "logits" ? 2 : 3;
        // A key bias has no effect, its gradient is 0: rounding noise is measured against the query bias's.
        const sibling = output.endsWith("key.bias") ? exact.get(output.replace("key.bias", "query.bias")) : undefined;
        const terms = sibling === undefined ? 0 : magnitude(sibling);
        const tolerance = toleranceFrom(difference(plain.get(output)!, expected, terms), factor, TYPE[precision]);
        const verdict = compare(actual.get(output)!, expected, tolerance, terms);
        nearest = Math.max(nearest, verdict.difference.normalized / tolerance.normalized);
        t.true(verdict.passed, `${output}: ${verdict.message}`);
      }
      t.log(`${exact.size} outputs, at most ${nearest.toFixed(2)} of what is allowed`);
    });

async function train(device: Device, precision: Precision, dropout: number, steps: number) {
  using model = makeModel(device, precision, dropout);
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
