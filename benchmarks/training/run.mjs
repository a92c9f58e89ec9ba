// Fine-tuning throughput side by side: node-bert and Hugging Face + PyTorch take turns on the same rows, on the same machine, in one run.
//   node benchmarks/training/run.mjs [--rows random|imdb] [--batch-size 8] [--length 128] [--rounds 9] [--steps-per-round 4] [--only name,name]
//                                    [--size base|minilm|small] [--tuning-steps 4] [--compile] [--threads N] [--no-save]
//                                    [--device cuda:0] [--python a Python with a PyTorch for that device]
// On a GPU PyTorch is not tuned: eager and compiled with CUDA graphs it takes part twice. --compile is of the CPU.
// With --rows imdb rows are reviews of IMDb (NODE_BERT_DATA) cut to --length tokens, and PyTorch takes part twice: padded to the longest row of a
// batch, and to --length, as a tokenizer with padding="max_length" does it.
// 1. PyTorch's settings (contenders.mjs) are tried for a few steps; the best of each precision stay.
// 2. All contenders take three steps with dropout 0 and must report the same losses.
// 3. They take turns, `steps-per-round` steps each, while the others are idle; the first round is warm-up. The order rotates from round to round.
// Progress on stderr; the result goes to benchmarks/results/ and, as JSON, to stdout.
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withContenders } from "../lib/contender.mjs";
import { fingerprint, gpuOf, processorClass, readJson } from "../lib/fingerprint.mjs";
import { requirePython, runPython } from "../lib/peers.mjs";
import { AUTOCAST, FP32, onGpu } from "../lib/pytorch.mjs";
import { fastest, timesTheRate } from "../lib/ratios.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";
import { tune } from "../lib/tune.mjs";
import { takeTurns } from "../lib/turns.mjs";
import { nodeBert, pytorch, pytorchChoices } from "./contenders.mjs";
import { writeImdbRows } from "./imdb-rows.mjs";
import { writeRows } from "./rows.mjs";

const { values: options } = parseArgs({
  options: {
    rows: { type: "string", default: "random" },
    size: { type: "string", default: "base" },
    "batch-size": { type: "string", default: "8" },
    length: { type: "string", default: "128" },
    rounds: { type: "string", default: "9" },
    "steps-per-round": { type: "string", default: "4" },
    "tuning-steps": { type: "string", default: "4" },
    threads: { type: "string", default: String(availableParallelism()) },
    only: { type: "string", default: "pytorch-fp32,pytorch-bf16,node-bert-fp32,node-bert-bf16" },
    compile: { type: "boolean", default: false },
    device: { type: "string", default: "cpu" },
    python: { type: "string" },
    "no-save": { type: "boolean", default: false },
  },
});

const isGpu = options.device !== "cpu";
const CHECK_STEPS = 3;
const ROW_COUNT = 64;
const SEED = 11;
/** Worst relative difference of a loss from PyTorch's fp32 that still counts as the same work. */
const TOLERANCE = { fp32: 1e-4, bf16: 2e-2 };

const say = (text) => process.stderr.write(`${text}\n`);
const precisionOf = (name) => (name.includes("bf16") ? "bf16" : "fp32");

const MODELS = { base: "bert-base-uncased's size", minilm: "MiniLM's size", small: "a small size" };

function makeWorkload(python) {
  const folder = runPython(python, "make_random_base.py", ["--size", options.size]);
  const config = readJson(folder, "config.json");
  const batchSize = Number(options["batch-size"]);
  const rounds = Number(options.rounds);
  const stepsPerRound = Number(options["steps-per-round"]);
  // One more than is asked for: a contender that works one step ahead of what it reports must have one to go on with in the last round.
  const plannedSteps = (rounds + 1) * stepsPerRound + 1;
  const isImdb = options.rows === "imdb";
  if (!isImdb && options.rows !== "random") throw new Error(`--rows ${options.rows}: expected random or imdb`);
  // A GPU's losses are read at the end of an epoch, too: there a run is one.
  const rowCount = isImdb || isGpu ? Math.max(plannedSteps, CHECK_STEPS + 1) * batchSize : ROW_COUNT;
  return {
    model: `BertForSequenceClassification of ${MODELS[options.size]}, random weights`,
    size: options.size,
    data: options.rows,
    folder,
    rowCount,
    layers: config.num_hidden_layers,
    hiddenSize: config.hidden_size,
    heads: config.num_attention_heads,
    intermediateSize: config.intermediate_size,
    vocabSize: config.vocab_size,
    dropout: config.hidden_dropout_prob,
    batchSize,
    length: Number(options.length),
    rows: isImdb
      ? `${rowCount} shuffled training reviews of IMDb cut to ${options.length} tokens`
      : `${rowCount} full rows of random words, seed ${SEED}, in order`,
    optimizer: "AdamW, linear schedule",
    learningRate: 2e-5,
    weightDecay: 0.01,
    maxGradientNorm: 1,
    threads: Number(options.threads),
    device: options.device,
    rounds,
    stepsPerRound,
    plannedSteps,
  };
}

