// How often training waits for the GPU: the emulator counts.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { CUDA, cudaTest } from "./emulated.js";

const emulatorTest = CUDA === "cuda-emulated" ? cudaTest : test.skip;

interface Counted {
  losses: number[];
  /** Each allocation waits, too, and a run makes them in its first steps. */
  waits: number;
  graphs: number;
}

function train(steps: number, loggingSteps: number): Counted {
  const folder = mkdtempSync(join(tmpdir(), "node-bert-counts-"));
  try {
    const counters = join(folder, "counters.json");
    const program = fileURLToPath(new URL("fixtures/train.ts", import.meta.url));
    const args = ["--import", "tsx", program, CUDA, String(steps), String(loggingSteps)];
    const env = { ...process.env, NODE_BERT_EMULATOR_COUNTERS: counters };
    const child = spawnSync(process.execPath, args, { encoding: "utf8", env });
    if (child.status !== 0) throw new Error(child.stderr);
    const { host } = JSON.parse(readFileSync(counters, "utf8"));
    const { losses } = JSON.parse(child.stdout);
    return { losses, waits: host.synchronisations - host.allocations, graphs: host.graph_launches };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

emulatorTest("training waits for the GPU once for each step that is logged, and for nothing else", (t) => {
  // The first and the last step are always logged.
  const [few, many, tenth, each] = [train(34, 1000), train(50, 1000), train(50, 10), train(50, 1)];
  t.is(many.waits, few.waits, "steps that are not logged wait for nothing");
  t.is(tenth.waits, many.waits + 4, "10, 20, 30, 40");
  t.is(each.waits, many.waits + 48);
  t.is(many.graphs, 49, "all but the first step, which finds out how much scratch memory is needed");
  t.is(many.losses.length, 50);
  t.deepEqual(many.losses, each.losses, "a step's loss is the same, whenever it is read");
  t.deepEqual(many.losses, tenth.losses);
});
