// Renders benchmarks/README.md and its plots from the files in benchmarks/results/: node benchmarks/render.mjs [--check]
// No figure of it is typed by hand. --check writes nothing and fails when a file is not what would be written.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { renderBars } from "./bars.mjs";
import { renderCudaEstimate } from "./cuda-estimate/render.mjs";
import { renderFrozen } from "./frozen/render.mjs";
import { renderGrowth } from "./growth/render.mjs";
import { renderInference } from "./inference/render.mjs";
import { renderInt8 } from "./int8/render.mjs";
import { processorClass, root } from "./lib/fingerprint.mjs";
import { readResults } from "./lib/results.mjs";
import { renderLimits } from "./limits/render.mjs";
import { renderLoading } from "./loading/render.mjs";
import { drawPlots } from "./plots.mjs";
import { renderStartup } from "./startup/render.mjs";
import { renderExactness, renderTokenizer } from "./tokenizer/render.mjs";

const INTRODUCTION = `<!-- Written by benchmarks/render.mjs from benchmarks/results/: do not edit. -->
# Benchmarks

Side by side with peers: the same rows, on the same machine, in one run, in which the contenders take turns and the others are idle. Before
anything is timed they are checked to give the same losses with dropout off, or the same logits. Contenders are measured at the best of their
settings, found anew on each machine; what was tried is listed with the result. Figures are medians over rounds, with the 10th and 90th percentile.

    node benchmarks/run.mjs              # all of it, in hours; what was measured at this commit already is not measured again
    node benchmarks/run.mjs --quick      # the most telling part in about five minutes, without keeping it
    node benchmarks/run.mjs --only inference-base-8x128,limits-8x128   # one question; --list names them
    node benchmarks/compare.mjs A.json B.json   # what got slower from one result to another, beyond noise

Or each by itself:

    node benchmarks/training/run.mjs     # fine-tuning BERT-base at 8 × 128; its flags are at the head of the file
    node benchmarks/inference/run.mjs    # inference beside PyTorch, onnxruntime-node and transformers.js
    node benchmarks/limits/run.mjs       # what share of the machine's limits a training step and the optimizer's sweep reach
    node benchmarks/int8/run.mjs         # MiniLM fine-tuned on IMDb, evaluated in fp32 and in int8
    node benchmarks/growth/run.mjs --what batch|length|rows|memory   # how cost grows
    node benchmarks/frozen/run.mjs       # features once and a probe, beside a forward pass in every epoch
    node benchmarks/loading/run.mjs      # IMDb from parquet to packed batches, first and second run
    node benchmarks/startup/run.mjs      # bert predict, from the shell to the first answer
    node --import=tsx benchmarks/tokenizer/run.ts  # MB/s beside \`tokenizers\` and \`@huggingface/tokenizers\`
    node benchmarks/accuracy/run.mjs     # MiniLM on IMDb beside PyTorch: accuracy/README.md
    node benchmarks/tiny/run.mjs         # the model of packages/tiny on IMDb, beside random values: tiny/README.md
    node benchmarks/accuracy/probe.mjs   # a linear probe on frozen features, beside scikit-learn: the same page
    node benchmarks/training/run.mjs --device cuda:0 --python python3 --steps-per-round 30 \\
      --only pytorch-bf16,pytorch-bf16-compiled,node-bert-bf16,node-bert-fp32   # on a GPU; inference/run.mjs has the same two flags
    node benchmarks/cuda-estimate/count.mjs  # what a training step costs on a GPU, counted by the emulator, and an estimate of its time
    node benchmarks/render.mjs           # this page, from benchmarks/results/ and cuda-estimate/step.json
`;

const number = (value, digits = 2) => value.toFixed(digits);
const gibibytes = (bytes) => `${number(bytes / 2 ** 30)} GiB`;
const spread = ({ median, p10, p90 }, digits = 2) =>
  `${number(median, digits)} (${number(p10, digits)}–${number(p90, digits)})`;
