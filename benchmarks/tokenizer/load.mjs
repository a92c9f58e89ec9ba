// A process of its own that loads a tokenizer and prints how many milliseconds the first call took: node load.mjs <folder>
import { BertTokenizer } from "@node-bert/datasets";

const start = performance.now();
await BertTokenizer.fromPretrained(process.argv[2]);
process.stdout.write(String(performance.now() - start));
