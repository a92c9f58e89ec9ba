// node-bert as a contender of the inference benchmark (see ../lib/contender.mjs):
//   node benchmarks/inference/node-bert.mjs --model FOLDER --rows rows.safetensors --batch-size 8 --precision fp32 --threads 2
import { BertForSequenceClassification, openDevice } from "@node-bert/bert";
import { readJson, root } from "../lib/fingerprint.mjs";
import { inRows, serveInference } from "../lib/serve.mjs";
import { readRows } from "../training/rows.mjs";
import { inferenceOptions, packedBatches } from "./batches.mjs";

const options = inferenceOptions();
const device = openDevice(options.device, { threads: options.threads });
const { precision } = options;
const model = await BertForSequenceClassification.fromPretrained(options.model, { device, precision });

async function forward(batch) {
  const { logits } = model.forward(batch);
  const values = await logits.read();
  logits.dispose();
  return inRows(values, model.numLabels);
}

await serveInference({
  versions: { "node-bert": readJson(root, "package.json").version },
  environment: { precision: model.precision, device: device.info },
  forward,
  device,
  batches: packedBatches(readRows(options.rows), options.batchSize),
});
model.dispose();
device.dispose();
