// A linear probe on frozen MiniLM features, ours beside Hugging Face's features with scikit-learn's classifier, on the same balanced IMDb rows.
//   NODE_BERT_DATA=… node benchmarks/accuracy/probe.mjs [--rows 400] [--seeds 42,1,2,3,4]
// A seed chooses `--rows` of train and as many of test, as `bert compare --stratify --seed` does; the first is the command's default. Kept in
// probe.json; README.md is rendered from it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BertForSequenceClassification, linearProbe } from "@node-bert/bert";
import { BertTokenizer, loadDataset } from "@node-bert/datasets";
import { fetchMiniLm } from "../../scripts/fetch-minilm.mjs";
import { ensurePython } from "../../scripts/setup-python.mjs";
import { root } from "../lib/fingerprint.mjs";
import { render } from "./render.mjs";

const MAX_LENGTH = 128;
const { values } = parseArgs({
  options: { rows: { type: "string", default: "400" }, seeds: { type: "string", default: "42,1,2,3,4" } },
});
const rows = Number(values.rows);
const folder = fetchMiniLm();
const { train, test } = await loadDataset("imdb", { split: { train: "train", test: "test" } });
const tokenizer = await BertTokenizer.fromPretrained(folder);
const encode = (part) => ({
  ...tokenizer.encodeBatch(part.texts(), { maxLength: MAX_LENGTH }),
  labels: part.labels(),
});
const model = await BertForSequenceClassification.fromPretrained(folder, { numLabels: 2 });

async function probeWithOurs(chosen) {
  const encoded = { train: encode(chosen.train), test: encode(chosen.test) };
  const accuracy = {};
  for (const pooling of ["mean", "cls", "pooler"])
    accuracy[pooling] = (await linearProbe(model, encoded.train, encoded.test, { pooling })).evaluation.accuracy;
  return accuracy;
}

function probeWithPython(chosen) {
  for (const [name, part] of Object.entries(chosen)) writeFileSync(join(work, `${name}.jsonl`), part.toJSONL());
  const files = ["--rows", join(work, "train.jsonl"), "--eval-rows", join(work, "test.jsonl")];
  const args = [join(root, "python/probe.py"), "--model", folder, ...files, "--max-length", String(MAX_LENGTH)];
  const { status, stdout, stderr } = spawnSync(ensurePython(), args, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

const work = mkdtempSync(join(tmpdir(), "node-bert-probe-"));
const draws = [];
try {
  for (const seed of values.seeds.split(",").map(Number)) {
    const choose = (all) => all.trainTestSplit({ trainSize: rows, stratify: true, seed }).train;
    const chosen = { train: choose(train), test: choose(test) };
    draws.push({ seed, "node-bert": await probeWithOurs(chosen), "scikit-learn": probeWithPython(chosen) });
    process.stdout.write(`${JSON.stringify(draws.at(-1))}\n`);
  }
  const results = { rows, maxLength: MAX_LENGTH, draws };
  writeFileSync(join(import.meta.dirname, "probe.json"), `${JSON.stringify(results, null, 1)}\n`);
} finally {
  model.dispose();
  rmSync(work, { recursive: true, force: true });
}
render();
