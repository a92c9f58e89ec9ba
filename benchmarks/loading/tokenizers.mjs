// The other side: hyparquet and Hugging Face's tokenizers (Rust) by their batch call, packed by hand. Nothing is cached on disk.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { parquetReadObjects } from "hyparquet";
import { Tokenizer } from "tokenizers";
import { finish, job, tokenHash } from "./job.mjs";

const ROWS_AT_ONCE = 1024;
const entry = createRequire(import.meta.url).resolve("tokenizers");
const { version } = JSON.parse(readFileSync(join(dirname(entry), "package.json"), "utf8"));
const hash = tokenHash();
const start = performance.now();
const tokenizer = Tokenizer.fromFile(join(job.tokenizer, "tokenizer.json"));
tokenizer.setTruncation(job.maxLength);
tokenizer.setPadding(); // none; the file may ask for it
const splits = [];
for (const path of job.files) {
  const { buffer, byteOffset, byteLength } = readFileSync(path);
  const file = buffer.slice(byteOffset, byteOffset + byteLength);
  splits.push((await parquetReadObjects({ file, columns: ["text"] })).map(({ text }) => text));
}
const loaded = performance.now();
const encoded = [];
for (const texts of splits) {
  const ids = [];
  for (let first = 0; first < texts.length; first += ROWS_AT_ONCE) {
    for (const encoding of await tokenizer.encodeBatch(texts.slice(first, first + ROWS_AT_ONCE))) {
      const row = Int32Array.from(encoding.getIds());
      const padding = encoding.getAttentionMask().indexOf(0);
      ids.push(padding < 0 ? row : row.subarray(0, padding));
    }
  }
  encoded.push(ids);
}
const tokenized = performance.now();
let count = 0;
for (const ids of encoded) {
  count += ids.length;
  for (let first = 0; first < ids.length; first += job.batchSize) {
    const rows = ids.slice(first, first + job.batchSize);
    const batch = new Int32Array(rows.reduce((sum, row) => sum + row.length, 0));
    let at = 0;
    for (const row of rows) {
      batch.set(row, at);
      at += row.length;
    }
    hash.add(batch);
  }
}
finish(start, loaded, tokenized, count, hash, { tokenizers: version });
