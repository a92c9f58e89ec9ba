// Plants faults in the backend's own kernels, one at a time, and expects each to be caught: node scripts/test-cuda-mutants.mjs [--match=text]
// A mutant is caught when a check of the emulator stops it, or when its results differ from those of the kernel as it is, on any seed. The kernel as it
// is must run clean and give the same bits on every seed. Minutes: each mutant is compiled.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildCuda, cudaBuild } from "./build-cuda.mjs";
import { MUTANTS } from "./cuda/mutants.mjs";
import { ensureToolkit } from "./cuda/toolchain.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const cuda = join(root, "cuda");
const SEEDS = [1, 2, 3];

function replaceNth(text, from, to, nth) {
  let at = -1;
  for (let i = 0; i < nth; ++i) {
    at = text.indexOf(from, at + 1);
    if (at < 0) return undefined;
  }
  return text.slice(0, at) + to + text.slice(at + from.length);
}

/** @returns {Promise<{status: number | null, stdout: string, stderr: string}>} */
function run(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
    const result = { status: null, stdout: "", stderr: "" };
    for (const stream of ["stdout", "stderr"])
      child[stream].on("data", (chunk) => {
        result[stream] += chunk;
      });
    child.on("close", (status) => resolve({ ...result, status }));
  });
}

/** Calls work on every item, two at a time. */
async function forEach(items, work) {
  const rest = [...items.entries()];
  const worker = async () => {
    for (let next = rest.shift(); next !== undefined; next = rest.shift()) await work(next[1], next[0]);
  };
  await Promise.all([worker(), worker()]);
}

/** Compiles one unit of a copy of the kernels, changed by `mutant` (none: as it is), in bf16 only, and links it with the probe. */
async function build(toolkit, folder, units, mutant) {
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(cuda, "kernels"), join(folder, "kernels"), { recursive: true });
  const change = (file, edit) => {
    const path = join(folder, "kernels", file);
    const text = edit(readFileSync(path, "utf8"));
    if (text === undefined)
      throw new Error(`${file} no longer holds what "${mutant.name}" changes: change the mutant with it`);
    writeFileSync(path, text);
  };
  change("common.cuh", (text) => text.replace(/ *case DType::f(32|16): return visit\(.*\n/g, ""));
  if (mutant) change(mutant.file ?? mutant.unit, (text) => replaceNth(text, mutant.from, mutant.to, mutant.nth));
  const includes = [`-I${folder}`, `-I${cuda}`, `-I${join(root, "packages", "core-native", "native", "include")}`];
  const flags = [
    "-std=c++20",
    "-O3",
    "-lineinfo",
    "--no-compress",
    "--expt-relaxed-constexpr",
    "-gencode",
    "arch=compute_80,code=compute_80",
  ];
  const objects = units.map((unit) => join(folder, `${unit.replaceAll("/", "_")}.o`));
  await forEach(units, async (unit, i) => {
    const source = unit.endsWith("probe.cu") ? join(cuda, unit) : join(folder, "kernels", unit);
    const compiled = await run(toolkit.nvcc, ["-c", source, "-o", objects[i], ...flags, ...includes]);
    if (compiled.status !== 0) throw new Error(`${mutant?.name ?? "the kernels"} did not compile:\n${compiled.stderr}`);
  });
  return objects;
}

async function link(folder, objects, archive) {
  const program = join(folder, "probe");
  const linked = await run("g++", ["-o", program, ...objects, archive, "-ldl", "-lrt", "-lpthread"]);
  if (linked.status !== 0) throw new Error(linked.stderr);
  return program;
}

const runProbe = (program, what, seed) =>
  run(program, [what], { NODE_BERT_EMULATED_ARCH: "80", NODE_BERT_EMULATOR_SEED: String(seed) });

/**
 * Runs every mutant whose name contains `match`.
 * @returns {Promise<{passed: number, failed: number, skipped: number}>}
 */
export async function testMutants({ full = false, match = "" } = {}) {
  const count = { passed: 0, failed: 0, skipped: 0 };
  const toolkit = ensureToolkit();
  const archive = join(cudaBuild, full ? "full" : "development", "libnode_bert_cuda_emulator.a");
  const folder = join(cudaBuild, "mutants");
  mkdirSync(folder, { recursive: true });
  const units = [
    "attention_backward.cu",
    "attention_forward.cu",
    "attention_plain.cu",
    "optimizer.cu",
    "add_layer_norm.cu",
    "embeddings.cu",
    "cross_entropy.cu",
    "gemm.cu",
    "emulator/mutants/probe.cu",
  ];
  const originals = await build(toolkit, join(folder, "original"), units);
  const original = await link(join(folder, "original"), originals, archive);
  const expected = {};
  for (const what of new Set(MUTANTS.map(({ probe }) => probe))) {
    const results = await Promise.all(SEEDS.map((seed) => runProbe(original, what, seed)));
    expected[what] = results[0].stdout;
    const clean = results.every(({ status, stdout }) => status === 0 && stdout === expected[what]);
    count[clean ? "passed" : "failed"]++;
    process.stdout.write(
      `${clean ? "ok" : "not ok"} - ${what} as it is${clean ? "" : `\n${results.map(({ stderr }) => stderr).join("")}`}\n`,
    );
  }
  const mutants = MUTANTS.filter(({ name }) => name.includes(match));
  await forEach(mutants, async (mutant, i) => {
    const here = join(folder, `mutant-${i}`);
    const [object] = await build(toolkit, here, [mutant.unit], mutant);
    const objects = originals.map((path, k) => (units[k] === mutant.unit ? object : path));
    const program = await link(here, objects, archive);
    let caught;
    for (const seed of SEEDS) {
      const result = await runProbe(program, mutant.probe, seed);
      if (result.status !== 0) caught = result.stderr.split("\n")[0].replace("CUDA emulator: ", "");
      else if (result.stdout !== expected[mutant.probe]) caught = "other numbers";
      if (caught !== undefined) break;
    }
    rmSync(here, { recursive: true, force: true });
    count[caught !== undefined ? "passed" : "failed"]++;
    process.stdout.write(`${caught !== undefined ? "ok" : "not ok"} - ${mutant.name}: ${caught ?? "NOT CAUGHT"}\n`);
  });
  return count;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if ((await buildCuda()) !== "built") process.exit(1);
  const match = process.argv.find((arg) => arg.startsWith("--match="))?.slice("--match=".length);
  const { passed, failed } = await testMutants({ match });
  process.stdout.write(`mutants: ${passed} passed, ${failed} failed\n`);
  process.exit(failed === 0 ? 0 : 1);
}
