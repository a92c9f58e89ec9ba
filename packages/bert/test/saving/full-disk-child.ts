// Run by save.test.ts on a file system of 128 KB: saves once, then fills the disk and saves again. Prints what came of it.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openDevice } from "@node-bert/core-native";
import { BertForSequenceClassification, parseConfig } from "../../src/index.js";

const folder = join(process.argv[2], "model");
const contents = () =>
  JSON.stringify(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString("hex")]));
const config = parseConfig({
  vocab_size: 50,
  hidden_size: 32,
  num_attention_heads: 2,
  num_hidden_layers: 1,
  intermediate_size: 64,
  max_position_embeddings: 16,
});
const device = openDevice("cpu", { threads: 1 });
await BertForSequenceClassification.fromConfig(config, { device, seed: 1 }).savePretrained(folder);
const before = contents();
writeFileSync(join(process.argv[2], "ballast"), new Uint8Array(20_000));
const other = BertForSequenceClassification.fromConfig(config, { device, seed: 2 });
const error = await other.savePretrained(folder).catch((thrown: unknown) => thrown);
const left = readdirSync(process.argv[2]).length === 2;
console.log(JSON.stringify({ code: (error as { code?: string })?.code, unchanged: contents() === before, left }));
device.dispose();
