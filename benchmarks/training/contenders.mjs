// Who takes part in the training benchmark and with what settings. PyTorch is measured at its best: which of the candidates below is best
// differs from machine to machine, so run.mjs tries them first and the result records all that was tried.
import { join } from "node:path";
import { root } from "../lib/fingerprint.mjs";

/** glibc gives large blocks back to the system when they are freed, and every step then pays for the page faults again. */
const KEEP_MEMORY = {
  MALLOC_MMAP_THRESHOLD_: "4294967296",
  MALLOC_TRIM_THRESHOLD_: "17179869184",
  MALLOC_TOP_PAD_: "268435456",
};

const ATTENTION = {
  sdpa: { flags: ["--attention", "sdpa"], says: "SDPA attention" },
  eager: { flags: ["--attention", "eager"], says: "eager attention" },
};

const MEMORY = {
  default: { environment: {}, says: undefined },
  kept: {
    environment: KEEP_MEMORY,
    says: "glibc told to keep freed memory (MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_, MALLOC_TOP_PAD_)",
  },
};

/**
 * Float32 weights in all of them: parameters stored in bfloat16 alone would lose updates at fine-tuning rates and are other work.
 *
 * @param bf16Rounds whether float32 products allowed to use bfloat16 round on this processor (python/probe_matmul.py)
 */
function pytorchPrecisions(precision, bf16Rounds) {
  const autocast = { flags: ["--dtype", "bf16"], says: "bf16 autocast" };
  const mkl = { flags: ["--dtype", "fp32"], says: "fp32" };
  const oneDnn = {
    flags: ["--dtype", "fp32", "--matmul-precision", "bf16"],
    says: bf16Rounds ? "fp32 with products in bf16" : "fp32 with products by oneDNN instead of MKL",
  };
  if (precision === "bf16") return bf16Rounds ? [autocast, oneDnn] : [autocast];
  return bf16Rounds ? [mkl] : [mkl, oneDnn];
}

/** The flags that both sides take, from the workload. */
function workloadFlags(workload, rows, dropout) {
  const flags = [
    "--model",
    workload.folder,
    "--rows",
    rows,
    "--batch-size",
    workload.batchSize,
    "--steps",
    workload.plannedSteps,
  ];
  flags.push("--learning-rate", workload.learningRate, "--weight-decay", workload.weightDecay);
  flags.push("--max-gradient-norm", workload.maxGradientNorm, "--order", "sequential", "--threads", workload.threads);
  if (dropout !== undefined) flags.push("--dropout", dropout);
  return flags.map(String);
}

/**
 * PyTorch's candidates in one precision ("fp32" or "bf16").
 *
 * @param options `bf16Rounds` as above; `dropout` overrides the model's; `compile` adds torch.compile, which takes minutes to start
 */
export function pytorchCandidates(python, precision, workload, rows, { bf16Rounds, dropout, compile = false }) {
  const script = join(root, "python", "train_loop.py");
  const candidates = [];
  for (const { flags: dtype, says } of pytorchPrecisions(precision, bf16Rounds)) {
    for (const attention of Object.values(ATTENTION)) {
      for (const memory of Object.values(MEMORY)) {
        for (const compiled of compile && memory === MEMORY.kept ? [false, true] : [false]) {
          const settings = [says, attention.says, "fused AdamW", memory.says, compiled ? "torch.compile" : undefined];
          const flags = [
            ...dtype,
            ...attention.flags,
            "--fused-adamw",
            "--interactive",
            ...(compiled ? ["--compile"] : []),
          ];
          candidates.push({
            name: `pytorch-${precision}`,
            settings: settings.filter((setting) => setting !== undefined),
            command: [python, script, ...workloadFlags(workload, rows, dropout), ...flags],
            environment: { PYTHONUNBUFFERED: "1", ...memory.environment },
          });
        }
      }
    }
  }
  return candidates;
}

/** node-bert in one precision. It has nothing to tune: what it chooses by itself is what is measured. */
export function nodeBert(precision, workload, rows, { dropout } = {}) {
  const script = join(root, "benchmarks", "training", "node-bert.mjs");
  return {
    name: `node-bert-${precision}`,
    settings: [precision === "fp32" ? "fp32" : "bf16 over fp32 weights", "defaults"],
    command: [process.execPath, script, ...workloadFlags(workload, rows, dropout), "--precision", precision],
    environment: {},
  };
}
