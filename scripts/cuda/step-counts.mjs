// What one training step of a small BERT costs, counted by the emulator: launches, bytes, operations, waits. For golden.mjs.
//
// A step is what a training of one step more counts more. It is counted twice, for a step that is not logged and for one that is: only the second waits.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const bert = join(root, "packages", "bert");
/** In the first epoch memory is got for everything, and in the second nothing is. */
const STEPS_PER_EPOCH = 4;

/** Counts of a whole training. */
function countTraining(steps, loggingSteps) {
  const folder = mkdtempSync(join(tmpdir(), "node-bert-step-"));
  const file = join(folder, "counters.json");
  const env = {
    ...process.env,
    NODE_BERT_EMULATOR_COUNTERS: file,
    NODE_BERT_EMULATED_ARCH: "80",
    NODE_BERT_EMULATOR_SEED: "1",
    NODE_BERT_CUBLAS: "none",
  };
  const program = [
    "--import",
    "tsx",
    "test/cuda/fixtures/train.ts",
    "cuda-emulated",
    String(steps),
    String(loggingSteps),
    String(STEPS_PER_EPOCH),
  ];
  try {
    const result = spawnSync(process.execPath, program, { cwd: bert, env, stdio: ["ignore", "ignore", "inherit"] });
    if (result.status !== 0) throw new Error("the training on the emulator failed");
    const { kernels, host } = JSON.parse(readFileSync(file, "utf8"));
    const sum = (key) => Object.values(kernels).reduce((total, counters) => total + (counters[key] ?? 0), 0);
    return {
      launches: sum("launches"),
      graphs: host.graph_launches,
      global_bytes: 32 * sum("global_sectors"),
      tensor_core_flops: sum("mma_flops"),
      other_flops: sum("flops"),
      copies: host.copies,
      bytes_to_device: host.bytes_to_device,
      bytes_to_host: host.bytes_to_host,
      allocations: host.allocations,
      synchronisations: host.synchronisations,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns {{"not logged": object, logged: object}} */
export function countStep() {
  const stepOf = (loggingSteps) => {
    const [few, more] = [6, 7].map((steps) => countTraining(steps, loggingSteps));
    return Object.fromEntries(Object.keys(few).map((key) => [key, more[key] - few[key]]));
  };
  return { "not logged": stepOf(1000), logged: stepOf(1) };
}
