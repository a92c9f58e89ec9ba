// Compares our tokenizer with the reference on everything there is: all 100,000 IMDb reviews, all of SST-2 and a million
// generated strings for each of the four vocabularies, and generated strings for all other variants. Takes tens of minutes.
//   pnpm --filter @node-bert/datasets test:exact [--strings N] [--model M]
// Ends with code 1 if anything differs.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
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
  options: { strings: { type: "string", default: "1000000" }, model: { type: "string" } },
});
const seed = Number(process.env.TEST_SEED ?? 20240917);
let differences = 0;

async function compareAll(
  both: Both,
  what: string,
  texts: AsyncIterable<string[]> | Iterable<string[]>,
): Promise<void> {
  let compared = 0;
  let different = 0;
  for await (const batch of texts) {
    const found = await compare(both, batch, { tokens: what !== "reviews" });
    const wrong = new Set(found.map(({ text }) => text));
    for (const difference of found.slice(0, Math.max(0, 3 - different))) console.log(JSON.stringify(difference));
    different += wrong.size;
    compared += batch.length;
  }
  differences += different;
  console.log(`${both.name}: ${compared} ${what} compared, ${different} different`);
}

async function* reviews(): AsyncGenerator<string[]> {
  for (const [split, rows] of [
    ["train", 25000],
    ["test", 25000],
    ["unsupervised", 50000],
  ] as const) {
    const file = await asyncBufferFromFile(join(dataFolder, `imdb/plain_text/${split}-00000-of-00001.parquet`));
    for (let rowStart = 0; rowStart < rows; rowStart += 5000) {
      const part = await parquetReadObjects({
        file,
        compressors,
        columns: ["text"],
        rowStart,
        rowEnd: rowStart + 5000,
      });
      for (let i = 0; i < part.length; i += BATCH) yield part.slice(i, i + BATCH).map(({ text }) => String(text));
    }
  }
}

function* sentences(): Generator<string[]> {
  for (const split of ["train", "dev", "test"]) {
    const lines = readFileSync(join(dataFolder, `sst2/${split}.tsv`), "utf8")
      .split("\n")
      .slice(1)
      .filter(Boolean);
    for (let i = 0; i < lines.length; i += BATCH)
      yield lines.slice(i, i + BATCH).map((line) => line.replace(/^[^\t]*\t/, ""));
  }
}

function* strings(count: number, random: () => number): Generator<string[]> {
  for (let done = 0; done < count; done += BATCH) {
    yield Array.from({ length: Math.min(BATCH, count - done) }, () => randomString(random));
  }
}

if (!hasData) {
  skipNotice("the exact comparison");
} else {
  console.log(`seed ${seed} (TEST_SEED)`);
  const count = Number(values.strings);
  for (const model of values.model === undefined ? MODELS : [values.model]) {
    const both = bothOfModel(model);
    await compareAll(both, "generated strings", strings(count, randomFrom(seed)));
    await compareAll(both, "sentences", sentences());
    await compareAll(both, "reviews", reviews());
  }
  if (values.model === undefined) {
    for (const both of [...addedTokenVariants(), ...switchVariants()]) {
      await compareAll(both, "generated strings", strings(Math.ceil(count / 20), randomFrom(seed + 1)));
    }
  }
  process.exitCode = differences === 0 ? 0 : 1;
}
