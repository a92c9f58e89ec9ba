// From the shell to the first answer: `bert predict` with a model of BERT-base's size whose folder lies in the page cache, one text, a process a round.
//   node benchmarks/startup/run.mjs [--rounds 15] [--model <folder>] [--no-save]
// Node with an empty program, and `bert doctor --help`, which loads one command and opens nothing, tell how much of it is Node and how much is modules.
// The contenders take turns; the first round is warm-up, and its reading brings the folder into the page cache.
import { spawnSync } from "node:child_process";
import { loadavg } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ensurePython } from "../../scripts/setup-python.mjs";
import { fingerprint, processorClass, root } from "../lib/fingerprint.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string", default: "15" },
    model: { type: "string" },
    "no-save": { type: "boolean", default: false },
  },
});

const TEXT = "a fine film";

function randomBase() {
  const python = ensurePython();
  if (python === undefined) throw new Error("no Python to make the model with: give --model <folder>");
  const made = spawnSync(python, [join(root, "python", "make_random_base.py")], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`make_random_base.py failed:\n${made.stderr}`);
  return made.stdout.trim();
}

/** One process as a shell times it; its stdout comes back by a pipe of its own. @returns seconds of wall clock and of processor, and that stdout */
function time({ name, args }) {
  const script = 'exec 3>&2; TIMEFORMAT="%R %U %S"; { time "$@" 2>&3; } 2>&1 >&4 4>&-';
  const { status, stdout, stderr, output } = spawnSync("bash", ["-c", script, "bash", process.execPath, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe", "ignore", "pipe"],
  });
  if (status !== 0) throw new Error(`${name} failed:\n${stderr}`);
  const [wall, user, system] = stdout.trim().split(" ").map(Number);
  return { wall, processor: user + system, answer: output[4] };
}

const model = resolve(options.model ?? randomBase());
const bert = join(root, "packages", "cli", "bin", "bert.js");
const CONTENDERS = [
  { name: "Node, an empty program", args: ["--eval", ""] },
  { name: "bert doctor --help", args: [bert, "doctor", "--help"] },
  { name: "bert predict", args: [bert, "predict", "--model", model, "--text", TEXT, "--json"] },
];

const measured = new Map(CONTENDERS.map(({ name }) => [name, []]));
for (const contender of CONTENDERS) time(contender);
const [loadBefore] = loadavg();
for (let round = 0; round < Number(options.rounds); round++)
  for (const contender of CONTENDERS) measured.get(contender.name).push(time(contender));

const answers = new Set(measured.get("bert predict").map(({ answer }) => answer));
const [first] = [...answers].map((answer) => JSON.parse(answer).predictions);
const result = {
  benchmark: "startup",
  date: new Date().toISOString().slice(0, 10),
  fingerprint: fingerprint({}),
  loadBefore,
  workload: {
    model: options.model === undefined ? "a random model of bert-base-uncased's size" : basename(model),
    text: TEXT,
  },
  check: {
    what: "every bert predict gives the same answer, of one text",
    passed: answers.size === 1 && first.length === 1,
  },
  contenders: CONTENDERS.map(({ name }) => {
    const runs = measured.get(name);
    return {
      name,
      samplesPerSecond: summarize(runs.map(({ wall }) => 1 / wall)),
      wallSeconds: summarize(runs.map(({ wall }) => wall)),
      processorSeconds: summarize(runs.map(({ processor }) => processor)),
    };
  }),
};
for (const { name, wallSeconds, processorSeconds } of result.contenders) {
  const [wall, processor] = [wallSeconds, processorSeconds].map(({ median }) => median.toFixed(3));
  process.stderr.write(`${name}: ${wall} s, ${processor} s of processor time\n`);
}
if (!options["no-save"])
  process.stderr.write(`written: ${writeResult(`startup-${processorClass(result.fingerprint)}`, result)}\n`);
process.stdout.write(`${JSON.stringify(result)}\n`);
