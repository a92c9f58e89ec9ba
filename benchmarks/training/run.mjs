// Fine-tuning throughput side by side: node-bert and Hugging Face + PyTorch take turns on the same rows, on the same machine, in one run.
//   node benchmarks/training/run.mjs [--batch-size 8] [--length 128] [--rounds 9] [--steps-per-round 4] [--only name,name] [--compile]
//                                    [--threads N] [--no-save]
// 1. Every PyTorch candidate (contenders.mjs) takes a few steps; the best of each precision stays.
// 2. All contenders take three steps with dropout 0 and must report the same losses.
// 3. They take turns, `steps-per-round` steps each, while the others are idle; the first round is warm-up. The order rotates from round to round.
// Progress on stderr; the result goes to benchmarks/results/ and, as JSON, to stdout.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensurePython } from "../../scripts/setup-python.mjs";
import { withContenders } from "../lib/contender.mjs";
import { fingerprint, processorClass, root } from "../lib/fingerprint.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";
import { nodeBert, pytorchCandidates } from "./contenders.mjs";
import { writeRows } from "./rows.mjs";

const { values: options } = parseArgs({
  options: {
    "batch-size": { type: "string", default: "8" },
    length: { type: "string", default: "128" },
    rounds: { type: "string", default: "9" },
    "steps-per-round": { type: "string", default: "4" },
    threads: { type: "string", default: String(availableParallelism()) },
    only: { type: "string", default: "pytorch-fp32,pytorch-bf16,node-bert-fp32,node-bert-bf16" },
    compile: { type: "boolean", default: false },
    "no-save": { type: "boolean", default: false },
  },
});

const TUNING_STEPS = 4;
const CHECK_STEPS = 3;
const ROW_COUNT = 64;
const SEED = 11;
/** Worst relative difference of a loss from PyTorch's fp32 that still counts as the same work. */
const TOLERANCE = { fp32: 1e-4, bf16: 2e-2 };

const say = (text) => process.stderr.write(`${text}\n`);
const precisionOf = (name) => (name.endsWith("bf16") ? "bf16" : "fp32");

function makeWorkload(folder) {
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  const rounds = Number(options.rounds);
  const stepsPerRound = Number(options["steps-per-round"]);
  return {
    model: "BertForSequenceClassification of bert-base-uncased's size, random weights",
    folder,
    layers: config.num_hidden_layers,
    hiddenSize: config.hidden_size,
    heads: config.num_attention_heads,
    intermediateSize: config.intermediate_size,
    vocabSize: config.vocab_size,
    dropout: config.hidden_dropout_prob,
    batchSize: Number(options["batch-size"]),
    length: Number(options.length),
    rows: `${ROW_COUNT} full rows of random words, seed ${SEED}, in order`,
    optimizer: "AdamW, linear schedule",
    learningRate: 2e-5,
    weightDecay: 0.01,
    maxGradientNorm: 1,
    threads: Number(options.threads),
    rounds,
    stepsPerRound,
    // One more than is asked for: a contender that works one step ahead of what it reports must have one to go on with in the last round.
    plannedSteps: (rounds + 1) * stepsPerRound + 1,
  };
}

/** Tries every candidate of a precision and returns the fastest, and what each took. */
async function tune(python, precision, workload, rows, bf16Rounds) {
  const tried = [];
  for (const candidate of pytorchCandidates(python, precision, workload, rows, {
    bf16Rounds,
    compile: options.compile,
  })) {
    const times = await withContenders([candidate], async ([contender]) => {
      await contender.send({ run: 2 });
      return (await contender.send({ run: TUNING_STEPS })).steps.map((step) => step.seconds);
    });
    // The fastest step: in so few, one disturbance would decide a median.
    tried.push({ candidate, settings: candidate.settings, secondsPerStep: Math.min(...times) });
    say(`  ${Math.min(...times).toFixed(3)} s a step: ${candidate.settings.join(", ")}`);
  }
  tried.sort((a, b) => a.secondsPerStep - b.secondsPerStep);
  const best = tried[0].candidate;
  return { best, tried: tried.map(({ settings, secondsPerStep }) => ({ settings, secondsPerStep })) };
}

