// Inference side by side: node-bert, Hugging Face + PyTorch, onnxruntime-node and transformers.js take turns on the same batches.
//   node benchmarks/inference/run.mjs [--model base|minilm|small] [--batch-size 8] [--length 128] [--rounds 9] [--seconds-per-round 1]
//                                     [--threads N] [--only name,name] [--compile] [--no-save]
//                                     [--device cuda:0] [--python a Python with a PyTorch for that device]
// On a GPU PyTorch is not tuned: eager and compiled with CUDA graphs it takes part twice, beside node-bert. --compile is of the CPU.
// 1. Each contender's settings (contenders.mjs) are tried; the best stay.
// 2. All give the logits of every row, which must be those of PyTorch in fp32, as closely as the precision allows.
// 3. They take turns, while the others are idle; the first round is warm-up. The order rotates from round to round.
// A rate is of a round, a latency of one call. Weights are random: they take as long as trained ones. Progress on stderr; the result goes to
// benchmarks/results/ and, as JSON, to stdout.
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withContenders } from "../lib/contender.mjs";
import { fingerprint, gpuOf, processorClass, readJson } from "../lib/fingerprint.mjs";
import { ensurePeers, requireOnnxPython, runPython } from "../lib/peers.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";
import { tune } from "../lib/tune.mjs";
import { takeTurns } from "../lib/turns.mjs";
import { writeRows } from "../training/rows.mjs";
import { compareLogits, TOLERANCE } from "./agreement.mjs";
import { contenderOf, GPU_NAMES, NAMES, precisionOf } from "./contenders.mjs";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "base" },
    "batch-size": { type: "string", default: "8" },
    length: { type: "string", default: "128" },
    rounds: { type: "string", default: "9" },
    "seconds-per-round": { type: "string", default: "1" },
    threads: { type: "string", default: String(availableParallelism()) },
    device: { type: "string", default: "cpu" },
    python: { type: "string" },
    only: { type: "string" },
    compile: { type: "boolean", default: false },
    "no-save": { type: "boolean", default: false },
  },
});
const isGpu = options.device !== "cpu";
const names = isGpu ? GPU_NAMES : NAMES;
const asked = options.only?.split(",") ?? names;
const MODELS = { base: "bert-base-uncased's size", minilm: "MiniLM's size", small: "a small size" };
const SEED = 11;
const LEAST_ROWS = 16;

const say = (text) => process.stderr.write(`${text}\n`);
const sum = (values) => values.reduce((a, b) => a + b, 0);

function makeWorkload(python) {
  const folder = runPython(python, "make_random_base.py", ["--size", options.model, "--varied"]);
  const onnxFolder = isGpu
    ? undefined
    : runPython(python, "export_onnx.py", ["--model", folder, "--output", `${folder}-onnx`]);
  const config = readJson(folder, "config.json");
  const batchSize = Number(options["batch-size"]);
  const count = Math.max(batchSize * 2, LEAST_ROWS);
  return {
    folder,
    onnxFolder,
    count,
    described: {
      model: `BertForSequenceClassification of ${MODELS[options.model]}, random weights`,
      size: options.model,
      layers: config.num_hidden_layers,
      hiddenSize: config.hidden_size,
      batchSize,
      length: Number(options.length),
      rows: `${count} full rows of random words, seed ${SEED}`,
      threads: Number(options.threads),
      device: options.device,
      rounds: Number(options.rounds),
      secondsPerRound: Number(options["seconds-per-round"]),
    },
    vocabSize: config.vocab_size,
    batchSize,
    threads: Number(options.threads),
    device: options.device,
  };
}

/** Seconds of a batch, the fastest of a few. */
async function fastestBatch(contender) {
  const [first] = (await contender.send({ run: 2 })).seconds.slice(-1);
  const calls = Math.max(3, Math.min(50, Math.ceil(0.5 / first)));
  return Math.min(...(await contender.send({ run: calls })).seconds);
}

async function chooseContenders(workload, rows, tools) {
  const unknown = asked.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`--only: there is no contender ${unknown}; expected ${names.join(", ")}`);
  const chosen = [];
  for (const name of asked) {
    const { choices, build } = contenderOf(name, workload, rows, tools);
    if (choices.every((options) => options.length === 1)) {
      chosen.push({ spec: build(choices.flat()) });
      continue;
    }
    say(`${name}:`);
    const { best, tried } = await tune(choices, build, async (spec) => {
      const secondsPerStep = await withContenders([spec], ([contender]) => fastestBatch(contender));
      say(`  ${secondsPerStep.toPrecision(3)} s a batch: ${spec.settings.join(", ")}`);
      return { secondsPerStep };
    });
    chosen.push({ spec: best, tried });
  }
  return chosen;
}

