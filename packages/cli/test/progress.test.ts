import test from "ava";
import { startProgress } from "../src/progress.js";

test.serial("a resumed run's rate is of its own steps, and the time left that of what is left", (t) => {
  const lines: string[] = [];
  const { write } = process.stderr;
  const { now } = performance;
  let clock = 1_000;
  performance.now = () => clock;
  process.stderr.write = ((text: string) => lines.push(text)) as never;
  try {
    const progress = startProgress("train", 1000, "steps", 900);
    clock += 20_000;
    progress.update(940);
  } finally {
    process.stderr.write = write;
    performance.now = now;
  }
  t.deepEqual(lines, ["train: 940/1000 steps, 2.00 steps/s, 30 s left\n"]);
});
