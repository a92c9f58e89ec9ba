// How cost grows: with the batch, with the length, with the number of rows, and memory with the number of steps.
//   node benchmarks/growth/run.mjs --what batch|length|rows|memory [--size base|minilm|small] [--precision auto] [--rounds 5] [--threads N]
//                                  [--values 1,2,4] [--no-save]
// batch: 1 … 64 sequences of 128 tokens; length: 8 sequences of 16 … 512; both for inference and training, random weights.
// rows: a two-layer model trained for one pass over so many rows; memory: the same for 10,000 steps, resident memory every 100.
// Each writes benchmarks/results/growth-<what>-<class>.json.
import { readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { BertForSequenceClassification, choosePrecision, openDevice, parseConfig, Trainer } from "@node-bert/bert";
import { fingerprint, processorClass, readJson, root } from "../lib/fingerprint.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";
import { countsOfSteps, makeRows } from "./rows.mjs";

const VALUES = {
  batch: [1, 2, 4, 8, 16, 32, 64],
  length: [16, 32, 64, 128, 256, 512],
  rows: [1000, 10_000, 100_000],
  memory: [10_000],
};
const { values: options } = parseArgs({
  options: {
    what: { type: "string" },
    size: { type: "string", default: "base" },
    precision: { type: "string", default: "auto" },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: String(availableParallelism()) },
    values: { type: "string" },
    "no-save": { type: "boolean", default: false },
  },
});
const SIZES = {
  base: {},
  minilm: { num_hidden_layers: 6, hidden_size: 384, intermediate_size: 1536 },
  small: { num_hidden_layers: 4, hidden_size: 256, num_attention_heads: 4, intermediate_size: 1024 },
  two: { num_hidden_layers: 2, hidden_size: 64, num_attention_heads: 2, intermediate_size: 256, vocab_size: 4096 },
};
const TRAINING = { learningRate: 2e-5, weightDecay: 0.01, order: "sequential" };
const say = (text) => process.stderr.write(`${text}\n`);
const { what } = options;
if (!(what in VALUES)) throw new Error(`--what ${what}: expected ${Object.keys(VALUES).join(", ")}`);
const size = what === "batch" || what === "length" ? options.size : "two";
const values = options.values?.split(",").map(Number) ?? VALUES[what];
const rounds = Number(options.rounds);
const device = openDevice("cpu", { threads: Number(options.threads) });

const residentBytes = () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;
const losses = [];

async function openModel() {
  const config = parseConfig({ model_type: "bert", vocab_size: 30522, ...SIZES[size] });
  const { precision } = await choosePrecision(device, options.precision);
  return BertForSequenceClassification.fromConfig(config, { device, precision });
}

/** Seconds of each batch, after two that warm up. */
async function infer(model, rows) {
  const seconds = [];
  for (let i = 0; i < rounds + 2; i++) {
    const start = performance.now();
    const { logits } = model.forward(rows);
    losses.push((await logits.read())[0]);
    logits.dispose();
    seconds.push((performance.now() - start) / 1000);
  }
  return seconds.slice(2);
}

/** Seconds of each step, after two that warm up. @param seen called after each with its number */
async function train(model, rows, args, seen = () => {}) {
  const trainer = new Trainer({ model, train: rows, args: { ...TRAINING, ...args } });
  const seconds = [];
  let last = performance.now();
  for await (const event of trainer.run()) {
    if (event.type !== "step") continue;
    losses.push(event.loss);
    seconds.push((performance.now() - last) / 1000);
    last = performance.now();
    seen(event.step);
  }
  trainer.dispose();
  return seconds.slice(2);
}

const point = (series, value, tokens, rates) => ({
  name: `${series}, ${what} ${value}`,
  series,
  value,
  samplesPerSecond: summarize(rates),
  tokensPerSecond: summarize(rates.map((rate) => rate * tokens)),
});

/** Sequences a second over batches or lengths. */
async function overShapes(model) {
  const points = [];
  for (const value of values) {
    const [batchSize, length] = what === "batch" ? [value, 128] : [8, value];
    const rows = makeRows(batchSize, () => length, 30522);
    const rate = (seconds) => batchSize / seconds;
    points.push(point("inference", value, length, (await infer(model.eval(), rows)).map(rate)));
    const seconds = await train(model, rows, { batchSize, maxSteps: rounds + 2 });
    points.push(point("training", value, length, seconds.map(rate)));
    say(
      points
        .slice(-2)
        .map(({ name, samplesPerSecond }) => `${name}: ${samplesPerSecond.median.toFixed(2)} sequences/s`)
        .join("; "),
    );
  }
  return { contenders: points };
}

/** Tokens a second of one pass over so many rows; a round is a tenth of the pass. */
async function overRows(model) {
  const points = [];
  for (const count of values) {
    const rows = makeRows(count, (row) => 16 + ((row * 37) % 113), 4096);
    const steps = await train(model, rows, { batchSize: 32, epochs: 1 });
    const tokens = rows.inputIds.length / count;
    const parts = countsOfSteps(steps, 10);
    points.push(
      point(
        "training",
        count,
        tokens,
        parts.map(({ steps: n, seconds }) => (32 * n) / seconds),
      ),
    );
    say(`${count} rows: ${points.at(-1).tokensPerSecond.median.toFixed(0)} tokens/s`);
  }
  return { contenders: points };
}

/** Resident memory while a model trains. */
async function overSteps(model) {
  const memory = [];
  const rows = makeRows(4096, (row) => 16 + ((row * 37) % 113), 4096);
  const steps = await train(model, rows, { batchSize: 8, maxSteps: values[0] }, (step) => {
    if (step % 100 === 0) memory.push({ step, bytes: residentBytes() });
  });
  const parts = countsOfSteps(steps, 10);
  const rates = parts.map(({ steps: n, seconds }) => (8 * n) / seconds);
  const settled = memory.filter(({ step }) => step >= values[0] / 10);
  const grownBytes = settled.at(-1).bytes - settled[0].bytes;
  say(
    `resident memory grew by ${(grownBytes / 2 ** 20).toFixed(1)} MiB from step ${settled[0].step} to ${settled.at(-1).step}`,
  );
  return { contenders: [point("training", values[0], rows.inputIds.length / 4096, rates)], memory, grownBytes };
}

const [loadBefore] = loadavg();
const model = await openModel();
const measured = await { batch: overShapes, length: overShapes, rows: overRows, memory: overSteps }[what](model);
const machine = fingerprint({ "node-bert": readJson(root, "package.json").version });
const result = {
  benchmark: "growth",
  date: new Date().toISOString().slice(0, 10),
  fingerprint: machine,
  loadBefore,
  workload: {
    what,
    size,
    layers: model.config.numHiddenLayers,
    hiddenSize: model.config.hiddenSize,
    precision: model.precision,
    threads: Number(options.threads),
    rounds,
  },
  check: { what: "every loss and logit was finite", passed: losses.length > 0 && losses.every(Number.isFinite) },
  ...measured,
};
model.dispose();
device.dispose();
if (!options["no-save"]) say(`written: ${writeResult(`growth-${what}-${processorClass(machine)}`, result)}`);
process.stdout.write(`${JSON.stringify(result)}\n`);
