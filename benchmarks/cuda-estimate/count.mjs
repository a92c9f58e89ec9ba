// Counts a training step of BERT-base on the emulator and writes step.json, from which the estimate in ../README.md is made:
//   node benchmarks/cuda-estimate/count.mjs [--batch-size 8] [--length 128] [--precision bf16]
// Takes minutes. Needs `node scripts/build-cuda.mjs`. The same steps on a GPU, for a profiler: --worker "12 2" --device cuda:0 (layers, steps).
//
// A step is what a run of two steps counts more than a run of one. It is counted with one layer and with two; the other layers cost what the second does,
// for layers are alike and each operation belongs to a layer or to none. So the counts of 12 layers are exact, and the emulator runs two.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readableNames } from "../../scripts/cuda/golden.mjs";
import { fingerprint, root } from "../lib/fingerprint.mjs";
import { productOf } from "./roofline.mjs";

const LAYERS = 12;
const { values: options } = parseArgs({
  options: {
    "batch-size": { type: "string", default: "8" },
    length: { type: "string", default: "128" },
    precision: { type: "string", default: "bf16" },
    device: { type: "string", default: "cuda-emulated" },
    worker: { type: "string" }, // "<layers> <steps>": this process trains, and the emulator counts
  },
});
const batchSize = Number(options["batch-size"]);
const length = Number(options.length);

/** Trains a random BERT of BERT-base's width. */
async function train(layers, steps) {
  const { BertForSequenceClassification, parseConfig, Trainer } = await import("@node-bert/bert");
  const { openDevice } = await import("@node-bert/core-native");
  const device = openDevice(options.device);
  const config = parseConfig({ model_type: "bert", num_hidden_layers: layers });
  const model = BertForSequenceClassification.fromConfig(config, { device, precision: options.precision });
  const rows = batchSize * steps;
  const trainer = new Trainer({
    model,
    args: {
      batchSize,
      maxSteps: steps,
      learningRate: 2e-5,
      weightDecay: 0.01,
      maxGradientNorm: 1,
      loggingSteps: 1000,
      order: "sequential",
    },
    train: {
      inputIds: Int32Array.from({ length: rows * length }, (_, i) => (i * 48271) % config.vocabSize),
      tokenTypeIds: new Int32Array(rows * length),
      cuSeqlens: Int32Array.from({ length: rows + 1 }, (_, b) => b * length),
      originalLengths: new Int32Array(rows).fill(length),
      labels: Int32Array.from({ length: rows }, (_, b) => b % 2),
    },
  });
  const { waits } = device.info;
  await trainer.train();
  // Beside the emulator's count: that of the whole process has the waits of loading in it, whose number depends on timing.
  if (process.env.WAITS_FILE) writeFileSync(process.env.WAITS_FILE, String(device.info.waits - waits));
  trainer.dispose();
  model.dispose();
}

/** The emulator's counts of a whole run. */
function countsOf(layers, steps) {
  const folder = mkdtempSync(join(tmpdir(), "node-bert-count-"));
  const file = join(folder, "counters.json");
  // Checks of races and initialisation change no count and cost half the time.
  const env = {
    NODE_BERT_CUBLAS: join(root, "cuda", "build", "cublas_emulated"),
    ...process.env,
    NODE_BERT_EMULATOR_COUNTERS: file,
    NODE_BERT_EMULATOR_CHECKS: "0",
    WAITS_FILE: join(folder, "waits"),
  };
  const args = [fileURLToPath(import.meta.url), "--worker", `${layers} ${steps}`];
  for (const name of ["batch-size", "length", "precision"]) args.push(`--${name}`, options[name]);
  try {
    process.stderr.write(`${layers} layers, ${steps} steps\n`);
    const result = spawnSync(process.execPath, args, { env, stdio: ["ignore", 2, 2] });
    if (result.status !== 0) throw new Error("the training on the emulator failed");
    return { ...JSON.parse(readFileSync(file, "utf8")), waits: Number(readFileSync(env.WAITS_FILE, "utf8")) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `weights[i]` times counts `trees[i]`, added up, leaf by leaf. */
function combine(trees, weights) {
  const keys = new Set(trees.flatMap((tree) => Object.keys(tree)));
  return Object.fromEntries(
    [...keys].map((key) => {
      const values = trees.map((tree) => tree[key]);
      if (values.some((value) => typeof value === "object"))
        return [
          key,
          combine(
            values.map((value) => value ?? {}),
            weights,
          ),
        ];
      return [key, values.reduce((sum, value, i) => sum + (value ?? 0) * weights[i], 0)];
    }),
  );
}

if (options.worker !== undefined) {
  const [layers, steps] = options.worker.split(" ").map(Number);
  await train(layers, steps);
} else {
  // step(1) + (LAYERS - 1) * (step(2) - step(1)), where step(l) = run(l, 2) - run(l, 1)
  const more = LAYERS - 1;
  const runs = [countsOf(1, 1), countsOf(1, 2), countsOf(2, 1), countsOf(2, 2)];
  const step = combine(runs, [more - 1, 1 - more, -more, more]);
  const names = readableNames(Object.keys(step.kernels));
  const operations = Object.entries(step.kernels)
    .filter(([, counters]) => counters.launches > 0)
    .map(([mangled, counters]) => {
      const name = names.get(mangled);
      const product = productOf(name);
      const { launches } = counters;
      if (product === undefined) {
        const { global_sectors: sectors, mma_flops: tensorFlops, flops } = counters;
        return { name, count: launches, bytes: sectors * 32, tensorFlops, flops };
      }
      const total = Object.fromEntries(Object.entries(product).map(([key, value]) => [key, value * launches]));
      return { name, count: launches, ...total };
    })
    .sort((a, b) => b.bytes - a.bytes);
  const { commit } = fingerprint({});
  const workload = {
    model: "BERT-base",
    layers: LAYERS,
    hiddenSize: 768,
    batchSize,
    length,
    precision: options.precision,
  };
  workload.counted = "the emulator, compute_80, with one layer and with two; the other ten cost what the second does";
  const result = {
    date: new Date().toISOString().slice(0, 10),
    commit,
    workload,
    operations,
    // Both steps are logged: so often does one wait at most.
    synchronisations: runs[1].waits - runs[0].waits,
  };
  writeFileSync(join(root, "benchmarks", "cuda-estimate", "step.json"), `${JSON.stringify(result, null, 1)}\n`);
}
