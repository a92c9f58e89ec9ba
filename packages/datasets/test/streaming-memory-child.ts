// A process of its own that streams a file and prints what it saw; see streaming-memory.test.ts.
import { loadDataset } from "../src/index.js";

const stream = await loadDataset(process.argv[2], { split: "train", streaming: true });
let rows = 0;
let characters = 0;
for await (const { text } of stream) {
  rows += 1;
  characters += (text as string).length;
}
// ru_maxrss is in kilobytes.
const peakBytes = process.resourceUsage().maxRSS * 1024;
process.stdout.write(JSON.stringify({ rows, characters, peakBytes }));
