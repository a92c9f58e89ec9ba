// @huggingface/transformers as a contender of the inference benchmark (see ../lib/contender.mjs); --model is a folder with onnx/model.onnx and
// onnx/model_quantized.onnx.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { AutoModelForSequenceClassification, env, Tensor } from "@huggingface/transformers";
import { inferenceOptions, paddedBatches } from "../inference/batches.mjs";
import { inRows, serveInference } from "../lib/serve.mjs";
import { readRows } from "../training/rows.mjs";

const options = inferenceOptions();
env.allowRemoteModels = false;
env.localModelPath = dirname(options.model);
const dtype = options.precision === "int8" ? "q8" : "fp32";
const settings = { intraOpNumThreads: options.threads, interOpNumThreads: 1 };
const model = await AutoModelForSequenceClassification.from_pretrained(basename(options.model), {
  device: "cpu",
  dtype,
  session_options: settings,
});
const batches = paddedBatches(readRows(options.rows), options.batchSize).map(({ dims, ...values }) =>
  Object.fromEntries(Object.entries(values).map(([name, data]) => [name, new Tensor("int64", data, dims)])),
);

async function forward(feeds) {
  const { logits } = await model(feeds);
  return inRows(logits.data, logits.dims[1]);
}

const entry = createRequire(import.meta.url).resolve("@huggingface/transformers");
const { version } = JSON.parse(readFileSync(join(dirname(entry), "..", "package.json"), "utf8"));
const environment = { device: "cpu", dtype, ...settings };
await serveInference({ versions: { "@huggingface/transformers": version }, environment, forward, batches });
