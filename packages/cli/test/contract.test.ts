// The JSON that scripts rely on: one document on stdout, with these keys.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Ended, makeFolder, reviews, runBert, TINY } from "./support/run-bert.js";

const cwd = makeFolder({
  "rows.jsonl": reviews(24),
  "rows.csv": 'text,label\na good film,pos\n"a bad, bad film",neg\n',
});
const EVALUATION = ["rows", "accuracy", "f1", "mcc", "rocAuc", "loss", "confusion"];
const TRAIN = ["rows", "steps", "epochs", "tokens", "paddedTokens", "seconds", "samplesPerSecond", "tokensPerSecond"];
TRAIN.push("peakMemoryBytes", "log");

function parse(t: ExecutionContext, { code, stdout, stderr }: Ended) {
  t.is(code, 0, stderr);
  t.is(stdout.trim().split("\n").length, 1);
  return JSON.parse(stdout);
}

function hasKeys(t: ExecutionContext, object: object, keys: readonly string[]) {
  for (const key of keys) t.true(key in object, `${key} is missing`);
}

test("predict: label, score and logits, in input order", async (t) => {
  const texts = ["good film", "bad film", ""];
  const all = parse(t, await runBert(["predict", "--model", TINY, "--json", ...texts.flatMap((x) => ["--text", x])]));
  t.deepEqual(Object.keys(all), ["predictions"]);
  t.is(all.predictions.length, 3);
  for (const [i, prediction] of all.predictions.entries()) {
    t.deepEqual(Object.keys(prediction), ["label", "score", "logits"]);
    const { label, score, logits } = prediction;
    t.is(label, logits[0] > logits[1] ? "neg" : "pos");
    const [low, high] = [Math.min(...logits), Math.max(...logits)];
    t.true(Math.abs(score - 1 / (1 + Math.exp(low - high))) < 1e-12);
    const alone = parse(t, await runBert(["predict", "--model", TINY, "--json", "--text", texts[i]]));
    t.true(Math.abs(alone.predictions[0].logits[0] - logits[0]) < 1e-5);
  }
});

test("predict reads JSONL and CSV", async (t) => {
  const jsonl = parse(t, await runBert(["predict", "--model", TINY, "--file", "rows.jsonl", "--json"], { cwd }));
  t.is(jsonl.predictions.length, 24);
  const csv = parse(t, await runBert(["predict", "--model", TINY, "--file", "rows.csv", "--json"], { cwd }));
  t.is(csv.predictions.length, 2);
});

test("tokenize: offsets in UTF-16 units, [0,0] and null for special tokens", async (t) => {
  const run = (length: string) =>
    runBert(["tokenize", "--model", TINY, "--text", "😀 good film", "--max-length", length, "--json"]);
  const { rows } = parse(t, await run("none"));
  t.deepEqual(Object.keys(rows[0]), ["ids", "tokens", "offsets", "wordIds"]);
  const { ids, tokens, offsets, wordIds } = rows[0];
  t.deepEqual(tokens.slice(0, 3), ["[CLS]", "[UNK]", "good"]);
  t.deepEqual(offsets.slice(0, 3), [[0, 0], [0, 2], [3, 7]]); // biome-ignore format: short
  t.deepEqual(wordIds.slice(0, 3), [null, 0, 1]);
  t.is(wordIds.at(-1), null);
  t.deepEqual(offsets.at(-1), [0, 0]);
  t.is(ids.length, tokens.length);
  const short = parse(t, await run("4")).rows[0];
  t.deepEqual(short.tokens, ["[CLS]", "[UNK]", "good", "[SEP]"]);
});

