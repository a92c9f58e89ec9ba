// Our side: parquet → rows → tokens → packed batches, with the cache of tokenized rows. See job.mjs for what it prints.
import { readFileSync } from "node:fs";
import { BatchSampler, BertTokenizer, loadDataset, tokenizeCached } from "@node-bert/datasets";
import { finish, job, tokenHash } from "./job.mjs";

const { version } = JSON.parse(readFileSync(new URL("../../packages/datasets/package.json", import.meta.url), "utf8"));
const hash = tokenHash();
const start = performance.now();
const tokenizer = await BertTokenizer.fromPretrained(job.tokenizer);
const dataset = await loadDataset(job.parquet, { split: "train" });
const loaded = performance.now();
const rows = await tokenizeCached(dataset, tokenizer, {
  cacheDir: job.cacheDir,
  encoding: { maxLength: job.maxLength },
});
const tokenized = performance.now();
for (const { rows: batch } of new BatchSampler({ lengths: rows.lengths, batchSize: job.batchSize }).iterate()) {
  hash.add((await rows.pack(batch)).inputIds);
}
finish(start, loaded, tokenized, rows.length, hash, { "node-bert": version });