/** The same steps without dropout give the same losses, or the benchmark compares different work. */
async function check(specs, workload, rows, python) {
  const reference = {
    ...pytorchCandidates(python, "fp32", workload, rows, { bf16Rounds: true, dropout: 0 })[0],
    name: "reference",
  };
  const losses = {};
  for (const spec of [reference, ...specs.map((spec) => ({ ...spec, command: [...spec.command, "--dropout", "0"] }))]) {
    await withContenders([spec], async ([contender]) => {
      losses[spec.name] = (await contender.send({ run: CHECK_STEPS })).steps.map((step) => step.loss);
    });
  }
  const worst = {};
  for (const { name } of specs) {
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
async function takeTurns(specs, workload) {
  return withContenders(specs, async (contenders) => {
    const measured = contenders.map(({ name, versions, environment }) => ({
      name,
      versions,
      environment,
      rounds: [],
      peakMemoryBytes: 0,
    }));
    for (let round = 0; round <= workload.rounds; round++) {
      for (let turn = 0; turn < contenders.length; turn++) {
        const index = (round + turn) % contenders.length;
        const answer = await contenders[index].send({ run: workload.stepsPerRound });
        measured[index].peakMemoryBytes = answer.peakMemoryBytes;
        if (round > 0) measured[index].rounds.push(answer.seconds / workload.stepsPerRound);
      }
      const latest = measured.map(({ name, rounds }) => `${name} ${rounds.at(-1)?.toFixed(3) ?? "warm"}`);
      say(`  round ${round} of ${workload.rounds}, seconds a step: ${latest.join(", ")}`);
    }
    return measured;
  });
}

/** The ratio of every node-bert contender's rate to the best PyTorch's, of the same round each time. */
function ratios(contenders) {
  const rate = (contender) => contender.samplesPerSecond.median;
  const peers = contenders.filter(({ name }) => name.startsWith("pytorch"));
  if (peers.length === 0) return [];
  const best = peers.reduce((a, b) => (rate(a) >= rate(b) ? a : b));
  return contenders
    .filter(({ name }) => name.startsWith("node-bert"))
    .map((ours) => {
      const peer = peers.find(({ name }) => precisionOf(name) === precisionOf(ours.name));
      return {
        of: ours.name,
        against: best.name,
        samplesPerSecond: summarize(ours.rounds.map((own, i) => best.rounds[i] / own)),
        peakMemoryInSamePrecision: peer && ours.peakMemoryBytes / peer.peakMemoryBytes,
      };
    });
}

function runPython(python, script) {
  const { status, stdout } = spawnSync(python, [join(root, "python", script)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", 2],
  });
  if (status !== 0) throw new Error(`python/${script} failed (exit ${status})`);
  return stdout;
}

/** The contenders asked for, PyTorch's at their best settings, and what was tried to find those, by name. */
async function chooseContenders(python, workload, rows) {
  const { bf16Rounds } = JSON.parse(runPython(python, "probe_matmul.py"));
  const asked = options.only.split(",");
  const specs = [];
  const tried = {};
  for (const precision of ["fp32", "bf16"]) {
    if (!asked.includes(`pytorch-${precision}`)) continue;
    say(`PyTorch's candidates in ${precision}:`);
    const tuned = await tune(python, precision, workload, rows, bf16Rounds);
    specs.push(tuned.best);
    tried[tuned.best.name] = tuned.tried;
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
  const { folder: _local, plannedSteps: _planned, ...described } = workload;
  return {
    benchmark: "training",
    date: new Date().toISOString().slice(0, 10),
    fingerprint: fingerprint(Object.assign({}, ...measured.map(({ versions }) => versions))),
    loadBefore,
    workload: described,
    check,
    contenders,
    ratios: ratios(contenders),
  };
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
  const python = ensurePython();
  if (python === undefined) process.exit(1);
  const workload = makeWorkload(runPython(python, "make_random_base.py").trim());
  const temporary = mkdtempSync(join(tmpdir(), "node-bert-benchmark-"));
  try {
    const rows = join(temporary, "rows.safetensors");
    writeRows(rows, { count: ROW_COUNT, length: workload.length, vocabSize: workload.vocabSize, seed: SEED });
    const chosen = await chooseContenders(python, workload, rows);
    say("the same work?");
    const checked = await check(chosen.specs, workload, rows, python);
    const loadBefore = loadavg()[0];
    say("in turns:");
    const result = describe(workload, chosen, checked, loadBefore, await takeTurns(chosen.specs, workload));
    report(result);
    if (!options["no-save"]) {
      const name = `training-${workload.batchSize}x${workload.length}-${processorClass(result.fingerprint)}`;
      say(`written: ${writeResult(name, result)}`);
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
