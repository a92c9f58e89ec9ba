// bert vocabulary and bert pretrain as a shell sees them, a power cut included.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { makeFolder, runBert, TINY } from "./support/run-bert.js";

const cwd = makeFolder({ "empty.txt": "" });
const vocabulary = [
  "vocabulary",
  "--dataset",
  "reviews",
  "--size",
  "500",
  "--alphabet",
  "60",
  "--output",
  "vocabulary",
];
const model = ["--vocabulary", "vocabulary", "--layers", "2", "--hidden", "32", "--heads", "2", "--positions", "48"];
const pretrain = [
  "pretrain",
  "--dataset",
  "reviews",
  "--held-out",
  "0.1",
  "--tokens-per-batch",
  "400",
  "--learning-rate",
  "1e-3",
];

test.before("a vocabulary of the embedded reviews", async (t) => {
  const { code, stdout, stderr } = await runBert([...vocabulary, "--json"], { cwd });
  t.is(code, 0, stderr);
  t.like(JSON.parse(stdout), { output: "vocabulary", tokens: 500, rows: 300 });
  for (const file of ["vocab.txt", "tokenizer.json", "tokenizer_config.json"])
    t.true(existsSync(join(cwd, "vocabulary", file)), file);
});

test("a run that is killed and resumed ends bit by bit as one that was not", async (t) => {
  const args = [...pretrain, ...model, "--epochs", "6", "--save-steps", "20", "--quiet"];
  const straight = await runBert([...args, "--output", "straight", "--json"], { cwd });
  t.is(straight.code, 0, straight.stderr);

  let killed = false;
  const halted = await runBert([...args, "--output", "halted"], {
    cwd,
    onStderr(said, child) {
      if (killed || !said.includes("parameters are trained")) return;
      killed = true;
      const wait = setInterval(() => {
        const saved = existsSync(join(cwd, "halted")) ? readdirSync(join(cwd, "halted")) : [];
        if (!saved.some((name) => name.startsWith("checkpoint-"))) return;
        clearInterval(wait);
        child.kill("SIGKILL");
      }, 5);
    },
  });
  t.is(halted.code, null, "killed, not ended");
  t.false(existsSync(join(cwd, "halted", "model.safetensors")));
  const newest = readdirSync(join(cwd, "halted"))
    .filter((name) => name.startsWith("checkpoint-"))
    .sort((a, b) => Number(b.slice(11)) - Number(a.slice(11)))[0];
  const steps = JSON.parse(straight.stdout).train.steps as number;
  t.true(Number(newest.slice(11)) < steps, `${newest} of ${steps} steps`);

  const resumed = await runBert([...args, "--output", "halted", "--resume", join("halted", newest), "--json"], { cwd });
  t.is(resumed.code, 0, resumed.stderr);
  const weights = (folder: string) => readFileSync(join(cwd, folder, "model.safetensors"));
  t.true(weights("halted").equals(weights("straight")));
  t.deepEqual(JSON.parse(resumed.stdout).heldOut, JSON.parse(straight.stdout).heldOut);
});

test("it goes on from any checkpoint, whole words masked, and shows the curve; the report has what came of it", async (t) => {
  const texts = {
    "texts.txt": Array.from({ length: 60 }, (_, i) => `a good film number ${i}, and a bad one\n`).join(""),
  };
  const folder = makeFolder(texts);
  const args = ["pretrain", "--model", TINY, "--dataset", "texts.txt", "--whole-words", "--tokens-per-batch", "100"];
  const more = ["--held-out", "0.1", "--eval-steps", "4", "--save-precision", "bf16", "--output", "further"];
  const { code, stdout, stderr } = await runBert([...args, ...more], { cwd: folder });
  t.is(code, 0, stderr);
  t.regex(
    stdout,
    /Loss at masked tokens, by step\n[\s\S]*│[\s\S]*held-out texts: loss \d\.\d+ \(perplexity [\d.]+\), accuracy [\d.]+ %/,
  );
  t.regex(stderr, /step 4: validation accuracy/);
  t.regex(stderr, /tokens\/s/);
  const run = JSON.parse(readFileSync(join(folder, "further", "run.json"), "utf8"));
  t.true(run.heldOut.predictions > 0);
  t.is(run.configuration.wholeWords, true);
  t.regex(readFileSync(join(folder, "further", "report.html"), "utf8"), /accuracy at masked tokens/);
  t.is(JSON.parse(readFileSync(join(folder, "further", "config.json"), "utf8")).dtype, "bfloat16");
  const features = [
    "features",
    "--model",
    "further",
    "--dataset",
    "texts.txt",
    "--split",
    "train",
    "--output",
    "f.safetensors",
  ];
  t.is((await runBert(features, { cwd: folder })).code, 0);
});

test("what it cannot work with", async (t) => {
  const end = async (args: string[], code: number, says: RegExp) => {
    const result = await runBert(args, { cwd });
    t.is(result.code, code, result.stderr);
    t.regex(result.stderr, says);
    t.notRegex(result.stderr, /this is a bug|\n\s+at /);
  };
  await end([...pretrain, "--output", "x"], 2, /expected either --model/);
  await end(
    [...pretrain, "--model", TINY, "--vocabulary", "vocabulary", "--output", "x"],
    2,
    /expected either --model/,
  );
  await end([...pretrain, ...model, "--max-length", "49", "--output", "x"], 1, /maxLength is 49, expected at most 48/);
  await end([...pretrain, ...model, "--heads", "3", "--output", "x"], 1, /hidden_size is 32, expected a multiple/);
  await end(
    ["vocabulary", "--dataset", "reviews", "--size", "20", "--output", "x"],
    1,
    /size is 20, expected at least/,
  );
  await end(["vocabulary", "--dataset", "empty.txt", "--output", "x"], 1, /no rows/);
});
