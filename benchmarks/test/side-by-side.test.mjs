// What the training and inference benchmarks share: finding settings, taking turns, comparing rounds and answers.
import test from "ava";
import { compareLogits } from "../inference/agreement.mjs";
import { packedBatches, paddedBatches } from "../inference/batches.mjs";
import { contenderOf, NAMES } from "../inference/contenders.mjs";
import { fastest, timesTheRate } from "../lib/ratios.mjs";
import { together, tune } from "../lib/tune.mjs";
import { takeTurns } from "../lib/turns.mjs";
import { nodeBert, pytorch, pytorchChoices } from "../training/contenders.mjs";

test("each choice is tried at the best of the others, and all that was tried is kept", async (t) => {
  const choices = [
    [{ says: "a" }, { says: "b" }],
    [{ says: "x" }, { says: "y" }, { says: "z" }],
  ];
  const cost = { a: 4, b: 3, x: 3, y: 5, z: 1 };
  const build = (options) => ({ settings: together(options).settings });
  const found = await tune(choices, build, async ({ settings: [first, second] }) => ({
    secondsPerStep: cost[first] * cost[second],
  }));
  t.deepEqual(found.best.settings, ["b", "z"]);
  t.deepEqual(
    found.tried.map(({ settings }) => settings.join("")),
    ["bz", "bx", "ax", "by"],
  );
});

test("contenders take turns in rotating order, and the warm-up does not count", async (t) => {
  const order = [];
  const seconds = await takeTurns([{ name: "a" }, { name: "b" }], 2, async ({ name }, warmUp) => {
    order.push(`${name}${warmUp ? "!" : ""}`);
    return order.length;
  });
  t.deepEqual(order, ["a!", "b!", "b", "a", "a", "b"]);
  t.deepEqual(seconds, [
    [4, 5],
    [3, 6],
  ]);
});

test("ratios are of the same round, and the fastest is by median rate", (t) => {
  t.is(timesTheRate({ rounds: [1, 2, 4] }, { rounds: [2, 4, 8] }).median, 2);
  const rate = (name, median) => ({ name, samplesPerSecond: { median } });
  const all = [rate("pytorch-fp32", 1), rate("pytorch-bf16", 3), rate("node-bert-fp32", 9)];
  t.is(fastest(all, /^pytorch/).name, "pytorch-bf16");
  t.is(fastest(all, /^onnx/), undefined);
});

const expected = [
  [1, 0],
  [0, 2],
  [3, 1],
];
const WRONG = {
  "the same for every row": expected.map(() => [4 / 3, 1]),
  "rows mixed up": [expected[1], expected[2], expected[0]],
  "a NaN": [[Number.NaN, 0], expected[1], expected[2]],
  "a row too few": expected.slice(1),
  "all zero": expected.map(() => [0, 0]),
};

test("equal logits agree, and the error is told", (t) => {
  t.is(compareLogits("it", expected, expected, "fp32"), 0);
  const close = expected.map((row) => row.map((value) => value + 1e-5));
  t.true(compareLogits("it", close, expected, "fp32") > 1e-6);
});

for (const [what, logits] of Object.entries(WRONG))
  test(`wrong answers are refused in every precision: ${what}`, (t) => {
    for (const precision of ["fp32", "bf16", "int8"])
      t.throws(() => compareLogits("it", logits, expected, precision), { message: /^it / });
  });

test("packed and padded batches hold the same rows", (t) => {
  const rows = {
    inputIds: Int32Array.from([101, 7, 102, 101, 102, 101, 8, 9, 102]),
    tokenTypeIds: new Int32Array(9),
    cuSeqlens: Int32Array.from([0, 3, 5, 9]),
  };
  const packed = packedBatches(rows, 2);
  t.is(packed.length, 1, "whole batches only");
  t.deepEqual([...packed[0].cuSeqlens], [0, 3, 5]);
  const [padded] = paddedBatches(rows, 2);
  t.deepEqual(padded.dims, [2, 3]);
  t.deepEqual([...padded.input_ids], [101n, 7n, 102n, 101n, 102n, 0n]);
  t.deepEqual([...padded.attention_mask], [1n, 1n, 1n, 1n, 1n, 0n]);
});

const workload = { folder: "m", onnxFolder: "o", batchSize: 8, threads: 2, length: 128, plannedSteps: 5 };

test("every contender of inference has its program, its file and its threads", (t) => {
  for (const name of NAMES) {
    const { choices, build } = contenderOf(name, workload, "rows", { python: "python", bf16Rounds: false });
    const { command } = build(choices.map(([first]) => first));
    const of = (flag) => command[command.indexOf(flag) + 1];
    t.is(of("--batch-size"), "8");
    t.is(of("--threads"), "2");
    t.is(of("--rows"), "rows");
    if (name.startsWith("onnx")) t.regex(of("--model"), name.endsWith("int8") ? /quantized/ : /model\.onnx$/);
  }
});

test("in training, fp32 is float32 on both sides, and padding is PyTorch's alone", (t) => {
  const options = pytorchChoices("fp32", { bf16Rounds: false }).map(([first]) => first);
  const padded = pytorch("python", "p", options, workload, "rows", { pad: "max" });
  t.regex(padded.command.join(" "), /--dtype fp32 .*--pad max --max-length 128/);
  t.true(padded.settings.includes("rows padded to 128"));
  t.notRegex(nodeBert("fp32", workload, "rows").command.join(" "), /--pad/);
});
