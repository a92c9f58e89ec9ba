// onnxruntime-node as a contender of the inference benchmark (see ../lib/contender.mjs); --model is a file. --precision is what its name says.
import { createRequire } from "node:module";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { inferenceOptions, paddedBatches } from "../inference/batches.mjs";
import { inRows, serveInference } from "../lib/serve.mjs";
import { readRows } from "../training/rows.mjs";

const INPUTS = ["input_ids", "attention_mask", "token_type_ids"];
const options = inferenceOptions();
const settings = {
  executionProviders: ["cpu"],
  graphOptimizationLevel: "all",
  executionMode: "sequential",
  intraOpNumThreads: options.threads,
  interOpNumThreads: 1,
};
const session = await InferenceSession.create(options.model, settings);
const batches = paddedBatches(readRows(options.rows), options.batchSize).map(({ dims, ...values }) =>
  Object.fromEntries(INPUTS.map((name) => [name, new Tensor("int64", values[name], dims)])),
);

async function forward(feeds) {
  const { logits } = await session.run(feeds);
  return inRows(logits.data, logits.dims[1]);
}

const { version } = createRequire(import.meta.url)("onnxruntime-node/package.json");
await serveInference({ versions: { "onnxruntime-node": version }, environment: settings, forward, batches });
