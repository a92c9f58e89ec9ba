// node-bert as a contender of the training benchmark: the Trainer as a user has it, advanced on command (see ../lib/contender.mjs).
//   node benchmarks/training/node-bert.mjs --model FOLDER --rows rows.safetensors --steps 40 [--precision fp32|bf16|auto] …
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { BertForSequenceClassification, Trainer } from "@node-bert/bert";
import { openDevice } from "@node-bert/core-native";
import { peakMemoryBytes } from "../lib/serve.mjs";
import { readRows } from "./rows.mjs";

const { values: options } = parseArgs({
  options: {
    model: { type: "string" },
    rows: { type: "string" },
    "batch-size": { type: "string", default: "8" },
    steps: { type: "string" },
    "learning-rate": { type: "string", default: "5e-5" },
    "weight-decay": { type: "string", default: "0" },
    "max-gradient-norm": { type: "string", default: "1" },
    dropout: { type: "string" },
    order: { type: "string", default: "shuffled" },
    precision: { type: "string", default: "auto" },
    "logging-steps": { type: "string", default: "500" },
    threads: { type: "string", default: "0" },
    device: { type: "string", default: "cpu" },
  },
});

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const device = openDevice(options.device, { threads: Number(options.threads) });
const model = await BertForSequenceClassification.fromPretrained(options.model, {
  device,
  precision: options.precision,
  dropout: options.dropout === undefined ? undefined : Number(options.dropout),
});
const trainer = new Trainer({
  model,
  args: {
    batchSize: Number(options["batch-size"]),
    maxSteps: Number(options.steps),
    learningRate: Number(options["learning-rate"]),
    weightDecay: Number(options["weight-decay"]),
    maxGradientNorm: Number(options["max-gradient-norm"]),
    loggingSteps: Number(options["logging-steps"]),
    order: options.order,
  },
  train: readRows(options.rows),
});
const events = trainer.run();

/** Takes `count` steps. The Trainer has one more step under way than it has reported: it is finished here, so that nothing runs while idle. */
async function run(count) {
  const start = performance.now();
  const steps = [];
  while (steps.length < count) {
    const { value: event, done } = await events.next();
    if (done) throw new Error(`the training ended after ${options.steps} steps`);
    if (event.type !== "step") continue;
    const { step, loss, learningRate, gradientNorm } = event;
    steps.push({ step, loss, learningRate, gradientNorm });
  }
  await device.synchronize();
  return { steps, seconds: (performance.now() - start) / 1000, peakMemoryBytes: peakMemoryBytes(device) };
}

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
answer({
  ready: true,
  versions: { "node-bert": version },
  environment: { precision: model.precision, device: device.info },
});
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (command.quit) {
    answer({ quit: true });
    break;
  }
  answer(await run(command.run));
}
trainer.dispose();
model.dispose();