/** The same rows give the same logits, or the benchmark compares different work. */
async function check(contenders, workload, rows, tools) {
  const { choices, build } = contenderOf("pytorch-fp32", workload, rows, tools);
  const reference = { ...build(choices.map(([first]) => first)), name: "reference" };
  const expected = await withContenders(
    [reference],
    async ([contender]) => (await contender.send({ answer: true })).logits,
  );
  const worst = {};
  for (const contender of contenders) {
    const { logits } = await contender.send({ answer: true });
    worst[contender.name] = compareLogits(contender.name, logits, expected, precisionOf(contender.name));
    say(`  ${contender.name}: ${worst[contender.name].toExponential(1)}`);
  }
  const what = `logits of ${workload.count} rows against PyTorch fp32, ‖difference‖ / ‖logits − their mean over the rows‖`;
  return { passed: true, what, tolerance: TOLERANCE, worst };
}

async function measure(workload, rows, tools) {
  const chosen = await chooseContenders(workload, rows, tools);
  return withContenders(
    chosen.map(({ spec }) => spec),
    async (contenders) => {
      say("the same answers?");
      const checked = await check(contenders, workload, rows, tools);
      const loadBefore = loadavg()[0];
      const calls = new Map();
      for (const contender of contenders) {
        const seconds = await fastestBatch(contender);
        calls.set(contender, Math.max(2, Math.ceil(workload.described.secondsPerRound / seconds)));
      }
      say("in turns:");
      const batches = new Map(contenders.map((contender) => [contender, []]));
      const peak = new Map();
      const rounds = await takeTurns(contenders, workload.described.rounds, async (contender, warmUp) => {
        const { seconds, peakMemoryBytes } = await contender.send({ run: calls.get(contender) });
        peak.set(contender, peakMemoryBytes);
        if (!warmUp) batches.get(contender).push(...seconds);
        return sum(seconds) / seconds.length;
      });
      return {
        loadBefore,
        check: checked,
        versions: Object.assign({}, ...contenders.map(({ versions }) => versions)),
        contenders: contenders.map((contender, i) => ({
          name: contender.name,
          settings: chosen[i].spec.settings,
          tried: chosen[i].tried,
          environment: contender.environment,
          samplesPerSecond: summarize(rounds[i].map((seconds) => workload.batchSize / seconds)),
          secondsPerBatch: summarize(batches.get(contender)),
          peakMemoryBytes: peak.get(contender),
          rounds: rounds[i],
        })),
      };
    },
  );
}

async function main() {
  if (!(options.model in MODELS))
    throw new Error(`--model ${options.model}: expected ${Object.keys(MODELS).join(", ")}`);
  const python = options.python ?? requireOnnxPython();
  if (!isGpu) ensurePeers();
  const workload = makeWorkload(python);
  const { bf16Rounds } = isGpu ? { bf16Rounds: true } : JSON.parse(runPython(python, "probe_matmul.py"));
  const temporary = mkdtempSync(join(tmpdir(), "node-bert-benchmark-"));
  try {
    const rows = join(temporary, "rows.safetensors");
    const { count, vocabSize, described } = workload;
    writeRows(rows, { count, length: described.length, vocabSize, seed: SEED });
    const { versions, ...measured } = await measure(workload, rows, { python, bf16Rounds, compile: options.compile });
    const machine = fingerprint(versions, gpuOf(measured.contenders));
    const date = new Date().toISOString().slice(0, 10);
    const result = { benchmark: "inference", date, fingerprint: machine, workload: described, ...measured };
    for (const { name, samplesPerSecond, secondsPerBatch } of result.contenders)
      say(
        `${name}: ${samplesPerSecond.median.toFixed(2)} sequences/s, ${(1000 * secondsPerBatch.median).toFixed(2)} ms`,
      );
    const { size, batchSize, length, threads } = described;
    const ofThreads = threads === machine.cores || isGpu ? "" : `-${threads}-thread`;
    const name = `inference-${size}-${batchSize}x${length}${ofThreads}-${processorClass(machine)}`;
    if (!options["no-save"]) say(`written: ${writeResult(name, result)}`);
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
