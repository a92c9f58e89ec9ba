// A tokenizer in a process of its own. `tokenizers` takes its number of threads once, from the environment; ours runs here on one
// thread, beside the main process: work that shares nothing but the machine.
// Speaks lib/contender.mjs's protocol: {"run": options} is answered with the seconds that encoding took.
//   node --import=tsx process-contender.ts <tokenizers | node-bert> <data folder> <corpus>

import { join } from "node:path";
import { createInterface } from "node:readline";
import { BertTokenizer, type EncodeBatchOptions } from "@node-bert/datasets";
import { Tokenizer } from "tokenizers";
import { readCorpora } from "./corpora.js";

const [who, dataFolder, name] = process.argv.slice(2) as [string, string, string];
const corpus = (await readCorpora(dataFolder)).find((one) => one.name === name);
if (corpus === undefined) throw new Error(`no corpus is called ${name}`);
const folder = join(dataFolder, "vocab", corpus.model);
const answer = (value: object) => process.stdout.write(`${JSON.stringify(value)}\n`);

async function encoder(): Promise<(options: EncodeBatchOptions) => unknown> {
  if (who === "tokenizers") {
    const tokenizer = Tokenizer.fromFile(join(folder, "tokenizer.json"));
    return () => tokenizer.encodeBatch(corpus!.few);
  }
  const tokenizer = await BertTokenizer.fromPretrained(folder);
  return (options) => tokenizer.encodeBatch(corpus!.texts, options);
}

const encode = await encoder();
answer({ ready: true, versions: {}, environment: {} });
for await (const line of createInterface({ input: process.stdin })) {
  const { quit, run } = JSON.parse(line);
  if (quit) {
    answer({ quit: true });
    break;
  }
  const start = performance.now();
  await encode(run);
  answer({ seconds: (performance.now() - start) / 1000 });
}