/** Finds PyTorch's best settings in a precision. The fastest step counts: in so few, one disturbance would decide a median. */
async function tunePyTorch(python, precision, workload, rows, bf16Rounds) {
  const choices = pytorchChoices(precision, { bf16Rounds, compile: options.compile });
  const build = (chosen) => pytorch(python, `pytorch-${precision}`, chosen, workload, rows);
  return tune(choices, build, async (spec) => {
    const measured = await withContenders([spec], async ([contender]) => {
      await contender.send({ run: Math.min(2, options["tuning-steps"]) });
      const { steps, peakMemoryBytes } = await contender.send({ run: Number(options["tuning-steps"]) });
      return { secondsPerStep: Math.min(...steps.map((step) => step.seconds)), peakMemoryBytes };
    });
    say(`  ${measured.secondsPerStep.toFixed(3)} s a step: ${spec.settings.join(", ")}`);
    return measured;
  });
}

function withoutDropout(spec) {
  const flags = ["--dropout", "0", ...(spec.name.startsWith("node-bert") ? ["--logging-steps", "1"] : [])];
  return { ...spec, command: [...spec.command, ...flags] };
}

/** The same steps without dropout give the same losses; compiled PyTorch is eager PyTorch's program, and without dropout would have to be compiled anew, or the benchmark compares different work. */
async function check(specs, workload, rows, python) {
  const plain = pytorchChoices("fp32", { bf16Rounds: true }).map(([first]) => first);
  const reference = pytorch(python, "reference", plain, workload, rows, { dropout: 0 });
  const losses = {};
  const checked = specs.filter(({ name }) => !name.endsWith("-compiled"));
  for (const spec of [reference, ...checked.map(withoutDropout)]) {
    await withContenders([spec], async ([contender]) => {
      losses[spec.name] = (await contender.send({ run: CHECK_STEPS })).steps.map((step) => step.loss);
    });
  }
  const worst = {};
  for (const { name } of checked) {
    worst[name] = Math.max(
      ...losses[name].map((loss, i) => Math.abs(loss - losses.reference[i]) / losses.reference[i]),
    );
    // Not `>`: a NaN must fail.
    const agrees = worst[name] <= TOLERANCE[precisionOf(name)];
    say(
      `  ${name}: losses ${losses[name].map((loss) => loss.toFixed(5)).join(" ")}, worst difference ${worst[name].toExponential(1)}`,
    );
    if (!agrees)
      throw new Error(`${name} does not do the same work: its losses differ from PyTorch's by ${worst[name]}`);
  }
  return {
    passed: true,
    what: `${CHECK_STEPS} steps with dropout 0 against PyTorch fp32`,
    tolerance: TOLERANCE,
    losses,
    worst,
  };
}

/** Rounds in turn. Returns for each contender its seconds per step, round by round, and its peak memory. */
async function measure(specs, workload) {
  return withContenders(specs, async (contenders) => {
    const peak = new Map();
    const rounds = await takeTurns(contenders, workload.rounds, async (contender) => {
      const { seconds, peakMemoryBytes } = await contender.send({ run: workload.stepsPerRound });
      peak.set(contender, peakMemoryBytes);
      return seconds / workload.stepsPerRound;
    });
    return contenders.map((contender, i) => {
      const { name, versions, environment } = contender;
      return { name, versions, environment, rounds: rounds[i], peakMemoryBytes: peak.get(contender) };
    });
  });
}

/** What each node-bert contender is worth beside the best PyTorch, padded to the longest row and, where that took part, to the full length. */
function ratios(contenders) {
  const peers = [fastest(contenders, /^pytorch-(fp32|bf16)(-compiled)?$/), fastest(contenders, /^pytorch-to-/)];
  return contenders
    .filter(({ name }) => name.startsWith("node-bert"))
    .flatMap((ours) => {
      const same = contenders.find(({ name }) => name === `pytorch-${precisionOf(ours.name)}`);
      return peers
        .filter((peer) => peer !== undefined)
        .map((peer) => ({
          of: ours.name,
          against: peer.name,
          samplesPerSecond: timesTheRate(ours, peer),
          peakMemoryInSamePrecision: same && ours.peakMemoryBytes / same.peakMemoryBytes,
        }));
    });
}

/** A contender on a GPU. */
function onDevice(name, python, workload, rows) {
  const precision = precisionOf(name);
  if (name === `node-bert-${precision}`) return nodeBert(precision, workload, rows);
  const compiled = name.endsWith("-compiled");
  if (name !== `pytorch-${precision}${compiled ? "-compiled" : ""}`)
    throw new Error(`--only: there is no contender ${name}`);
  const flags = [
    ...onGpu(precision === "bf16" ? AUTOCAST : FP32, compiled),
    { flags: ["--fused-adamw"], says: "fused AdamW" },
  ];
  return pytorch(python, name, flags, workload, rows);
}

