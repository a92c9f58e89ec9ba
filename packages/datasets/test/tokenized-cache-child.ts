// A process of its own that tokenizes into a cache and prints the hash of what it reads back; see tokenized-cache.test.ts.
import { createHash } from "node:crypto";
import { Dataset, tokenizeCached } from "../src/index.js";
import { LettersTokenizer } from "./letters-tokenizer.js";

const rows = Dataset.fromRows(Array.from({ length: 20_000 }, (_, i) => ({ text: `review number ${i * 7919}` })));
const cached = await tokenizeCached(rows, new LettersTokenizer(), { cacheDir: process.argv[2] });
const { inputIds } = await cached.slice(0, rows.length);
await cached.close();
process.stdout.write(createHash("sha256").update(Buffer.from(inputIds.buffer)).digest("hex"));
