// Where a step or a forward pass of BERT-base spends its time, op by op:
//   node benchmarks/kernels/profile.mjs [--what train|infer] [--precision bf16|fp32|int8] [--batch-size 8] [--length 128] [--steps 5]
//                                       [--threads N] [--clock wall|cpu]
// Works with any program too: NODE_BERT_PROFILE=ops.json <program>, then profile.mjs --read ops.json. On a machine that others use,
// --threads 1 --clock cpu counts processor time. The limits that shares refer to are measured in the same run: the best rate of a plain
// product, and the sum of two large vectors. Progress and the table go to stderr, the rows as JSON to stdout.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { BertForSequenceClassification, parseConfig, Trainer } from "@node-bert/bert";
import { openDevice } from "@node-bert/core-native";

const { values: options } = parseArgs({
  options: {
    what: { type: "string", default: "train" },
    precision: { type: "string", default: "bf16" },
    "batch-size": { type: "string", default: "8" },
    length: { type: "string", default: "128" },
    steps: { type: "string", default: "5" },
    threads: { type: "string", default: "0" },
    clock: { type: "string", default: "wall" },
    read: { type: "string" },
  },
});
const BASE = { model_type: "bert", vocab_size: 30522 }; // BertConfig's other defaults are bert-base-uncased's
const BYTES = { f32: 4, f64: 8, bf16: 2, i32: 4, u8: 1 };

/** Full rows of made-up words. */
function makeRows(count, length) {
  const ids = Int32Array.from({ length: count * length }, (_, i) => 1996 + ((i * 7919) % 28000));
  const cuSeqlens = Int32Array.from({ length: count + 1 }, (_, b) => b * length);
  const originalLengths = new Int32Array(count).fill(length);
  const labels = Int32Array.from({ length: count }, (_, b) => b % 2);
  return { inputIds: ids, tokenTypeIds: new Int32Array(ids.length), cuSeqlens, originalLengths, labels };
}

/** In a child process, whose device writes the profile when it closes. */
async function work() {
  const [batchSize, length, steps] = [options["batch-size"], options.length, options.steps].map(Number);
  const device = openDevice("cpu", { threads: Number(options.threads) });
  const vectors = [0, 1, 2].map(() => device.full([2 ** 26], 1));
  for (let i = 0; i < 6; i++) device.run("add", vectors, []);
  for (const vector of vectors) vector.dispose();
  const model = BertForSequenceClassification.fromConfig(parseConfig(BASE), { device, precision: options.precision });
  const rows = makeRows(batchSize, length);
  if (options.what === "train") {
    const args = { batchSize, maxSteps: steps + 1, learningRate: 2e-5, weightDecay: 0.01, order: "sequential" };
    const trainer = new Trainer({ model, args, train: rows });
    for await (const _ of trainer.run());
  } else {
    for (let i = 0; i < steps + 2; i++) {
      const { logits } = model.forward(rows);
      await logits.read();
      logits.dispose();
    }
  }
  model.dispose();
  device.dispose();
}

/** Multiply-adds count twice; bytes of every tensor once. */
function costOf({ op, tensors }) {
  const bytes = tensors.reduce(
    (sum, tensor) => sum + (tensor ? BYTES[tensor.dtype] * tensor.shape.reduce((a, b) => a * b, 1) : 0),
    0,
  );
  if (!op.startsWith("linear")) return { bytes };
  const [N, K] = tensors[0].shape;
  const products = op === "linear_backward" ? (tensors[5] ? 1 : 0) + (tensors[6] ? 1 : 0) : 1;
  return { bytes, flops: 2 * N * K * tensors[1].shape[0] * products };
}

function tabulate(profile) {
  const clock = options.clock === "cpu" ? "cpuSeconds" : "seconds";
  const rows = profile.map((entry) => {
    const sorted = [...entry[clock]].sort((a, b) => a - b);
    const { bytes, flops } = costOf(entry);
    const shapes = entry.tensors.filter(Boolean).slice(0, 2);
    return {
      op: entry.op,
      what: `${shapes[0].dtype} ${shapes.map(({ shape }) => shape.join("×")).join(", ")}`,
      activation: entry.op.startsWith("linear") && entry.param !== 0,
      calls: sorted.length,
      median: sorted[sorted.length >> 1],
      best: sorted[0],
      bytes,
      flops,
    };
  });
  const large = (row) => row.flops > 1e8;
  const limits = {
    flops: Math.max(
      0,
      ...rows.filter((row) => large(row) && !row.op.includes("int8")).map((row) => row.flops / row.best),
    ),
    bytes: Math.max(
      0,
      ...rows.filter(({ op, bytes }) => op === "add" && bytes > 2 ** 28).map((row) => row.bytes / row.best),
    ),
  };
  const used = rows.filter(({ op, bytes }) => op !== "fill" && !(op === "add" && bytes > 2 ** 28));
  const total = used.reduce((sum, row) => sum + row.calls * row.median, 0);
  used.sort((a, b) => b.calls * b.median - a.calls * a.median);
  const say = (text) => process.stderr.write(`${text}\n`);
  say(
    `limits here: ${(limits.flops / 1e9).toFixed(0)} GFLOP/s, ${(limits.bytes / 1e9).toFixed(1)} GB/s; ${options.clock} time`,
  );
  for (const row of used.slice(0, 24)) {
    const rate = row.flops
      ? `${(row.flops / row.median / 1e9).toFixed(0)} GFLOP/s`
      : `${(row.bytes / row.median / 1e9).toFixed(1)} GB/s`;
    row.share = (row.calls * row.median) / total;
    row.ofLimit = row.flops ? row.flops / row.median / limits.flops : row.bytes / row.median / limits.bytes;
    const share = `${(100 * row.share).toFixed(1)} %`.padStart(7);
    const milliseconds = (row.median * 1e3).toFixed(3).padStart(9);
    const limit = `${(100 * row.ofLimit).toFixed(0)} %`;
    say(
      `${share} ${String(row.calls).padStart(5)} × ${milliseconds} ms  ${rate.padStart(13)} ${limit.padStart(6)} of the limit  ${row.op} ${row.what}`,
    );
  }
  return { limits, seconds: total, rows: used };
}

if (process.env.NODE_BERT_PROFILE !== undefined && options.read === undefined) {
  await work();
} else {
  const folder = mkdtempSync(join(tmpdir(), "node-bert-profile-"));
  const path = options.read ?? join(folder, "ops.json");
  try {
    if (options.read === undefined) {
      const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
      const child = spawnSync(process.execPath, args, {
        stdio: "inherit",
        env: { ...process.env, NODE_BERT_PROFILE: path },
      });
      if (child.status !== 0) process.exit(1);
    }
    process.stdout.write(`${JSON.stringify(tabulate(JSON.parse(readFileSync(path, "utf8"))))}\n`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
