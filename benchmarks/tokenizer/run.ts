// Tokenization side by side: ours (ids alone; with offsets and word ids), `tokenizers` (Rust) and `@huggingface/tokenizers`, on one
// thread and, where they can, on all.
//   NODE_BERT_DATA=… node --import=tsx benchmarks/tokenizer/run.ts [--rounds 7] [--no-save]
// Every contender encodes the same texts without truncation, in turns; the first rounds are warm-up, in every thread. Ids are compared with the reference first.
// One round goes through the contenders forwards, the next backwards. Each runs twice in its turn, and the second run counts: the
// first pays for the garbage of the contender before, and for caches and threads that have gone cold.
// Ours runs also on one thread in as many processes as there are threads, each with all texts: that far work scales on the machine
// when it shares nothing.
// Contenders that are ten times as slow get fewer of the texts, evenly spread; a rate is per megabyte of what a contender got.
process.env.RAYON_NUM_THREADS = "1";
process.env.TOKENIZERS_PARALLELISM = "false";

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Tokenizer as JavaScriptTokenizer } from "@huggingface/tokenizers";
import { BertTokenizer, BertTokenizerPool, type EncodeBatchOptions } from "@node-bert/datasets";
import { Tokenizer as RustTokenizer } from "tokenizers";
import { withContenders } from "../lib/contender.mjs";
import { fingerprint, root } from "../lib/fingerprint.mjs";
import { writeResult } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";
import { type Corpus, megabytesOf, readCorpora } from "./corpora.js";

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "7" }, "no-save": { type: "boolean", default: false } },
});
const dataFolder = process.env.NODE_BERT_DATA ?? join(root, "..", "shared", "data");
const OURS = "node-bert, ids";
const OURS_OFFSETS = "node-bert, ids, offsets, word ids";
const REFERENCE = "tokenizers (Rust)";
const IN_PROCESSES = "a process each";
/** The slowest contender gets every so many of the few texts. */
const EVERY = 4;
const LOADS = 9;
const WARM_UPS = 5;
const allThreads = availableParallelism();

interface Contender {
  name: string;
  threads: number;
  megabytes: number;
  texts: number;
  /** Returns the seconds, where the work is timed elsewhere. */
  run(): unknown;
  seconds: number[];
}

/** Milliseconds of the first call, each in a new process. */
function measureLoading(folder: string): number[] {
  const script = fileURLToPath(new URL("load.mjs", import.meta.url));
  return Array.from({ length: LOADS }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [script, folder], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    return Number(stdout);
  });
}

