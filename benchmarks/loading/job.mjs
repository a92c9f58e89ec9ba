// What the processes of the loading benchmark share: the job they get as argument, and the one line of JSON they answer with.
import { createHash } from "node:crypto";

/** `{ files, tokenizer, maxLength, batchSize, cacheDir }` */
export const job = JSON.parse(process.argv[2]);

/** Hash over the ids of all batches: contenders that agree in it made the same tokens in the same order. */
export function tokenHash() {
  const hash = createHash("sha256");
  let tokens = 0;
  return {
    add(ids) {
      tokens += ids.length;
      hash.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
    },
    digest: () => ({ tokens, sha256: hash.digest("hex") }),
  };
}

/** Prints the answer. Peak memory is that of the whole process, V8 included. */
export function finish(start, loaded, tokenized, rows, hash, versions) {
  const end = performance.now();
  const seconds = { load: loaded - start, tokenize: tokenized - loaded, batches: end - tokenized, all: end - start };
  for (const key of Object.keys(seconds)) seconds[key] /= 1000;
  const peakMemoryBytes = process.resourceUsage().maxRSS * 1024;
  process.stdout.write(`${JSON.stringify({ rows, ...hash.digest(), seconds, peakMemoryBytes, versions })}\n`);
}
