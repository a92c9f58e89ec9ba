// The other end of contender.mjs, for contenders of inference that are Node programs: it takes commands until told to quit.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** The most memory that this process ever held: resident, or on the GPU that `device` is. */
export const peakMemoryBytes = (device) =>
  device?.info.peakBytes ?? Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))[1]) * 1024;

/**
 * @param contender `versions`, `environment`, `device` of node-bert where it is one, and `forward(batch)`, which resolves to the logits of its rows when they are there
 * @param batches what `forward` takes, made before anything is timed
 */
export async function serveInference({ versions, environment, forward, batches, device }) {
  let next = 0;
  answer({ ready: true, versions, environment });
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    if (command.quit) {
      answer({ quit: true });
      return;
    }
    if (command.answer) {
      const logits = [];
      for (const batch of batches) logits.push(...(await forward(batch)));
      answer({ logits });
      continue;
    }
    const seconds = [];
    while (seconds.length < command.run) {
      const start = performance.now();
      await forward(batches[next++ % batches.length]);
      seconds.push((performance.now() - start) / 1000);
    }
    answer({ seconds, peakMemoryBytes: peakMemoryBytes(device) });
  }
}

/** Rows of `size` values each. @param values (rows × size) */
export const inRows = (values, size) =>
  Array.from({ length: values.length / size }, (_, row) => Array.from(values.subarray(row * size, (row + 1) * size)));
