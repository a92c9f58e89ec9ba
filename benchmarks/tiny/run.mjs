// What pretraining is worth: the model of packages/tiny on all 25,000 test reviews of IMDb, probed and fine-tuned, beside the same architecture from
// random values.
//   NODE_BERT_DATA=… node benchmarks/tiny/run.mjs [--only probe-25000,tiny-2000,…] [--threads 2]
// Every finished case is kept at once in results.json, with what it was measured on, and not run again while the weights and the settings are the
// same. README.md here and the table in the model card are rendered from it.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BertForMaskedLM, readConfig } from "@node-bert/bert";
import { BertTokenizer } from "@node-bert/datasets";
import { fingerprint, root } from "../lib/fingerprint.mjs";
import { CASES, renderModelCard, renderPage } from "./render.mjs";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: Object.keys(CASES).join(",") },
    threads: { type: "string", default: "1" },
  },
});
const here = import.meta.dirname;
const tiny = join(root, "packages", "tiny");
const resultsPath = join(here, "results.json");
const weights = createHash("sha256")
  .update(readFileSync(join(tiny, "model.safetensors")))
  .digest("hex");
const work = mkdtempSync(join(tmpdir(), "node-bert-tiny-"));

/** Results of other weights say nothing of these. */
const readCases = () => {
  const known = existsSync(resultsPath) ? JSON.parse(readFileSync(resultsPath, "utf8")) : undefined;
  return known?.weights === weights ? known.cases : [];
};

/** The architecture with the values that training from scratch begins with. */
async function randomModel() {
  const folder = join(work, "random");
  const model = BertForMaskedLM.fromConfig(await readConfig(tiny), { seed: 1 });
  await model.savePretrained(folder, { tokenizer: await BertTokenizer.fromPretrained(tiny) });
  model.dispose();
  return folder;
}

async function argumentsOf({ method, start, rows, settings }) {
  const model = start === "tiny" ? tiny : await randomModel();
  const command = method === "probe" ? ["compare", "--methods", "probe"] : ["finetune"];
  const flags = Object.entries(settings).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
  const chosen = ["--model", model, "--dataset", "imdb", "--train-rows", String(rows), "--stratify", "--shuffle"];
  return [
    ...command,
    ...chosen,
    ...flags,
    "--threads",
    options.threads,
    "--output",
    join(work, "run"),
    "--json",
    "--quiet",
  ];
}

function bert(args) {
  return new Promise((resolve, reject) => {
    // Features are computed each time: a cache would say nothing of the time it takes.
    const env = { ...process.env, HF_HOME: join(work, "hf") };
    const child = spawn(process.execPath, [join(root, "packages/cli/bin/bert.js"), ...args], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output));
      else reject(new Error(`bert ${args.join(" ")} ended with ${code}`));
    });
  });
}

try {
  for (const name of options.only.split(",")) {
    const what = CASES[name];
    if (what === undefined)
      throw new Error(`there is no case ${name}; expected some of ${Object.keys(CASES).join(",")}`);
    const settings = JSON.stringify(what);
    if (readCases().some((known) => known.name === name && known.settings === settings)) continue;
    const started = performance.now();
    const result = await bert(await argumentsOf(what));
    const evaluation = result.eval ?? result.methods[0].eval;
    const measured = {
      name,
      settings,
      accuracy: evaluation.accuracy,
      interval: evaluation.accuracyInterval,
      evaluated: evaluation.rows,
      trainingSeconds: result.train?.seconds ?? result.methods[0].seconds,
      seconds: (performance.now() - started) / 1000,
      threads: Number(options.threads),
      fingerprint: fingerprint(),
    };
    const cases = [...readCases().filter((known) => known.name !== name), measured];
    writeFileSync(resultsPath, `${JSON.stringify({ weights, cases }, null, 1)}\n`);
    process.stderr.write(`${name}: ${(100 * evaluation.accuracy).toFixed(2)} %\n`);
  }
  const cases = readCases();
  writeFileSync(join(here, "README.md"), renderPage(cases));
  const card = join(tiny, "README.md");
  if (existsSync(card)) writeFileSync(card, renderModelCard(readFileSync(card, "utf8"), cases));
} finally {
  rmSync(work, { recursive: true, force: true });
}
