// Our side: parquet → rows → tokens → packed batches, with the cache of tokenized rows. See job.mjs for what it prints.
import { readFileSync } from "node:fs";
import { BatchSampler, BertTokenizer, loadDataset, tokenizeCached } from "@node-bert/datasets";
import { finish, job, tokenHash } from "./job.mjs";

const { version } = JSON.parse(readFileSync(new URL("../../packages/datasets/package.json", import.meta.url), "utf8"));
const hash = tokenHash();
const start = performance.now();
const tokenizer = await BertTokenizer.fromPretrained(job.tokenizer);
const splits = [];
for (const file of job.files) splits.push(await loadDataset(file, { split: "train" }));
const loaded = performance.now();
const tokenized = [];
for (const split of splits) {
  const encoding = { maxLength: job.maxLength };
  tokenized.push(await tokenizeCached(split, tokenizer, { cacheDir: job.cacheDir, encoding }));
}
const tokenizedAt = performance.now();
for (const rows of tokenized) {
  for (const { rows: batch } of new BatchSampler({ lengths: rows.lengths, batchSize: job.batchSize }).iterate()) {
    hash.add((await rows.pack(batch)).inputIds);
  }
}
const rows = tokenized.reduce((sum, { length }) => sum + length, 0);
finish(start, loaded, tokenizedAt, rows, hash, { "node-bert": version });
