// A classifier on a frozen encoder over IMDb reviews: features computed once and a probe on them, beside the notebook's way, in which every epoch
// passes all reviews through the frozen encoder again.
//   NODE_BERT_DATA=… node benchmarks/frozen/run.mjs [--rows 2000] [--epochs 3] [--length 128] [--size base] [--rounds 1] [--threads N] [--no-save]
// PyTorch trains the classifier alone, in the faster of fp32 and bf16 autocast, and pads to --length, as the notebook does. Each is a process of
// its own, timed from the first row to the trained classifier. The result goes to benchmarks/results/frozen-<class>.json.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withContenders } from "../lib/contender.mjs";
import { fingerprint, processorClass, readJson, root } from "../lib/fingerprint.mjs";
import { requirePython, runPython } from "../lib/peers.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";
import { tune } from "../lib/tune.mjs";
import { pytorch, pytorchChoices } from "../training/contenders.mjs";
import { writeImdbRows } from "../training/imdb-rows.mjs";

const { values: options } = parseArgs({
  options: {
    rows: { type: "string", default: "2000" },
    epochs: { type: "string", default: "3" },
    length: { type: "string", default: "128" },
    size: { type: "string", default: "base" },
    rounds: { type: "string", default: "1" },
    threads: { type: "string", default: String(availableParallelism()) },
    "no-save": { type: "boolean", default: false },
  },
});
const BATCH_SIZE = 8;
const TUNING_STEPS = 4;
const say = (text) => process.stderr.write(`${text}\n`);
const [count, epochs, length, threads] = ["rows", "epochs", "length", "threads"].map((name) => Number(options[name]));
const python = requirePython();
const folder = runPython(python, "make_random_base.py", ["--size", options.size]);
const config = readJson(folder, "config.json");
const steps = epochs * Math.ceil(count / BATCH_SIZE);
const work = mkdtempSync(join(tmpdir(), "node-bert-frozen-"));
const rows = join(work, "rows.safetensors");

/** PyTorch with the encoder frozen, at the best of its settings in either precision. */
async function tunePyTorch() {
  const settings = { learningRate: 5e-5, weightDecay: 0, maxGradientNorm: 1 };
  const workload = { folder, batchSize: BATCH_SIZE, length, threads, plannedSteps: steps, ...settings };
  const { bf16Rounds } = JSON.parse(runPython(python, "probe_matmul.py"));
  const found = [];
  for (const precision of ["fp32", "bf16"]) {
    const build = (chosen) => {
      const spec = pytorch(python, `pytorch-${precision}`, chosen, workload, rows, { pad: "max" });
      return { ...spec, command: [...spec.command, "--freeze"] };
    };
    const { best, tried } = await tune(pytorchChoices(precision, { bf16Rounds }), build, async (spec) => {
      const times = await withContenders([spec], async ([contender]) => {
        await contender.send({ run: 1 });
        return (await contender.send({ run: TUNING_STEPS })).steps.map(({ seconds }) => seconds);
      });
      say(`  ${Math.min(...times).toFixed(3)} s a step: ${spec.settings.join(", ")}`);
      return { secondsPerStep: Math.min(...times) };
    });
    found.push({ best, tried, seconds: tried[0].secondsPerStep });
  }
  return found.sort((a, b) => a.seconds - b.seconds)[0];
}

async function runPyTorch({ best }) {
  return withContenders([best], async ([contender]) => {
    const { seconds, steps: taken } = await contender.send({ run: steps });
    return { seconds, loss: taken.at(-1).loss, versions: contender.versions };
  });
}

function runNodeBert(way, precision) {
  const script = join(root, "benchmarks", "frozen", "node-bert.mjs");
  const flags = ["--way", way, "--model", folder, "--rows", rows, "--epochs", epochs, "--precision", precision];
  const { status, stdout } = spawnSync(process.execPath, [script, ...flags.map(String), "--threads", String(threads)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", 2],
  });
  if (status !== 0) throw new Error(`node-bert, ${way} failed (exit ${status})`);
  return JSON.parse(stdout);
}

try {
  await writeImdbRows(rows, { count, length });
  const tuned = await tunePyTorch();
  const contenders = [
    { name: "pytorch, every epoch", settings: tuned.best.settings, tried: tuned.tried, run: () => runPyTorch(tuned) },
    { name: "node-bert, every epoch", settings: ["auto precision"], run: () => runNodeBert("head", "auto") },
    {
      name: "node-bert, features once and a probe",
      settings: ["auto precision"],
      run: () => runNodeBert("probe", "auto"),
    },
  ];
  const answers = contenders.map(() => []);
  const [loadBefore] = loadavg();
  for (let round = 0; round < Number(options.rounds); round++)
    for (const [i, { name, run }] of contenders.entries()) {
      answers[i].push(await run());
      say(`${name}: ${answers[i].at(-1).seconds.toFixed(1)} s`);
    }
  const losses = answers.flat().map(({ loss }) => loss);
  const machine = fingerprint(Object.assign({}, ...answers.flat().map(({ versions }) => versions)));
  const result = {
    benchmark: "frozen",
    date: new Date().toISOString().slice(0, 10),
    fingerprint: machine,
    loadBefore,
    workload: {
      model: "BertForSequenceClassification, random weights, encoder frozen",
      layers: config.num_hidden_layers,
      hiddenSize: config.hidden_size,
      rows: `${count} shuffled training reviews of IMDb`,
      length,
      epochs,
      threads,
    },
    check: {
      what: "every contender's loss of two classes is below 1",
      passed: losses.every((loss) => loss > 0 && loss < 1),
    },
    contenders: contenders.map(({ name, settings, tried }, i) => {
      const seconds = answers[i].map((answer) => answer.seconds);
      const rates = seconds.map((taken) => count / taken);
      return { name, settings, tried, samplesPerSecond: summarize(rates), seconds: summarize(seconds) };
    }),
  };
  if (!options["no-save"]) say(`written: ${writeResult(`frozen-${processorClass(machine)}`, result)}`);
  process.stdout.write(`${JSON.stringify(result)}\n`);
} catch (error) {
  say(error.message);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