test("finetune and evaluate: train, log and eval", async (t) => {
  const base = ["--dataset", "rows.jsonl", "--json", "--quiet"];
  const options = ["--epochs", "2", "--log-every", "1", "--order", "sequential", "--dropout", "0", "--seed", "7"];
  const splits = ["--train-split", "train[:16]", "--eval-split", "train[16:]"];
  const run = ["finetune", "--model", TINY, "--output", "run", ...base, ...options, ...splits];
  const result = parse(t, await runBert(run, { cwd }));
  t.deepEqual(Object.keys(result), ["output", "train", "eval"]);
  t.is(result.output, "run");
  hasKeys(t, result.train, TRAIN);
  hasKeys(t, result.eval, EVALUATION);
  t.is(result.train.rows, 16);
  t.is(result.train.steps, 4);
  t.is(result.train.log.length, 4);
  t.deepEqual(
    result.train.log.map(({ step }: { step: number }) => step),
    [1, 2, 3, 4],
  );
  const rates = result.train.log.map(({ learningRate }: { learningRate: number }) => learningRate);
  for (const [step, rate] of rates.entries()) t.true(Math.abs(rate - 5e-5 * (1 - step / 4)) < 1e-15);
  for (const entry of result.train.log) {
    t.deepEqual(Object.keys(entry), ["step", "loss", "learningRate", "gradientNorm"]);
    t.true(entry.loss > 0 && entry.gradientNorm > 0);
  }
  t.is(result.eval.rows, 8);
  t.is(
    result.eval.confusion.flat().reduce((sum: number, n: number) => sum + n),
    8,
  );
  for (const file of ["config.json", "model.safetensors", "tokenizer.json", "run.json", "report.html"])
    t.true(existsSync(join(cwd, "run", file)), file);

  const again = parse(t, await runBert(["evaluate", "--model", "run", "--split", "train[16:]", ...base], { cwd }));
  hasKeys(t, again, EVALUATION);
  t.deepEqual(again.confusion, result.eval.confusion);
  t.true(Math.abs(again.loss - result.eval.loss) < 1e-6);
  t.is(again.recorded, undefined, "nothing was lost: it is the same precision");

  const int8 = ["evaluate", "--model", "run", "--precision", "int8", ...base];
  const short = parse(t, await runBert([...int8, "--split", "train[16:]"], { cwd }));
  t.deepEqual(short.recorded, {
    precision: "fp32",
    accuracy: result.eval.accuracy,
    accuracyLost: result.eval.accuracy - short.accuracy,
  });
  const others = parse(t, await runBert([...int8, "--split", "train[:8]"], { cwd }));
  t.is(others.rows, 8);
  t.is(others.recorded, undefined, "the record is of other rows");
  const words = await runBert([...int8.slice(0, 7), "--split", "train[16:]"], { cwd });
  t.regex(words.stdout, /int8 (loses|gains) \d+\.\d\d points of accuracy: .* against .* in fp32 on the same rows/);
});

test("compare: every method on the same rows", async (t) => {
  const args = ["compare", "--model", TINY, "--dataset", "rows.jsonl", "--output", "compare", "--epochs", "1"];
  const { methods } = parse(t, await runBert([...args, "--keep-layers", "1", "--json", "--quiet"], { cwd }));
  const names = methods.map(({ name }: { name: string }) => name);
  t.deepEqual(names, ["untrained", "probe", "last-k", "partial", "full"]);
  for (const method of methods) {
    hasKeys(t, method, ["name", "trainableParameters", "seconds", "eval"]);
    hasKeys(t, method.eval, EVALUATION);
    t.is(method.eval.rows, 5);
  }
  t.is(methods[0].trainableParameters, 0);
  t.true(methods[2].trainableParameters < methods[4].trainableParameters);
});

test("compare shows a person the untrained head's raw predictions, and counts seeds together", async (t) => {
  const args = [
    "compare",
    "--model",
    TINY,
    "--dataset",
    "rows.jsonl",
    "--output",
    "shown",
    "--epochs",
    "1",
    "--seeds",
    "2",
  ];
  const { code, stdout, stderr } = await runBert([...args, "--methods", "untrained,full"], { cwd });
  t.is(code, 0, stderr);
  t.regex(stdout, /^untrained head +[\d.]+ ± [\d.]+ % \(2 seeds\)/m);
  t.regex(stdout, /raw predictions of the first 5 evaluation rows:\nactual +predicted +score +logits\n/);
  t.is(stdout.match(/^(neg|pos) +(neg|pos) +\d+\.\d % +-?\d\.\d{3} {2}-?\d\.\d{3}$/gm)?.length, 5);
});

