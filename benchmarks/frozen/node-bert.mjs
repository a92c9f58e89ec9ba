// A frozen encoder and a classifier on top, by node-bert, in a process of its own: prints { seconds, loss, versions }.
//   node benchmarks/frozen/node-bert.mjs --way probe|head --model FOLDER --rows rows.safetensors --epochs 3 --precision bf16 --threads 2
// probe: features once, then a logistic regression on them; head: the classifier trained by gradients, a forward pass in every epoch.
import { parseArgs } from "node:util";
import { BertForSequenceClassification, linearProbe, openDevice, Trainer } from "@node-bert/bert";
import { readJson, root } from "../lib/fingerprint.mjs";
import { readRows } from "../training/rows.mjs";

const { values: options } = parseArgs({
  options: {
    way: { type: "string" },
    model: { type: "string" },
    rows: { type: "string" },
    epochs: { type: "string" },
    precision: { type: "string" },
    threads: { type: "string" },
  },
});
const device = openDevice("cpu", { threads: Number(options.threads) });
const { precision } = options;
const model = await BertForSequenceClassification.fromPretrained(options.model, { device, precision });
const rows = readRows(options.rows);
const first = {
  inputIds: rows.inputIds.slice(0, rows.cuSeqlens[1]),
  tokenTypeIds: rows.tokenTypeIds.slice(0, rows.cuSeqlens[1]),
  cuSeqlens: rows.cuSeqlens.slice(0, 2),
  originalLengths: rows.originalLengths.slice(0, 1),
  labels: rows.labels.slice(0, 1),
};

async function probe() {
  const { train } = await linearProbe(model, rows, first);
  return train.loss;
}

async function trainHead() {
  model.parameters.setTrainable("head");
  const args = { batchSize: 8, epochs: Number(options.epochs), loggingSteps: 10 };
  const trainer = new Trainer({ model, train: rows, args });
  const { log } = await trainer.train();
  trainer.dispose();
  return log.at(-1).loss;
}

const start = performance.now();
const loss = await { probe, head: trainHead }[options.way]();
const seconds = (performance.now() - start) / 1000;
const { version } = readJson(root, "package.json");
process.stdout.write(`${JSON.stringify({ seconds, loss, versions: { "node-bert": version } })}\n`);
model.dispose();
device.dispose();
