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
const { buffer, byteOffset, byteLength } = readFileSync(job.parquet);
const file = buffer.slice(byteOffset, byteOffset + byteLength);
const texts = (await parquetReadObjects({ file, columns: ["text"] })).map(({ text }) => text);
const loaded = performance.now();
const encoded = [];
for (let first = 0; first < texts.length; first += ROWS_AT_ONCE) {
  for (const encoding of await tokenizer.encodeBatch(texts.slice(first, first + ROWS_AT_ONCE))) {
    const ids = Int32Array.from(encoding.getIds());
    const padding = encoding.getAttentionMask().indexOf(0);
    encoded.push(padding < 0 ? ids : ids.subarray(0, padding));
  }
}
const tokenized = performance.now();
for (let first = 0; first < encoded.length; first += job.batchSize) {
  const rows = encoded.slice(first, first + job.batchSize);
  const batch = new Int32Array(rows.reduce((sum, ids) => sum + ids.length, 0));
  let at = 0;
  for (const ids of rows) {
    batch.set(ids, at);
    at += ids.length;
  }
  hash.add(batch);
}
finish(start, loaded, tokenized, encoded.length, hash, { tokenizers: version });
