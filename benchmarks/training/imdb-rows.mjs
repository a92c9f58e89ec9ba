// Rows of the training benchmark that are real: shuffled training reviews of IMDb, tokenized as bert-base-uncased does.
import { join, resolve } from "node:path";
import { BertTokenizer, loadDataset } from "@node-bert/datasets";
import { root } from "../lib/fingerprint.mjs";
import { writeSafetensors } from "./rows.mjs";

/** The folder of local copies of data sets. */
export const dataFolder = () => resolve(process.env.NODE_BERT_DATA ?? join(root, "..", "shared", "data"));

/** `count` reviews cut to `length` tokens, in the form of rows.mjs's writeRows. */
export async function writeImdbRows(path, { count, length }) {
  const tokenizer = await BertTokenizer.fromPretrained(join(dataFolder(), "vocab", "bert-base-uncased"));
  const train = await loadDataset("imdb", { split: "train", dataDir: join(dataFolder(), "imdb") });
  const rows = train.shuffle(42).take(count);
  if (rows.length < count) throw new Error(`IMDb has ${rows.length} training reviews, expected ${count}`);
  const { inputIds, tokenTypeIds, cuSeqlens } = tokenizer.encodeBatch(rows.texts(), { maxLength: length });
  writeSafetensors(path, {
    "packed.input_ids": inputIds,
    "packed.token_type_ids": tokenTypeIds,
    "packed.cu_seqlens": cuSeqlens,
    labels: Int32Array.from(rows.labels()),
  });
}
