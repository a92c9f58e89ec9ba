// Fine-tuning as a user starts it, on CUDA and on the CPU: the same loss at each step, and the same accuracy.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { makeFolder, runBert, TINY } from "../support/run-bert.js";

const CUDA = process.env.NODE_BERT_TEST_CUDA || "cuda-emulated";
const library = `libnode_bert_cuda${CUDA === "cuda-emulated" ? "_emulated" : ""}.so`;
const isThere = existsSync(fileURLToPath(new URL(`../../../../cuda/build/${library}`, import.meta.url)));
const cudaTest = isThere ? test.serial : test.skip;

/** Real data, which is not part of the repository: NODE_BERT_DATA, default `../shared/data` beside the checkout. */
const DATA = process.env.NODE_BERT_DATA || fileURLToPath(new URL("../../../../../shared/data", import.meta.url));
const IMDB = join(DATA, "imdb", "aclImdb-first-100.tar.gz");

interface Run {
  losses: number[];
  eval: { loss: number; accuracy: number };
}

/** A run with dropout in 32-bit numbers, with the loss of each step. */
async function finetune(folder: string, device: string, args: readonly string[]): Promise<Run> {
  const output = join(folder, device.replace(":", "-"));
  const always = ["--dropout", "0.1", "--precision", "fp32", "--stratify", "--json"];
  const run = ["finetune", ...args, ...always, "--device", device, "--output", output];
  const { code, stdout, stderr } = await runBert(run, { cwd: folder });
  if (code !== 0) throw new Error(stderr);
  const events = readFileSync(join(output, "metrics.jsonl"), "utf8").trim().split("\n");
  const steps = events.map((line) => JSON.parse(line)).filter(({ type }) => type === "step");
  return { losses: steps.map(({ loss }) => loss), eval: JSON.parse(stdout).eval };
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

const RUNS = [
  {
    what: "30 steps on its own reviews",
    dataset: "reviews",
    args: ["--model", TINY, "--train-rows", "8", "--eval-rows", "4", "--batch-size", "4", "--epochs", "15"],
    steps: 30,
    learns: true,
  },
  {
    what: "30 steps on reviews of IMDb",
    dataset: IMDB,
    args: ["--model", TINY, "--train-rows", "8", "--eval-rows", "4", "--batch-size", "4", "--epochs", "15"],
    steps: 30,
    learns: true,
  },
  {
    what: "tiny on reviews of IMDb",
    dataset: IMDB,
    args: ["--model", "tiny", "--train-rows", "12", "--eval-rows", "6", "--batch-size", "4", "--epochs", "1"],
    steps: 3,
    learns: false,
  },
];

for (const { what, dataset, args, steps, learns } of RUNS)
  cudaTest(`bert finetune --device ${CUDA}, ${what}: the CPU's losses and accuracy, dropout on`, async (t) => {
    if (dataset === IMDB && !existsSync(IMDB)) {
      t.log(`SKIPPED: there is no ${IMDB}; set NODE_BERT_DATA`);
      return t.pass();
    }
    const folder = makeFolder();
    const all = [...args, "--dataset", dataset, "--max-length", "32", "--learning-rate", "3e-3"];
    const expected = await finetune(folder, "cpu", all);
    const actual = await finetune(folder, CUDA, all);
    const near = (value: number, wanted: number) =>
      t.true(Math.abs(value - wanted) <= 1e-4 * wanted, `${value}, the CPU has ${wanted}`);
    t.is(actual.losses.length, steps);
    for (const [step, loss] of actual.losses.entries()) near(loss, expected.losses[step]);
    near(actual.eval.loss, expected.eval.loss);
    t.is(actual.eval.accuracy, expected.eval.accuracy);
    if (learns)
      t.true(mean(actual.losses.slice(-10)) < 0.9 * mean(actual.losses.slice(0, 10)), `losses ${actual.losses}`);
    rmSync(folder, { recursive: true, force: true });
  });
