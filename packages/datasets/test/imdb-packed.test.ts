// Real reviews from parquet to packed batches: what the cache gives back is what the tokenizer makes, and the lengths are those
// that are known of IMDb.

import { join } from "node:path";
import test from "ava";
import {
  BatchSampler,
  BertTokenizer,
  loadDataset,
  packRows,
  summarizeLengths,
  tokenizeCached,
  truncationReport,
} from "../src/index.js";
import { DATA_FOLDER, hasRealData, temporaryFolder, testSeed } from "./helpers.js";

test("IMDb from parquet to packed batches", async (t) => {
  if (!hasRealData(t, "imdb/plain_text") || !hasRealData(t, "vocab/bert-base-uncased")) return;
  t.timeout(120_000);
  const train = await loadDataset(join(DATA_FOLDER, "imdb"), { split: "train" });
  const tokenizer = await BertTokenizer.fromPretrained(join(DATA_FOLDER, "vocab/bert-base-uncased"));
  const cacheDir = await temporaryFolder(t);
  const encoding = { maxLength: 256, truncation: "head-tail" as const };
  const cached = await tokenizeCached(train, tokenizer, { cacheDir, encoding });
  t.teardown(() => cached.close());

  // Of the train split alone, by ids that are equal to those of Hugging Face's tokenizers (benchmarks/loading checks that too).
  const { mean, median, p95 } = summarizeLengths(cached.originalLengths);
  t.deepEqual([Math.round(mean), median, p95], [314, 233, 807]);
  const shareCut = (length: number) => truncationReport(cached.originalLengths, length).shareCut;
  t.true(Math.abs(shareCut(128) - 0.89) < 0.01 && Math.abs(shareCut(512) - 0.147) < 0.005);

  const whole = tokenizer.encodeBatch(train.texts(), encoding);
  const sampler = new BatchSampler({ lengths: cached.lengths, batchSize: 64, order: "shuffled", seed: testSeed(t) });
  let rows = 0;
  for (const { rows: batch } of sampler.iterate()) {
    t.deepEqual(await cached.pack(batch), packRows(whole, batch));
    rows += batch.length;
  }
  t.is(rows, 25_000);
});
