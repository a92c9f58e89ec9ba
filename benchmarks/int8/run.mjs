// What int8 costs in accuracy: MiniLM fine-tuned on IMDb reviews, evaluated in fp32 and in int8 on the same test reviews.
//   NODE_BERT_DATA=… node benchmarks/int8/run.mjs [--rows 2000] [--seeds 1,2,3] [--max-length 256] [--threads N] [--no-save]
// Every seed fine-tunes anew, so that the spread is that of models, not of one. The result goes to benchmarks/results/int8-<class>.json; a seed
// that it holds already, of the same commit, is not run again.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { fetchMiniLm } from "../../scripts/fetch-minilm.mjs";
import { fingerprint, processorClass, root } from "../lib/fingerprint.mjs";
import { findResult, writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";

const { values: options } = parseArgs({
  options: {
    rows: { type: "string", default: "2000" },
    seeds: { type: "string", default: "1,2,3" },
    "max-length": { type: "string", default: "256" },
    threads: { type: "string", default: String(availableParallelism()) },
    "no-save": { type: "boolean", default: false },
  },
});
const say = (text) => process.stderr.write(`${text}\n`);

function bert(...args) {
  const command = [
    join(root, "packages", "cli", "bin", "bert.js"),
    ...args,
    "--threads",
    options.threads,
    "--json",
    "--quiet",
  ];
  const { status, stdout } = spawnSync(process.execPath, command, { encoding: "utf8", stdio: ["ignore", "pipe", 2] });
  if (status !== 0) throw new Error(`bert ${args.join(" ")} ended with ${status}`);
  return JSON.parse(stdout);
}

/** Fine-tunes and evaluates twice. Rows are chosen by the seed, the same ones for both evaluations. */
function run(seed, folder) {
  const chosen = ["--dataset", "imdb", "--stratify", "--seed", String(seed), "--max-length", options["max-length"]];
  const training = [
    "--train-rows",
    options.rows,
    "--eval-rows",
    options.rows,
    "--epochs",
    "1",
    "--learning-rate",
    "5e-5",
  ];
  const tuned = bert("finetune", "--model", fetchMiniLm(), ...chosen, ...training, "--output", folder);
  const started = performance.now();
  const short = bert("evaluate", "--model", folder, ...chosen, "--rows", options.rows, "--precision", "int8");
  if (short.recorded?.precision !== "fp32") throw new Error("bert evaluate did not compare with the fp32 evaluation");
  return {
    seed,
    fp32: tuned.eval.accuracy,
    int8: short.accuracy,
    pointsLost: 100 * short.recorded.accuracyLost,
    rows: short.rows,
    seconds: (performance.now() - started) / 1000,
  };
}

const machine = fingerprint({});
const name = `int8-${processorClass(machine)}`;
const workload = {
  model: "MiniLM (6 × 384), fine-tuned",
  rows: `${options.rows} training and ${options.rows} test reviews of IMDb, stratified`,
  evaluated: Number(options.rows),
  maxLength: Number(options["max-length"]),
  threads: Number(options.threads),
};
const known = findResult(name);
const isSame = known?.fingerprint.commit === machine.commit && known.workload.evaluated === workload.evaluated;
const runs = isSame ? known.runs : [];
const [loadBefore] = loadavg();
const work = mkdtempSync(join(tmpdir(), "node-bert-int8-"));
try {
  for (const seed of options.seeds.split(",").map(Number)) {
    if (runs.some((done) => done.seed === seed)) continue;
    runs.push(run(seed, join(work, String(seed))));
    const { fp32, int8, pointsLost, rows } = runs.at(-1);
    say(
      `seed ${seed}: ${(100 * fp32).toFixed(2)} % in fp32, ${(100 * int8).toFixed(2)} % in int8: ${pointsLost.toFixed(2)} points lost`,
    );
    const result = {
      benchmark: "int8",
      date: new Date().toISOString().slice(0, 10),
      fingerprint: machine,
      loadBefore,
      workload,
      check: { what: "both evaluations are of the same rows", passed: rows === workload.evaluated },
      pointsLost: summarize(runs.map((done) => done.pointsLost)),
      runs,
    };
    if (!options["no-save"]) say(`written: ${writeResult(name, result)}`);
    else process.stdout.write(`${JSON.stringify(result)}\n`);
  }
} catch (error) {
  say(error.message);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
