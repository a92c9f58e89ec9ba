// A parquet file much larger than the memory that reading it takes.

import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { fileWriter, parquetWrite } from "hyparquet-writer";
import { temporaryFolder } from "./helpers.js";

const ROWS = 400_000;

test("a file of 400 MB streams in 64 MB of heap and less memory than its size", async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, "large.parquet");
  const texts = Array.from({ length: 1000 }, (_, i) => `${i} ${"a long review ".repeat(70)}`);
  parquetWrite({
    writer: fileWriter(path),
    columnData: [
      {
        name: "text",
        data: Array.from({ length: ROWS }, (_, i) => texts[i % 1000]),
        type: "STRING",
        encoding: "PLAIN",
      },
      { name: "label", data: Int32Array.from({ length: ROWS }, (_, i) => i % 2), type: "INT32" },
    ],
    rowGroupSize: 10_000,
    codec: "UNCOMPRESSED",
  });
  const { size } = statSync(path);
  t.true(size > 380e6, `the file has ${size} bytes`);
  const child = fileURLToPath(new URL("streaming-memory-child.ts", import.meta.url));
  const result = spawnSync(process.execPath, ["--max-old-space-size=64", "--import=tsx", child, path], {
    encoding: "utf8",
  });
  t.is(result.status, 0, result.stderr);
  const { rows, characters, peakBytes } = JSON.parse(result.stdout);
  t.is(rows, ROWS);
  t.is(characters, (ROWS / 1000) * texts.reduce((sum, text) => sum + text.length, 0));
  t.log(`peak resident memory ${(peakBytes / 1e6).toFixed(0)} MB for a file of ${(size / 1e6).toFixed(0)} MB`);
  t.true(peakBytes < 300e6, `peak resident memory was ${peakBytes}`);
});