async function measure(corpus: Corpus) {
  const folder = join(dataFolder, "vocab", corpus.model);
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), "utf8"));
  const loadMilliseconds = measureLoading(folder);
  const ours = await BertTokenizer.fromPretrained(folder);
  const pool = new BertTokenizerPool(ours, { threads: allThreads });
  const rust = RustTokenizer.fromFile(join(folder, "tokenizer.json"));
  const javaScript = new JavaScriptTokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
  const { few } = corpus;
  const fewest = few.filter((_, i) => i % EVERY === 0);

  const expected = await rust.encodeBatch(few);
  const encodings = [ours.encodeBatch(few), await pool.encodeBatch(few)];
  const different = expected.filter((encoding, b) => {
    const ids = encoding.getIds();
    return encodings.some(({ inputIds, cuSeqlens }) => {
      const [from, to] = [cuSeqlens[b]!, cuSeqlens[b + 1]!];
      return ids.length !== to - from || ids.some((id, i) => id !== inputIds[from + i]);
    });
  }).length;

  const inProcess = (name: string, which: string, environment = {}) => {
    const script = fileURLToPath(new URL("process-contender.ts", import.meta.url));
    const command = [process.execPath, "--import=tsx", script, which, dataFolder, corpus.name];
    return { name, command, environment };
  };
  const rustOnAllThreads = inProcess(REFERENCE, "tokenizers", {
    RAYON_NUM_THREADS: String(allThreads),
    TOKENIZERS_PARALLELISM: "true",
  });
  const neighbours = Array.from({ length: allThreads - 1 }, () => inProcess(OURS, "node-bert"));
  return withContenders([rustOnAllThreads, ...neighbours], async ([rustProcess, ...others]) => {
    /** Seconds for all texts at the rate of all processes together. */
    const runBeside = async (options: EncodeBatchOptions) => {
      const sent = others.map((other) => other.send({ run: options }));
      const start = performance.now();
      ours.encodeBatch(corpus.texts, options);
      const own = (performance.now() - start) / 1000;
      const seconds = [own, ...(await Promise.all(sent)).map((answer) => answer.seconds as number)];
      return 1 / seconds.reduce((sum, one) => sum + 1 / one, 0);
    };
    const contender = (name: string, threads: number, texts: string[], run: () => unknown): Contender => {
      return { name, threads, megabytes: megabytesOf(texts), texts: texts.length, run, seconds: [] };
    };
    const offsets = { returnOffsets: true, returnWordIds: true };
    const contenders = [
      contender(OURS, 1, corpus.texts, () => ours.encodeBatch(corpus.texts)),
      contender(OURS_OFFSETS, 1, corpus.texts, () => ours.encodeBatch(corpus.texts, offsets)),
      contender(REFERENCE, 1, few, () => rust.encodeBatch(few)),
      contender("@huggingface/tokenizers", 1, fewest, () => fewest.map((text) => javaScript.encode(text))),
      contender(OURS, allThreads, corpus.texts, () => pool.encodeBatch(corpus.texts)),
      contender(OURS_OFFSETS, allThreads, corpus.texts, () => pool.encodeBatch(corpus.texts, offsets)),
      contender(`${OURS}, ${IN_PROCESSES}`, allThreads, corpus.texts, () => runBeside({})),
      contender(`${OURS_OFFSETS}, ${IN_PROCESSES}`, allThreads, corpus.texts, () => runBeside(offsets)),
      contender(REFERENCE, allThreads, few, async () => (await rustProcess.send({ run: {} })).seconds),
    ];
    for (let round = -WARM_UPS; round < Number(options.rounds); round++)
      for (const each of round % 2 === 0 ? contenders : contenders.toReversed()) {
        await each.run();
        const start = performance.now();
        const timed = await each.run();
        const seconds = typeof timed === "number" ? timed : (performance.now() - start) / 1000;
        if (round >= 0) each.seconds.push(seconds);
      }
    await pool.close();
    return { contenders, different, loadMilliseconds };
  });
}

for (const corpus of await readCorpora(dataFolder)) {
  const loadBefore = loadavg()[0];
  const { contenders, different, loadMilliseconds } = await measure(corpus);
  const rateOf = ({ megabytes, seconds }: Contender) => seconds.map((s) => megabytes / s);
  const result = {
    benchmark: "tokenizer",
    date: new Date().toISOString().slice(0, 10),
    workload: {
      corpus: corpus.name,
      model: corpus.model,
      texts: corpus.texts.length,
      megabytes: corpus.megabytes,
      threads: allThreads,
      loadMilliseconds: summarize(loadMilliseconds),
    },
    check: { what: "ids of the texts that the reference got equal its", different, passed: different === 0 },
    loadBefore,
    contenders: contenders.map((contender) => {
      const { name, threads, texts, seconds } = contender;
      const reference = contenders.find((other) => other.name === REFERENCE && other.threads === threads) as Contender;
      const isAlone = (other: Contender) => other.threads === 1 && name.replace(`, ${IN_PROCESSES}`, "") === other.name;
      const alone = contenders.find(isAlone) as Contender;
      const against = (other: Contender) => summarize(rateOf(contender).map((rate, i) => rate / rateOf(other)[i]!));
      return {
        name,
        threads,
        samplesPerSecond: summarize(seconds.map((s) => texts / s)),
        megabytesPerSecond: summarize(rateOf(contender)),
        ratio: against(reference),
        scaling: against(alone),
      };
    }),
    fingerprint: fingerprint({
      node: process.versions.node,
      tokenizers: "0.23.2",
      "@huggingface/tokenizers": "0.2.0",
      "node-bert": "0.1.0",
    }),
  };
  const { median } = result.workload.loadMilliseconds;
  process.stderr.write(`${corpus.name}: loading ${median.toFixed(0)} ms\n`);
  for (const { name, threads, megabytesPerSecond, ratio, scaling } of result.contenders)
    process.stderr.write(
      `${corpus.name}: ${name}, ${threads} threads: ${megabytesPerSecond.median.toFixed(1)} MB/s, ${ratio.median.toFixed(1)}×, scaling ${scaling.median.toFixed(2)}\n`,
    );
  const file = `tokenizer-${corpus.name
    .replace(/[^A-Za-z]+/g, "-")
    .replace(/^-|-$/g, "")
    .toLowerCase()}`;
  if (!options["no-save"]) process.stderr.write(`written: ${writeResult(file, result)}\n`);
}
