// How much of the machine a training step uses: node-bert's steps, the same products alone by oneDNN, the optimizer's sweep and the memory's
// bandwidth take turns in one run.
//   node benchmarks/limits/run.mjs [--batch-size 8] [--length 128] [--rounds 7] [--steps-per-round 3] [--threads N] [--no-save]
// share of the GEMM limit = seconds of the step's products, each at the best rate measured in this run / seconds of a step
// share of the bandwidth = rate of the sweep / rate of the sum beside it: on a virtual machine memory may be twice as fast a moment later
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withContenders } from "../lib/contender.mjs";
import { fingerprint, processorClass, readJson, root } from "../lib/fingerprint.mjs";
import { requirePython, runPython } from "../lib/peers.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";
import { takeTurns } from "../lib/turns.mjs";
import { nodeBert } from "../training/contenders.mjs";
import { writeRows } from "../training/rows.mjs";
import { BYTES, bestOf, flopsOf, linearLayers, productSeconds } from "./step.mjs";

const { values: options } = parseArgs({
  options: {
    size: { type: "string", default: "base" },
    "batch-size": { type: "string", default: "8" },
    length: { type: "string", default: "128" },
    rounds: { type: "string", default: "7" },
    "steps-per-round": { type: "string", default: "3" },
    threads: { type: "string", default: String(availableParallelism()) },
    "no-save": { type: "boolean", default: false },
  },
});
const PRECISIONS = ["fp32", "bf16"];
const ROW_COUNT = 64;
const PARAMETERS = 110_000_000;
const say = (text) => process.stderr.write(`${text}\n`);

const python = requirePython();
const folder = runPython(python, "make_random_base.py", ["--size", options.size]);
const config = readJson(folder, "config.json");
const [rounds, stepsPerRound] = [Number(options.rounds), Number(options["steps-per-round"])];
const workload = {
  model: "BertForSequenceClassification, random weights",
  layers: config.num_hidden_layers,
  hiddenSize: config.hidden_size,
  intermediateSize: config.intermediate_size,
  batchSize: Number(options["batch-size"]),
  length: Number(options.length),
  threads: Number(options.threads),
  rounds,
  stepsPerRound,
};
const shapes = linearLayers(workload);

/** Products alone; a round is the best of a few times of each. */
const products = (precision) => ({
  name: `products by oneDNN, ${precision}`,
  command: [
    python,
    join(root, "python", "measure_products.py"),
    "--shapes",
    shapes.map(([N, K, M]) => `${N}x${K}x${M}`).join(","),
    "--dtype",
    precision,
    "--threads",
    String(workload.threads),
  ],
  environment: {},
});
const sweep = {
  name: "sweep",
  command: [
    process.execPath,
    join(root, "benchmarks", "limits", "sweep.mjs"),
    "--parameters",
    String(PARAMETERS),
    "--threads",
    String(workload.threads),
  ],
  environment: {},
};

/** Takes a contender's turn. @param kept where what it measured goes @returns seconds of a step */
async function turn(contender, warmUp, kept) {
  if (contender.name === "sweep") {
    const seconds = await contender.send({ run: 3 });
    if (!warmUp) for (const [name, all] of Object.entries(seconds)) kept.sweeps[name].push(...all);
    return Math.min(...seconds.adamw);
  }
  if (contender.name.startsWith("products")) {
    const { seconds } = await contender.send({ run: 4 });
    kept.products[contender.name].push(seconds);
    return productSeconds(shapes, seconds);
  }
  const { seconds, steps } = await contender.send({ run: stepsPerRound });
  kept.losses[contender.name].push(...steps.map(({ loss }) => loss));
  return seconds / stepsPerRound;
}