const row = (cells) => `| ${cells.join(" | ")} |`;
const table = (head, rows) => [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");

function machine({ gpu, cpu, cpuFamily, instructionSets, cores, memoryBytes, system, versions, commit }) {
  const pinned = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return (
    `${gpu === undefined ? "" : `${gpu}; `}${cpu} (family ${cpuFamily}; ${instructionSets.join(", ")}), ${cores} cores, ${gibibytes(memoryBytes)}, ${system}. ` +
    `${pinned.join(", ")}. Commit ${commit}.`
  );
}

/** Where a result was measured, for its heading. */
const placeOf = ({ gpu, ...fingerprint }) =>
  gpu === undefined ? `processor class ${processorClass(fingerprint)}` : gpu.replace(/ \(.*/, "");

/** What was tried to find each contender's settings. @param column what the seconds are of */
function triedTables(contenders, column) {
  return contenders
    .filter(({ tried }) => tried !== undefined)
    .map(({ name, tried }) => {
      const lines = tried.map(({ settings, secondsPerStep }) => [settings.join("; "), number(secondsPerStep, 4)]);
      return `Tried for ${name}:\n\n${table(["settings", column], lines)}`;
    });
}

function renderTraining({ name, date, fingerprint, loadBefore, workload, check, contenders, ratios }) {
  const measured = table(
    ["contender", "settings", "sequences/s", "seconds a step", "peak memory", "rounds"],
    contenders.map((contender) => [
      contender.name,
      contender.settings.join("; "),
      spread(contender.samplesPerSecond),
      spread(contender.secondsPerStep, contender.secondsPerStep.median < 0.1 ? 5 : 3),
      gibibytes(contender.peakMemoryBytes),
      contender.samplesPerSecond.n,
    ]),
  );
  const compared = ratios.map(({ of, against, samplesPerSecond, peakMemoryInSamePrecision }) => {
    const memory =
      peakMemoryInSamePrecision === undefined
        ? ""
        : ` Peak memory is ${number(peakMemoryInSamePrecision)}× PyTorch's in the same precision.`;
    return `- **${of}: ${spread(samplesPerSecond)}× the rate of ${against}.**${memory}`;
  });
  const worst = Object.entries(check.worst).map(([who, difference]) => `${who} ${difference.toExponential(1)}`);
  return [
    `## Fine-tuning ${workload.batchSize} × ${workload.length}${workload.data === "imdb" ? " on IMDb" : ""}, ${placeOf(fingerprint)}`,
    `${workload.model} (${workload.layers} layers × ${workload.hiddenSize}), ${workload.rows}; dropout ${workload.dropout}, ` +
      `${workload.optimizer}, weight decay ${workload.weightDecay}, clipping ${workload.maxGradientNorm}; ` +
      `${fingerprint.gpu === undefined ? `${workload.threads} threads; ` : ""}${workload.stepsPerRound} steps a round.`,
    `![sequences a second](plots/${name}.svg)`,
    measured,
    compared.join("\n"),
    `Checked first: ${check.what}; worst relative difference of a loss: ${worst.join(", ")}.`,
    ...triedTables(contenders, "fastest step, s"),
    `${machine(fingerprint)} Load before the rounds ${number(loadBefore)}. Measured ${date}; \`results/${name}.json\`.`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

const tools = { table, spread, machine, placeOf, triedTables };
const RENDERERS = {
  frozen: (result) => renderFrozen(result, tools),
  growth: (result) => renderGrowth(result, tools),
  inference: (result) => renderInference(result, tools),
  exactness: (result) => renderExactness(result, tools),
  int8: (result) => renderInt8(result, tools),
  limits: (result) => renderLimits(result, tools),
  loading: (result) => renderLoading(result, tools),
  startup: (result) => renderStartup(result, tools),
  tokenizer: (result) => renderTokenizer(result, tools),
  training: renderTraining,
};

/** @param step what cuda-estimate/count.mjs wrote, if it was run. */
export function render(results, step) {
  const sections = results.map((result) => {
    const renderer = RENDERERS[result.benchmark];
    if (renderer === undefined) throw new Error(`results/${result.name}.json: no renderer for "${result.benchmark}"`);
    return renderer(result);
  });
  if (step !== undefined) sections.push(renderCudaEstimate(step, results, table));
  const body = sections.length > 0 ? [renderBars(results, table), ...sections].join("\n\n") : "Not measured yet.";
  return `${INTRODUCTION}\n${body}\n`;
}

function main() {
  const folder = join(root, "benchmarks");
  const counted = join(folder, "cuda-estimate", "step.json");
  const results = readResults();
  const step = existsSync(counted) ? JSON.parse(readFileSync(counted, "utf8")) : undefined;
  const files = new Map([["README.md", render(results, step)]]);
  for (const [name, svg] of drawPlots(results)) files.set(join("plots", `${name}.svg`), svg);
  mkdirSync(join(folder, "plots"), { recursive: true });
  for (const [name, text] of files) {
    const path = join(folder, name);
    if (!process.argv.includes("--check")) writeFileSync(path, text);
    else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
      process.stderr.write(`benchmarks/${name} is not what benchmarks/render.mjs writes: run it\n`);
      process.exitCode = 1;
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
