// Accuracy on real data, ours beside PyTorch's on the same rows: MiniLM fine-tuned on 2,000 IMDb reviews at length 256, evaluated on 2,000.
//   NODE_BERT_DATA=… node benchmarks/accuracy/run.mjs [--rows 2000] [--seeds 1,2,3] [--learning-rates 2e-5,5e-5] [--only node-bert,pytorch]
// The rows are the first of IMDb's train and test after shuffle(42); seeds change the head, the order and dropout. Batch 8, one epoch, linear
// schedule, fp32, Hugging Face's defaults. Each contender has one thread and both run at once, so no speed is told. Every finished run is kept in
// results.json at once, and README.md is rendered from it; runs that are there already are not repeated.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { loadDataset } from "@node-bert/datasets";
import { fetchMiniLm } from "../../scripts/fetch-minilm.mjs";
import { ensurePython } from "../../scripts/setup-python.mjs";
import { fingerprint, root } from "../lib/fingerprint.mjs";
import { render } from "./render.mjs";

const { values: options } = parseArgs({
  options: {
    rows: { type: "string", default: "2000" },
    seeds: { type: "string", default: "1,2,3" },
    "learning-rates": { type: "string", default: "2e-5,5e-5" },
    only: { type: "string", default: "node-bert,pytorch" },
  },
});
const here = import.meta.dirname;
const resultsPath = join(here, "results.json");
/** Read anew each time: another process may be at other seeds. */
const readRuns = () => (existsSync(resultsPath) ? JSON.parse(readFileSync(resultsPath, "utf8")).runs : []);
const model = fetchMiniLm();
const work = mkdtempSync(join(tmpdir(), "node-bert-accuracy-"));

for (const split of ["train", "test"]) {
  const rows = await loadDataset("imdb", { split });
  writeFileSync(join(work, `${split}.jsonl`), rows.shuffle(42).take(Number(options.rows)).toJSONL());
}

const shared = ["--model", model, "--max-length", "256", "--batch-size", "8", "--epochs", "1", "--threads", "1"];
const commands = {
  "node-bert": (rate, seed) => [
    process.execPath,
    [
      join(root, "packages/cli/bin/bert.js"),
      "finetune",
      "--dataset",
      work,
      "--output",
      join(work, "run"),
      "--json",
      "--quiet",
    ],
    ["--learning-rate", rate, "--seed", seed],
  ],
  pytorch: (rate, seed) => [
    ensurePython(),
    [join(root, "python/train_loop.py"), "--rows", join(work, "train.jsonl"), "--eval-rows", join(work, "test.jsonl")],
    ["--num-labels", "2", "--learning-rate", rate, "--seed", seed, "--order", "shuffled"],
  ],
};

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output.trim().split("\n").at(-1)));
      else reject(new Error(`${command} ${args.join(" ")} ended with ${code}`));
    });
  });
}

async function runContender(name) {
  for (const learningRate of options["learning-rates"].split(","))
    for (const seed of options.seeds.split(",")) {
      const key = { contender: name, learningRate, seed: Number(seed), rows: Number(options.rows) };
      if (readRuns().some((known) => Object.entries(key).every(([field, value]) => known[field] === value))) continue;
      const [command, own, training] = commands[name](learningRate, seed);
      const { eval: evaluation } = await run(command, [...own, ...shared, ...training]);
      const runs = [...readRuns(), { ...key, accuracy: evaluation.accuracy, loss: evaluation.loss }];
      const results = { fingerprint: fingerprint(), runs };
      writeFileSync(resultsPath, `${JSON.stringify(results, null, 1)}\n`);
      render();
      process.stderr.write(`${name} ${learningRate} seed ${seed}: ${(100 * evaluation.accuracy).toFixed(2)} %\n`);
    }
}

try {
  await Promise.all(options.only.split(",").map(runContender));
} finally {
  rmSync(work, { recursive: true, force: true });
}
