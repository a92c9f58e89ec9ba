// Files damaged at random: they load, or fail with an error of ours that names the file. Never anything else.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import test from "ava";
import { parquetWriteBuffer } from "hyparquet-writer";
import { BatchRandom } from "../src/collate/random.js";
import { DatasetError, loadDataset } from "../src/index.js";
import { aclImdbTarball } from "./acl-imdb-files.js";
import { temporaryFolder, testSeed } from "./helpers.js";

const ROWS = Array.from({ length: 300 }, (_, i) => ({
  text: `a review, number ${i}, "quoted" — and long`,
  label: i % 2,
}));
const JSONL = ROWS.map((row) => JSON.stringify(row)).join("\n");

function files(): Record<string, Buffer> {
  const columns = (codec: "SNAPPY" | "UNCOMPRESSED") =>
    Buffer.from(
      parquetWriteBuffer({
        codec,
        columnData: [
          { name: "text", data: ROWS.map(({ text }) => text), type: "STRING" },
          { name: "label", data: ROWS.map(({ label }) => BigInt(label)), type: "INT64" },
        ],
      }),
    );
  const csv = ROWS.map(({ text, label }) => `"${text.replaceAll('"', '""')}",${label}`).join("\n");
  return {
    "a.parquet": columns("SNAPPY"),
    "b.parquet": columns("UNCOMPRESSED"),
    "c.csv": Buffer.from(`text,label\n${csv}`),
    "d.jsonl": Buffer.from(JSONL),
    "e.jsonl.gz": gzipSync(JSONL),
    "f.json": Buffer.from(JSON.stringify(ROWS)),
    "g.tar": aclImdbTarball([0, 1, 2]),
    "h.tsv": Buffer.from(`label\ttext\n${ROWS.map(({ text, label }) => `${label}\t${text}`).join("\n")}`),
  };
}

test("damage at random places", async (t) => {
  t.timeout(120_000);
  const random = new BatchRandom(testSeed(t), 0);
  const folder = await temporaryFolder(t);
  const outcomes: Record<string, number> = {};
  for (const [name, good] of Object.entries(files())) {
    for (let round = 0; round < 120; round++) {
      const cut = round % 3 === 0;
      const bytes = cut ? Buffer.from(good.subarray(0, random.below(good.length))) : Buffer.from(good);
      const flips = cut ? 0 : 1 + random.below(8);
      for (let i = 0; i < flips; i++) bytes[random.below(bytes.length)] = random.below(256);
      const path = join(folder, name);
      await writeFile(path, bytes);
      const outcome = await loadDataset(path, { split: "train" }).then(
        () => "loaded",
        (error: unknown) => error,
      );
      if (outcome instanceof DatasetError) {
        t.true(outcome.message.includes(path) || outcome.code === "BAD_SPLIT", `${outcome.code}: ${outcome.message}`);
        outcomes[outcome.code] = (outcomes[outcome.code] ?? 0) + 1;
      } else {
        t.is(outcome, "loaded", `${name}, round ${round}: ${(outcome as Error).stack}`);
        outcomes.loaded = (outcomes.loaded ?? 0) + 1;
      }
    }
  }
  t.log(JSON.stringify(outcomes));
  t.true(outcomes.BAD_FILE > 100 && outcomes.loaded > 10);
});
