// A process of its own that loads damaged parquet files and prints what came of each; see parquet-damage.test.ts. The damage
// is drawn from the seed. A line "start" before each file names what keeps the process busy, should it never end.
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { BatchRandom } from "../src/collate/random.js";
import { DatasetError, loadDataset } from "../src/index.js";

const [folder, seed, rounds, ...files] = process.argv.slice(2) as [string, string, string, ...string[]];
const random = new BatchRandom(Number(seed), 0);
const LIKELY = [0, 1, 0x7f, 0x80, 0xfe, 0xff];

function damage(good: Buffer): Buffer {
  const bytes = Buffer.from(good);
  for (let flips = 1 + random.below(3); flips > 0; flips--) {
    // The counts that matter are few: some in page headers, most in the last bytes of the file.
    const at = random.below(3) === 0 ? bytes.length - 1 - random.below(bytes.length >> 2) : random.below(bytes.length);
    const kind = random.below(4);
    if (kind === 0) bytes[at]! ^= 1 << random.below(8);
    else if (kind === 1) bytes[at] = LIKELY[random.below(LIKELY.length)]!;
    else if (kind === 2) bytes[at] = random.below(256);
    else bytes.fill(LIKELY[random.below(LIKELY.length)]!, at, Math.min(at + random.below(20), bytes.length));
  }
  return bytes;
}

for (const file of files) {
  const good = readFileSync(file);
  const rows = (await loadDataset(file, { split: "train" })).toArray();
  const path = join(folder, basename(file));
  for (let round = 0; round < Number(rounds); round++) {
    const bytes = damage(good);
    writeFileSync(path, bytes);
    process.stdout.write(`${JSON.stringify({ start: `${basename(file)}, round ${round}` })}\n`);
    const split = round % 3 === 0 ? "train[120:140]" : "train";
    const expected = round % 3 === 0 ? rows.slice(120, 140) : rows;
    let outcome: string;
    try {
      const loaded = (await loadDataset(path, { split })).toArray();
      outcome = isDeepStrictEqual(loaded, expected) ? "same" : "other";
    } catch (error) {
      const named = error instanceof DatasetError && (error.message.includes(path) || error.code === "BAD_SPLIT");
      outcome = named ? error.code : `raw: ${(error as Error).stack}`;
    }
    // The footer begins where its length, in the last eight bytes, says.
    const footer = good.length - 8 - good.readUInt32LE(good.length - 8);
    const inPages = good.subarray(footer).equals(bytes.subarray(footer));
    process.stdout.write(`${JSON.stringify({ file: basename(file), round, outcome, inPages })}\n`);
  }
}