/** The contenders asked for, PyTorch's at their best settings, and what was tried to find those, by name. */
async function chooseContenders(python, workload, rows) {
  if (isGpu) return { specs: options.only.split(",").map((name) => onDevice(name, python, workload, rows)), tried: {} };
  const { bf16Rounds } = JSON.parse(runPython(python, "probe_matmul.py"));
  const asked = options.only.split(",");
  const specs = [];
  const tried = {};
  const padded = {};
  for (const precision of ["fp32", "bf16"]) {
    if (!asked.includes(`pytorch-${precision}`)) continue;
    say(`PyTorch's candidates in ${precision}:`);
    const { best, options: chosen, tried: all } = await tunePyTorch(python, precision, workload, rows, bf16Rounds);
    specs.push(best);
    tried[best.name] = all;
    if (workload.data === "imdb") padded[precision] = { chosen, seconds: all[0].secondsPerStep };
  }
  // The precision that is faster for PyTorch, with every row padded to the full length.
  const [faster] = Object.entries(padded).sort(([, a], [, b]) => a.seconds - b.seconds);
  if (faster !== undefined) {
    const [precision, { chosen }] = faster;
    const name = `pytorch-to-${workload.length}-${precision}`;
    specs.push(pytorch(python, name, chosen, workload, rows, { pad: "max" }));
  }
  for (const precision of ["fp32", "bf16"]) {
    if (asked.includes(`node-bert-${precision}`)) specs.push(nodeBert(precision, workload, rows));
  }
  if (specs.length === 0) throw new Error(`--only ${options.only} names no contender`);
  return { specs, tried };
}

/** The measurements as they are kept. */
function describe(workload, { specs, tried }, check, loadBefore, measured) {
  const contenders = measured.map(({ name, environment, rounds, peakMemoryBytes }, i) => ({
    name,
    settings: specs[i].settings,
    tried: tried[name],
    environment,
    samplesPerSecond: summarize(rounds.map((step) => workload.batchSize / step)),
    secondsPerStep: summarize(rounds),
    peakMemoryBytes,
    rounds,
  }));
  const { folder: _local, plannedSteps: _planned, rowCount: _count, ...described } = workload;
  return {
    benchmark: "training",
    date: new Date().toISOString().slice(0, 10),
    fingerprint: fingerprint(Object.assign({}, ...measured.map(({ versions }) => versions)), gpuOf(measured)),
    loadBefore,
    workload: described,
    check,
    contenders,
    ratios: ratios(contenders),
  };
}

/** training-8x128-<class>, with what differs from BERT-base, random rows and all cores. */
function nameOf({ size, data, batchSize, length, threads }, machine) {
  const parts = ["training", size === "base" ? "" : size, data === "imdb" ? "imdb" : "", `${batchSize}x${length}`];
  if (threads !== machine.cores && !isGpu) parts.push(`${threads}-thread`);
  return [...parts, processorClass(machine)].filter(Boolean).join("-");
}

function report({ contenders, ratios }) {
  for (const { name, samplesPerSecond: rate, peakMemoryBytes } of contenders) {
    const range = `${rate.p10.toFixed(2)}–${rate.p90.toFixed(2)}`;
    say(
      `${name}: ${rate.median.toFixed(2)} sequences/s (${range}), peak ${(peakMemoryBytes / 2 ** 30).toFixed(2)} GiB`,
    );
  }
  for (const { of, against, samplesPerSecond } of ratios)
    say(`${of} is ${samplesPerSecond.median.toFixed(2)}× ${against}`);
}

async function main() {
  const python = options.python ?? requirePython();
  const workload = makeWorkload(python);
  const temporary = mkdtempSync(join(tmpdir(), "node-bert-benchmark-"));
  try {
    const rows = join(temporary, "rows.safetensors");
    const { rowCount: count, length, vocabSize } = workload;
    if (workload.data === "imdb") await writeImdbRows(rows, { count, length });
    else writeRows(rows, { count, length, vocabSize, seed: SEED });
    const chosen = await chooseContenders(python, workload, rows);
    say("the same work?");
    const checked = await check(chosen.specs, workload, rows, python);
    const loadBefore = loadavg()[0];
    say("in turns:");
    const result = describe(workload, chosen, checked, loadBefore, await measure(chosen.specs, workload));
    report(result);
    if (!options["no-save"]) {
      say(`written: ${writeResult(nameOf(workload, result.fingerprint), result)}`);
    }
    process.stdout.write(`${JSON.stringify(result)}\n`);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

try {
  await main();
} catch (error) {
  say(error.message);
  process.exit(1);
}
