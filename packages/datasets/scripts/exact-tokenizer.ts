// Compares our tokenizer with the reference on everything there is: all 100,000 IMDb reviews, all of SST-2, the tokenizer
// cases and a million generated strings for each of the four vocabularies, and generated strings for all other variants.
//   pnpm --filter @node-bert/datasets test:exact [--strings N] [--model M] [--save]
// Takes most of an hour. Ends with code 1 if anything differs; --save records the counts in benchmarks/results/.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { fingerprint } from "../../../benchmarks/lib/fingerprint.mjs";
import { writeResult } from "../../../benchmarks/lib/results.mjs";
import {
  type Both,
  bothOfModel,
  compare,
  dataFolder,
  hasData,
  MODELS,
  skipNotice,
} from "../test/tokenizer/reference.js";
import { randomFrom, randomString } from "../test/tokenizer/strings.js";
import { addedTokenVariants, switchVariants } from "../test/tokenizer/variants.js";

const BATCH = 1000;
const { values } = parseArgs({
  options: {
    strings: { type: "string", default: "1000000" },
    model: { type: "string" },
    save: { type: "boolean", default: false },
  },
});
const seed = Number(process.env.TEST_SEED ?? 20240917);
/** Taken at the start: the commit whose code was loaded. */
const machine = fingerprint({ tokenizers: "0.23.2", "node-bert": "0.1.0" });
const compared: { tokenizer: string; texts: string; count: number; different: number }[] = [];

type Batches<T> = AsyncIterable<T[]> | Iterable<T[]>;

/** Everything both libraries say of every text: ids, tokens, type ids, masks, offsets, word ids, decodings. */
async function compareAll(both: Both, texts: string, batches: Batches<string | [string, string]>): Promise<void> {
  let count = 0;
  let different = 0;
  for await (const batch of batches) {
    const found = await compare(both, batch, { tokens: true });
    for (const difference of found.slice(0, Math.max(0, 3 - different))) console.log(JSON.stringify(difference));
    different += new Set(found.map(({ text }) => text)).size;
    count += batch.length;
  }
  compared.push({ tokenizer: both.name, texts, count, different });
  console.log(`${both.name}: ${count} ${texts} compared, ${different} different`);
}

function* inBatches<T>(items: readonly T[]): Generator<T[]> {
  for (let i = 0; i < items.length; i += BATCH) yield items.slice(i, i + BATCH);
}

async function* reviews(): AsyncGenerator<string[]> {
  for (const [split, rows] of [
    ["train", 25000],
    ["test", 25000],
    ["unsupervised", 50000],
  ] as const) {
    const file = await asyncBufferFromFile(join(dataFolder, `imdb/plain_text/${split}-00000-of-00001.parquet`));
    for (let rowStart = 0; rowStart < rows; rowStart += 5000) {
      const columns = ["text"];
      const part = await parquetReadObjects({ file, compressors, columns, rowStart, rowEnd: rowStart + 5000 });
      yield* inBatches(part.map(({ text }) => String(text)));
    }
  }
}

function linesOf(file: string): string[] {
  return readFileSync(join(dataFolder, file), "utf8").split("\n").filter(Boolean);
}

function* sentences(): Generator<string[]> {
  for (const split of ["train", "dev", "test"]) {
    const lines = linesOf(`sst2/${split}.tsv`).slice(1);
    yield* inBatches(lines.map((line) => line.replace(/^[^\t]*\t/, "")));
  }
}

/** What lies in tokenizer-cases: Hugging Face's tricky strings and questions of SQuAD. */
function cases(): Generator<string[]> {
  const tricky = readFileSync(join(dataFolder, "tokenizer-cases/tricky-strings.json"), "utf8");
  const lists = Object.values(JSON.parse(tricky) as Record<string, { input: string }[]>);
  const questions = linesOf("tokenizer-cases/squad-questions.jsonl").map(
    (line) => JSON.parse(line) as { text: string },
  );
  return inBatches([...new Set(lists.flat().map(({ input }) => input)), ...questions.map(({ text }) => text)]);
}

function* strings(count: number, random: () => number): Generator<string[]> {
  for (let done = 0; done < count; done += BATCH) {
    yield Array.from({ length: Math.min(BATCH, count - done) }, () => randomString(random));
  }
}

function* pairs(count: number, random: () => number): Generator<[string, string][]> {
  for (const batch of strings(count, random)) yield batch.map((text) => [text, randomString(random)]);
}

if (!hasData) {
  skipNotice("the exact comparison");
} else {
  console.log(`seed ${seed} (TEST_SEED)`);
  const count = Number(values.strings);
  const few = Math.ceil(count / 20);
  for (const model of values.model === undefined ? MODELS : [values.model]) {
    const both = bothOfModel(model);
    await compareAll(both, "tokenizer cases", cases());
    await compareAll(both, "SST-2 sentences", sentences());
    await compareAll(both, "IMDb reviews", reviews());
    await compareAll(both, "generated strings", strings(count, randomFrom(seed)));
    await compareAll(both, "pairs of generated strings", pairs(few, randomFrom(seed + 2)));
  }
  if (values.model === undefined) {
    for (const both of [...addedTokenVariants(), ...switchVariants()]) {
      await compareAll(both, "generated strings", strings(few, randomFrom(seed + 1)));
    }
  }
  const different = compared.reduce((sum, part) => sum + part.different, 0);
  process.exitCode = different === 0 ? 0 : 1;
  if (values.save) {
    const what = "ids, tokens, type ids, masks, offsets, word ids and decodings of every text equal the reference's";
    const path = writeResult("tokenizer-exactness", {
      benchmark: "exactness",
      date: new Date().toISOString().slice(0, 10),
      fingerprint: machine,
      workload: { seed },
      compared,
      check: { what, different, passed: different === 0 },
    });
    console.log(`written: ${path}`);
  }
}
