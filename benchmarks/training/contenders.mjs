// Who takes part in the training benchmark and with what settings. PyTorch is measured at its best: which settings are best differs from machine
// to machine, so run.mjs tries them first and the result records all that was tried.
import { join } from "node:path";
import { root } from "../lib/fingerprint.mjs";
import { ATTENTION, bfloat16Products, compiling, float32Products, MEMORY } from "../lib/pytorch.mjs";
import { together } from "../lib/tune.mjs";

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
  flags.push("--device", workload.device ?? "cpu");
  if (dropout !== undefined) flags.push("--dropout", dropout);
  return flags.map(String);
}

/**
 * What to choose of PyTorch in one precision ("fp32" or "bf16"). Float32 weights in all of it: parameters stored in bfloat16 alone would lose
 * updates at fine-tuning rates and are other work.
 */
export function pytorchChoices(precision, { bf16Rounds, compile = false }) {
  const products = precision === "bf16" ? bfloat16Products(bf16Rounds) : float32Products(bf16Rounds);
  return [products, ATTENTION, [{ flags: ["--fused-adamw"], says: "fused AdamW" }], MEMORY, compiling(compile)];
}

/**
 * PyTorch with one option of each choice.
 *
 * @param pad "longest" of the batch, or "max": every row to the workload's length
 */
export function pytorch(python, name, options, workload, rows, { dropout, pad = "longest" } = {}) {
  const { flags, environment, settings } = together(options);
  const script = join(root, "python", "train_loop.py");
  const padding = ["--pad", pad, "--max-length", String(workload.length)];
  return {
    name,
    settings: pad === "max" ? [...settings, `rows padded to ${workload.length}`] : settings,
    command: [python, script, ...workloadFlags(workload, rows, dropout), ...flags, ...padding, "--interactive"],
    environment: { PYTHONUNBUFFERED: "1", ...environment },
  };
}

/** node-bert in one precision. It has nothing to tune: what it chooses by itself is what is measured. */
export function nodeBert(precision, workload, rows, { dropout } = {}) {
  const script = join(root, "benchmarks", "training", "node-bert.mjs");
  const flags = [...workloadFlags(workload, rows, dropout), "--logging-steps", String(workload.stepsPerRound ?? 500)];
  return {
    name: `node-bert-${precision}`,
    settings: [precision === "fp32" ? "fp32" : "bf16 over fp32 weights", "defaults"],
    command: [process.execPath, script, ...flags, "--precision", precision],
    environment: {},
  };
}
