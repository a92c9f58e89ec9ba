// Loading: all of IMDb, 100,000 reviews, from parquet to packed batches, and writes benchmarks/results/loading-<class>.json.
//   node benchmarks/loading/run.mjs [--rounds 3] [--max-length 512] [--batch-size 32] [--data ../shared/data]
// Every measurement is a process of its own, so that its peak memory is its own. The contenders take turns; "first run" finds an
// empty cache, "second run" what the first one left. RAYON_NUM_THREADS=1: one thread each.
// The peer takes most of a minute and is measured once.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fingerprint, processorClass, root } from "../lib/fingerprint.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";

const { values: flags } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    "max-length": { type: "string", default: "512" },
    "batch-size": { type: "string", default: "32" },
    data: { type: "string", default: process.env.NODE_BERT_DATA ?? join(root, "..", "shared", "data") },
  },
});

const workload = {
  rows: "All of IMDb (train, test, unsupervised), 100,000 reviews, from three parquet files",
  vocabulary: "bert-base-uncased",
  maxLength: Number(flags["max-length"]),
  batchSize: Number(flags["batch-size"]),
  threads: 1,
};

const CONTENDERS = [
  { name: "node-bert, first run", script: "node-bert.mjs", cache: "empty" },
  { name: "node-bert, second run", script: "node-bert.mjs", cache: "kept" },
  { name: "hyparquet + tokenizers (Rust)", script: "tokenizers.mjs", cache: "none", rounds: 1 },
];

function measure({ name, script }, cacheDir) {
  const data = resolve(flags.data);
  const job = {
    files: ["train", "test", "unsupervised"].map((split) =>
      join(data, `imdb/plain_text/${split}-00000-of-00001.parquet`),
    ),
    tokenizer: join(data, "vocab/bert-base-uncased"),
    maxLength: workload.maxLength,
    batchSize: workload.batchSize,
    cacheDir,
  };
  const path = fileURLToPath(new URL(script, import.meta.url));
  const environment = { ...process.env, RAYON_NUM_THREADS: "1", TOKENIZERS_PARALLELISM: "false" };
  const result = spawnSync(process.execPath, [path, JSON.stringify(job)], { encoding: "utf8", env: environment });
  if (result.status !== 0) throw new Error(`${name} failed:\n${result.stderr}`);
  return JSON.parse(result.stdout);
}

const cacheDir = mkdtempSync(join(tmpdir(), "benchmark-loading-"));
const answers = new Map(CONTENDERS.map(({ name }) => [name, []]));
const [loadBefore] = loadavg();
try {
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const contender of CONTENDERS) {
      if (round >= (contender.rounds ?? Number.POSITIVE_INFINITY)) continue;
      if (contender.cache === "empty") rmSync(cacheDir, { recursive: true, force: true });
      const answer = measure(contender, cacheDir);
      answers.get(contender.name).push(answer);
      const { seconds, peakMemoryBytes } = answer;
      process.stderr.write(
        `${contender.name}: ${seconds.all.toFixed(2)} s, ${(peakMemoryBytes / 2 ** 20).toFixed(0)} MiB\n`,
      );
    }
  }
} finally {
  rmSync(cacheDir, { recursive: true, force: true });
}

const all = [...answers.values()].flat();
const hashes = new Set(all.map(({ sha256 }) => sha256));
const check = {
  what: "every contender gives the same token ids in the same batches",
  passed: hashes.size === 1,
  tokens: all[0].tokens,
};
const contenders = CONTENDERS.map(({ name }) => {
  const own = answers.get(name);
  return {
    name,
    samplesPerSecond: summarize(own.map(({ rows, seconds }) => rows / seconds.all)),
    seconds: Object.fromEntries(
      ["load", "tokenize", "batches", "all"].map((part) => [part, summarize(own.map(({ seconds }) => seconds[part]))]),
    ),
    peakMemoryBytes: Math.max(...own.map(({ peakMemoryBytes }) => peakMemoryBytes)),
  };
});
const machine = fingerprint(Object.assign({}, ...all.map(({ versions }) => versions)));
const path = writeResult(`loading-${processorClass(machine)}`, {
  benchmark: "loading",
  date: new Date().toISOString().slice(0, 10),
  fingerprint: machine,
  loadBefore,
  workload,
  check,
  contenders,
});
process.stderr.write(`${path}\n`);
