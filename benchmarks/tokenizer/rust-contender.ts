// `tokenizers` on all threads, in a process of its own because it takes its number of threads once, from the environment.
// Speaks lib/contender.mjs's protocol: {"run": true} is answered with the seconds that encoding the corpus' few texts took.
//   node --import=tsx rust-contender.ts <data folder> <corpus>

import { join } from "node:path";
import { createInterface } from "node:readline";
import { Tokenizer } from "tokenizers";
import { readCorpora } from "./corpora.js";

const [dataFolder, name] = process.argv.slice(2) as [string, string];
const corpus = (await readCorpora(dataFolder)).find((one) => one.name === name);
if (corpus === undefined) throw new Error(`no corpus is called ${name}`);
const tokenizer = Tokenizer.fromFile(join(dataFolder, "vocab", corpus.model, "tokenizer.json"));
const answer = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

answer({ ready: true, versions: {}, environment: {} });
for await (const line of createInterface({ input: process.stdin })) {
  if (JSON.parse(line).quit) {
    answer({ quit: true });
    break;
  }
  const start = performance.now();
  await tokenizer.encodeBatch(corpus.few);
  answer({ seconds: (performance.now() - start) / 1000 });
}
