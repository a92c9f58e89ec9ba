// Who takes part in the inference benchmark, and what is chosen of each: every contender is measured at the best of what is tried here.
import { join } from "node:path";
import { root } from "../lib/fingerprint.mjs";
import { ATTENTION, bfloat16Products, compiling, FP32, float32Products, MEMORY, onGpu } from "../lib/pytorch.mjs";
import { together } from "../lib/tune.mjs";

export const NAMES = [
  "node-bert-fp32",
  "node-bert-bf16",
  "node-bert-int8",
  "pytorch-fp32",
  "pytorch-bf16",
  "pytorch-int8",
  "onnxruntime-fp32",
  "onnxruntime-int8",
  "transformers.js-fp32",
  "transformers.js-int8",
];

export const GPU_NAMES = ["node-bert-fp32", "node-bert-bf16", "pytorch-fp32", "pytorch-bf16", "pytorch-bf16-compiled"];

export const precisionOf = (name) => /-(fp32|bf16|int8)\b/.exec(name)[1];

const BF16_WEIGHTS = { flags: ["--dtype", "bf16-weights"], says: "weights and products in bf16" };
const engine = (name) => ({
  flags: ["--dtype", "int8", "--quantized-engine", name],
  says: `dynamic int8 (torch.ao quantize_dynamic), engine ${name}`,
});

function pytorchProducts(precision, bf16Rounds) {
  if (precision === "int8") return ["x86", "onednn", "fbgemm"].map(engine);
  return precision === "bf16" ? [...bfloat16Products(bf16Rounds), BF16_WEIGHTS] : float32Products(bf16Rounds);
}

const graph = (folder, says) => ({ folder, says });
const FLOAT_GRAPHS = [
  graph("fused", "graph fused by onnxruntime.transformers' optimizer"),
  graph("plain", "graph as exported"),
];
const INT8_GRAPHS = [
  graph("fused", "fused graph, dynamic int8, a scale for each output channel"),
  graph("fused-tensor", "fused graph, dynamic int8, a scale for each weight"),
  graph("plain", "exported graph, dynamic int8, a scale for each output channel"),
  graph("plain-tensor", "exported graph, dynamic int8, a scale for each weight"),
];

const OTHER_PROGRAMS = {
  "node-bert": { script: "inference/node-bert.mjs" },
  onnxruntime: { script: "peers/onnxruntime.mjs", says: "all graph optimizations" },
  "transformers.js": { script: "peers/transformers.mjs" },
};

/**
 * The choices of a contender, for lib/tune.mjs, and how its spec is made of them.
 *
 * @param workload `{ folder, onnxFolder, batchSize, threads }`
 * @param tools `{ python, bf16Rounds, compile }`
 */
export function contenderOf(name, workload, rows, { python, bf16Rounds, compile }) {
  const precision = precisionOf(name);
  const who = name.slice(0, name.indexOf(`-${precision}`));
  const { device = "cpu" } = workload;
  const shared = ["--rows", rows, "--batch-size", workload.batchSize, "--threads", workload.threads].map(String);
  if (who === "pytorch") {
    const script = join(root, "python", "infer_loop.py");
    const choices =
      device === "cpu"
        ? [pytorchProducts(precision, bf16Rounds), ATTENTION, MEMORY, compiling(compile && precision !== "int8")]
        : onGpu(precision === "bf16" ? BF16_WEIGHTS : FP32, name.endsWith("-compiled")).map((option) => [option]);
    return {
      choices,
      build(options) {
        const { flags, environment, settings } = together(options);
        const command = [python, script, "--model", workload.folder, ...shared, "--device", device, ...flags];
        return { name, settings: ["inference_mode", ...settings], command, environment };
      },
    };
  }
  const { script, says } = OTHER_PROGRAMS[who];
  const program = [process.execPath, join(root, "benchmarks", script), ...shared, "--precision", precision];
  if (who === "node-bert") {
    const command = [...program, "--model", workload.folder, "--device", device];
    return { choices: [], build: () => ({ name, settings: [precision, "defaults"], command, environment: {} }) };
  }
  const file = precision === "int8" ? "onnx/model_quantized.onnx" : "onnx/model.onnx";
  return {
    choices: [precision === "int8" ? INT8_GRAPHS : FLOAT_GRAPHS],
    build([{ folder, says: graphSays }]) {
      const path = join(workload.onnxFolder, folder, who === "onnxruntime" ? file : ".");
      const settings = says === undefined ? [graphSays] : [graphSays, says];
      return { name, settings, command: [...program, "--model", path], environment: {} };
    },
  };
}