async function measure(rows) {
  const planned = { ...workload, folder, plannedSteps: (rounds + 1) * stepsPerRound + 1 };
  Object.assign(planned, { learningRate: 2e-5, weightDecay: 0.01, maxGradientNorm: 1 });
  const steps = PRECISIONS.map((precision) => nodeBert(precision, planned, rows));
  const specs = [...steps, ...PRECISIONS.map(products), sweep];
  const kept = {
    products: Object.fromEntries(PRECISIONS.map((precision) => [products(precision).name, []])),
    losses: Object.fromEntries(steps.map(({ name }) => [name, []])),
    sweeps: { adamw: [], adamwBf16: [], sum: [] },
  };
  return withContenders(specs, async (contenders) => {
    const loadBefore = loadavg()[0];
    const seconds = await takeTurns(contenders, rounds, (contender, warmUp) => turn(contender, warmUp, kept));
    const versions = Object.assign({}, ...contenders.map((contender) => contender.versions));
    return { loadBefore, versions, kept, seconds: Object.fromEntries(specs.map(({ name }, i) => [name, seconds[i]])) };
  });
}

/** The best seconds of all products, and the share of it that steps reach, in a precision. */
function shareOf(precision, { kept, seconds }) {
  const best = productSeconds(shapes, bestOf(kept.products[products(precision).name]));
  const share = summarize(seconds[`node-bert-${precision}`].map((step) => best / step));
  return {
    precision,
    flopsPerStep: flopsOf(shapes),
    productSeconds: best,
    flopsPerSecond: flopsOf(shapes) / best,
    share,
  };
}

function describe(measured) {
  const { kept, seconds, loadBefore, versions } = measured;
  const rate = (name) => ({
    name,
    samplesPerSecond: summarize(seconds[name].map((step) => workload.batchSize / step)),
    secondsPerStep: summarize(seconds[name]),
  });
  const bandwidths = kept.sweeps.sum.map((taken) => BYTES.sum() / taken);
  const sweeps = ["adamw", "adamwBf16"].map((name) => ({
    name: name === "adamw" ? "AdamW, fp32" : "AdamW, fp32 with bf16 copies",
    parameters: PARAMETERS,
    seconds: summarize(kept.sweeps[name]),
    bytesPerSecond: summarize(kept.sweeps[name].map((taken) => BYTES[name](PARAMETERS) / taken)),
    share: summarize(kept.sweeps[name].map((taken, i) => BYTES[name](PARAMETERS) / taken / bandwidths[i])),
  }));
  const losses = Object.values(kept.losses).flat();
  return {
    benchmark: "limits",
    date: new Date().toISOString().slice(0, 10),
    fingerprint: fingerprint(versions),
    loadBefore,
    workload,
    check: { what: "every step reported a finite loss", passed: losses.length > 0 && losses.every(Number.isFinite) },
    contenders: Object.keys(seconds)
      .filter((name) => name !== "sweep")
      .map(rate),
    bandwidth: summarize(bandwidths).median,
    products: PRECISIONS.map((precision) => shareOf(precision, measured)),
    sweeps,
  };
}

const temporary = mkdtempSync(join(tmpdir(), "node-bert-benchmark-"));
try {
  const rows = join(temporary, "rows.safetensors");
  writeRows(rows, { count: ROW_COUNT, length: workload.length, vocabSize: config.vocab_size, seed: 11 });
  const result = describe(await measure(rows));
  for (const { precision, share, flopsPerSecond } of result.products)
    say(`${precision}: ${(100 * share.median).toFixed(0)} % of ${(flopsPerSecond / 1e9).toFixed(0)} GFLOP/s`);
  for (const { name, share, bytesPerSecond } of result.sweeps)
    say(
      `${name}: ${(bytesPerSecond.median / 1e9).toFixed(1)} GB/s, ${(100 * share.median).toFixed(0)} % of the bandwidth`,
    );
  const name = `limits-${workload.batchSize}x${workload.length}-${processorClass(result.fingerprint)}`;
  if (!options["no-save"]) say(`written: ${writeResult(name, result)}`);
  process.stdout.write(`${JSON.stringify(result)}\n`);
} catch (error) {
  say(error.message);
  process.exitCode = 1;
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
