// Tokenization side by side, one thread: ours (ids alone; with offsets and word ids), `tokenizers` (Rust) and `@huggingface/tokenizers`.
//   NODE_BERT_DATA=… node --import=tsx benchmarks/tokenizer/run.ts [--rounds 7] [--no-save]
// Every contender encodes the same texts without truncation, in turns; the first round is warm-up. Ids are compared with the reference first.
// The slowest contender gets every tenth text; its rate is per megabyte of what it got.
process.env.RAYON_NUM_THREADS = "1";
process.env.TOKENIZERS_PARALLELISM = "false";

import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Tokenizer as JavaScriptTokenizer } from "@huggingface/tokenizers";
import { BertTokenizer } from "@node-bert/datasets";
import { Tokenizer as RustTokenizer } from "tokenizers";
import { fingerprint, root } from "../lib/fingerprint.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";
import { type Corpus, readCorpora } from "./corpora.js";

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, "no-save": { type: "boolean", default: false } },
});
const dataFolder = process.env.NODE_BERT_DATA ?? join(root, "..", "shared", "data");
const REFERENCE = "tokenizers (Rust)";
const EVERY = 10;
const megabytesOf = (texts: string[]) => texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / 1e6;

interface Contender {
  name: string;
  megabytes: number;
  texts: number;
  run(): unknown;
  seconds: number[];
}

async function measure(corpus: Corpus) {
  const folder = join(dataFolder, "vocab", corpus.model);
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), "utf8"));
  const loadStart = performance.now();
  const ours = await BertTokenizer.fromPretrained(folder);
  const loadMilliseconds = performance.now() - loadStart;
  const rust = RustTokenizer.fromFile(join(folder, "tokenizer.json"));
  const javaScript = new JavaScriptTokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
  const few = corpus.texts.filter((_, i) => i % EVERY === 0);

  const { inputIds, cuSeqlens } = ours.encodeBatch(corpus.texts);
  const expected = await rust.encodeBatch(corpus.texts);
  const different = expected.filter((encoding, b) => {
    const ids = encoding.getIds();
    return ids.length !== cuSeqlens[b + 1] - cuSeqlens[b] || ids.some((id, i) => id !== inputIds[cuSeqlens[b] + i]);
  }).length;

  const contender = (name: string, texts: string[], run: () => unknown): Contender => {
    return { name, megabytes: megabytesOf(texts), texts: texts.length, run, seconds: [] };
  };
  const contenders = [
    contender("node-bert, ids", corpus.texts, () => ours.encodeBatch(corpus.texts)),
    contender("node-bert, ids, offsets, word ids", corpus.texts, () =>
      ours.encodeBatch(corpus.texts, { returnOffsets: true, returnWordIds: true }),
    ),
    contender(REFERENCE, corpus.texts, () => rust.encodeBatch(corpus.texts)),
    contender("@huggingface/tokenizers", few, () => few.map((text) => javaScript.encode(text))),
  ];
  for (let round = 0; round <= Number(options.rounds); round++)
    for (const each of contenders) {
      const start = performance.now();
      await each.run();
      if (round > 0) each.seconds.push((performance.now() - start) / 1000);
    }
  return { corpus, contenders, different, loadMilliseconds };
}

for (const corpus of await readCorpora(dataFolder)) {
  const loadBefore = loadavg()[0];
  const { contenders, different, loadMilliseconds } = await measure(corpus);
  const reference = contenders.find(({ name }) => name === REFERENCE) as Contender;
  const result = {
    benchmark: "tokenizer",
    date: new Date().toISOString().slice(0, 10),
    workload: {
      corpus: corpus.name,
      model: corpus.model,
      texts: corpus.texts.length,
      megabytes: corpus.megabytes,
      threads: 1,
      loadMilliseconds,
    },
    check: { what: "ids of every text equal the reference's", different, passed: different === 0 },
    loadBefore,
    contenders: contenders.map(({ name, megabytes, texts, seconds }) => ({
      name,
      samplesPerSecond: summarize(seconds.map((s) => texts / s)),
      megabytesPerSecond: summarize(seconds.map((s) => megabytes / s)),
      ratio: summarize(seconds.map((s, i) => megabytes / s / (reference.megabytes / reference.seconds[i]))),
    })),
    fingerprint: fingerprint({
      node: process.versions.node,
      tokenizers: "0.23.2",
      "@huggingface/tokenizers": "0.2.0",
      "node-bert": "0.1.0",
    }),
  };
  for (const { name, megabytesPerSecond, ratio } of result.contenders)
    process.stderr.write(
      `${corpus.name}: ${name}: ${megabytesPerSecond.median.toFixed(1)} MB/s, ${ratio.median.toFixed(1)}×\n`,
    );
  const file = `tokenizer-${corpus.name
    .replace(/[^A-Za-z]+/g, "-")
    .replace(/^-|-$/g, "")
    .toLowerCase()}`;
  if (!options["no-save"]) process.stderr.write(`written: ${writeResult(file, result)}\n`);
}