test("evaluate goes by the names of the classes, and warns of one class", async (t) => {
  const positive = { "positive.jsonl": '{"text": "a good film", "label": "pos"}\n'.repeat(3) };
  const folder = makeFolder(positive);
  const args = ["evaluate", "--model", TINY, "--dataset", "positive.jsonl", "--split", "train", "--json"];
  const ended = await runBert(args, { cwd: folder });
  const { confusion } = parse(t, ended);
  t.deepEqual(confusion[0], [0, 0], "no row is neg");
  t.is(confusion[1][0] + confusion[1][1], 3);
  t.regex(ended.stderr, /All 3 rows of the test split are "pos".*bert evaluate: --rows\) 3 --stratify/);
});

test("a classifier that nobody has trained is called what it is", async (t) => {
  const files = Object.fromEntries(readdirSync(TINY).map((name) => [name, readFileSync(join(TINY, name))]));
  const weights = files["model.safetensors"].toString("latin1").replaceAll('"classifier.', '"classifiex.');
  const folder = makeFolder({ ...files, "model.safetensors": Buffer.from(weights, "latin1") });
  const { code, stderr } = await runBert(["predict", "--model", folder, "--text", "good", "--json"]);
  t.is(code, 0, stderr);
  t.regex(stderr, /Warning: .* has no trained classifier: its random head guesses/);
  t.notRegex((await runBert(["predict", "--model", TINY, "--text", "good"])).stderr, /Warning/);
});

test("features, data and doctor print one document each", async (t) => {
  const features = ["features", "--model", TINY, "--dataset", "rows.jsonl", "--output", "f.safetensors", "--json"];
  t.like(parse(t, await runBert(features, { cwd })), { output: "f.safetensors", rows: 24, width: 32, pooling: "mean" });
  t.true(existsSync(join(cwd, "f.safetensors")));
  const data = parse(t, await runBert(["data", "rows.jsonl", "--json"], { cwd }));
  t.is(data.splits[0].rows, 24);
  const doctor = parse(t, await runBert(["doctor", "--json"]));
  t.true(doctor.passed);
  t.regex(
    doctor.machine.precisionAuto,
    /^precision (bf16|fp32): matrix products run at \d+ GFLOP\/s in bf16 and \d+ in fp32 here/,
  );
  t.true(doctor.results.length > 20);
});

test("bench measures shapes and precisions, and keeps the result", async (t) => {
  const shapes = ["--inference", "1x8,2x16", "--training", "2x8", "--seconds", "0.02", "--quiet"];
  const args = ["bench", "--model", TINY, ...shapes, "--precision", "fp32,int8", "--output", "bench.json"];
  const result = parse(t, await runBert([...args, "--json"], { cwd }));
  t.deepEqual(JSON.parse(readFileSync(join(cwd, "bench.json"), "utf8")), result);
  hasKeys(t, result, ["date", "machine", "model", "results"]);
  hasKeys(t, result.machine, ["node", "platform", "processor", "cores", "memoryBytes", "device"]);
  const measured = result.results.map(
    ({ work, batchSize, length, precision }: { work: string; batchSize: number; length: number; precision: string }) =>
      `${work} ${batchSize}x${length} ${precision}`,
  );
  t.deepEqual(measured, [
    ...["inference 1x8 fp32", "inference 2x16 fp32", "training 2x8 fp32"],
    ...["inference 1x8 int8", "inference 2x16 int8"],
  ]);
  for (const { sequencesPerSecond } of result.results) {
    hasKeys(t, sequencesPerSecond, ["n", "median", "p10", "p90"]);
    t.true(sequencesPerSecond.p10 > 0);
  }
  const words = await runBert(["bench", "--model", TINY, "--inference", "1x8", "--training", "none"], { cwd });
  t.regex(words.stdout, /^work +shape +precision[\s\S]*inference +1 × 8 +fp32/);
  t.is((await runBert(["bench", "--inference", "8*128"], { cwd })).code, 2);
});
