// Plants faults in the backend's own kernels, one at a time, and expects each to be caught: node scripts/test-cuda-mutants.mjs [--match=text]
// A mutant is caught when a check of the emulator stops it, or when its results differ from those of the kernel as it is, on any seed. The kernel as it
// is must run clean and give the same bits on every seed. Minutes: each mutant is compiled.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildCuda, cudaBuild } from "./build-cuda.mjs";
import { ensureToolkit } from "./cuda/toolchain.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const cuda = join(root, "cuda");
const SEEDS = [1, 2, 3];

/** A fault: in `file`, the `nth` (from 1) occurrence of `from` becomes `to`; `unit` is what is compiled again, `probe` what runs. */
const backward = { unit: "attention_backward.cu", probe: "attention" };
const forward = { unit: "attention_forward.cu", probe: "attention" };
const optimizer = { unit: "optimizer.cu", probe: "optimizer" };
const layerNorm = { unit: "add_layer_norm.cu", probe: "layer norm" };
const embeddings = { unit: "embeddings.cu", probe: "embeddings" };
const crossEntropy = { unit: "cross_entropy.cu", probe: "cross-entropy" };
const gemm = { unit: "gemm.cu", probe: "gemm" };
const MUTANTS = [
  { name: "attention backward, dq: no wait for the keys", ...backward, from: "copy_async_wait<0>();", to: "", nth: 1 },
  { name: "attention backward, dq: no barrier in the loop", ...backward, from: "__syncthreads();", to: "", nth: 4 },
  {
    name: "attention backward, dk and dv: no wait for the queries",
    ...backward,
    from: "copy_async_wait<0>();",
    to: "",
    nth: 2,
  },
  {
    name: "attention backward: the ragged tail is not masked",
    ...backward,
    from: "left < COLUMNS)",
    to: "left < 0)",
    nth: 1,
  },
  {
    name: "attention backward: delta of half a row",
    ...backward,
    from: "sum += __shfl_xor_sync(0xFFFFFFFFu, sum, 1);",
    to: "",
    nth: 1,
  },
  {
    name: "attention backward: registers of mma swapped",
    ...backward,
    file: "attention.cuh",
    from: "left, right[0], right[1])",
    to: "left, right[1], right[0])",
    nth: 2,
  },
  {
    name: "attention backward: .trans missing",
    ...backward,
    file: "tile.cuh",
    from: "load_matrices_transposed(",
    to: "load_matrices(",
    nth: 1,
  },
  {
    name: "attention backward: no __syncwarp before rows are stored",
    ...backward,
    file: "attention.cuh",
    from: "__syncwarp();",
    to: "",
    nth: 1,
  },
  { name: "attention forward: no barrier in the loop", ...forward, from: "__syncthreads();", to: "", nth: 2 },
  {
    name: "attention forward: stages reused too early",
    ...forward,
    from: "__syncthreads();  // everybody is done with the stages",
    to: "",
    nth: 1,
  },
  { name: "AdamW: the factor is not waited for", ...optimizer, from: "__syncthreads();", to: "", nth: 1 },
  {
    name: "AdamW: the tail is not predicated",
    ...optimizer,
    from: "if (i < left) p[i] = values[i];",
    to: "p[i] = values[i];",
    nth: 1,
  },
  {
    name: "AdamW: 128-bit loads past the end",
    ...optimizer,
    from: "vectorized && left >= WIDTH) return",
    to: "vectorized) return",
    nth: 1,
  },
  {
    name: "AdamW: v of the gradient, not its square",
    ...optimizer,
    from: "s.one_minus_beta2 * g * g",
    to: "s.one_minus_beta2 * g",
    nth: 1,
  },
  {
    name: "sum of squares: every thread writes the block's sum",
    ...optimizer,
    from: "if (threadIdx.x == 0) partials",
    to: "partials",
    nth: 1,
  },
  {
    name: "LayerNorm: the variance of columns past the end",
    ...layerNorm,
    file: "norm_row.cuh",
    from: "if (i < left(k)) squares",
    to: "squares",
    nth: 1,
  },
  {
    name: "LayerNorm backward: without the mean of g times normalized",
    ...layerNorm,
    file: "norm_row.cuh",
    from: " - z[k].at[i] * mean_dot",
    to: "",
    nth: 1,
  },
  {
    name: "LayerNorm backward: the mask of another column",
    ...layerNorm,
    from: "mask.apply(gradient[k], n, row.chunk(k))",
    to: "mask.apply(gradient[k], n, row.chunk(k) + 1)",
    nth: 1,
  },
  {
    name: "LayerNorm backward: rows past the last",
    ...layerNorm,
    from: "min(N, (group + 1) * group_rows)",
    to: "(group + 1) * group_rows",
    nth: 1,
  },
  {
    name: "LayerNorm: warps do not wait for each other's sums",
    ...layerNorm,
    file: "common.cuh",
    from: "__syncthreads();",
    to: "",
    nth: 1,
  },
  {
    name: "LayerNorm: sums are overwritten while they are read",
    ...layerNorm,
    file: "common.cuh",
    from: "__syncthreads();",
    to: "",
    nth: 2,
  },
  {
    name: "column sums: parts are added before they are there",
    ...layerNorm,
    file: "column_sums.cuh",
    from: "__syncthreads();",
    to: "",
    nth: 1,
  },
  {
    name: "embeddings: positions are looked up by token",
    ...embeddings,
    from: "checked_index(tables.positions[n]",
    to: "checked_index(tables.ids[n]",
    nth: 1,
  },
  {
    name: "embeddings backward: no dropout",
    ...embeddings,
    from: "if (row.left(k) > 0) mask.apply(gradient[k], n, row.chunk(k));",
    to: "",
    nth: 1,
  },
  {
    name: "embeddings backward: ranks from a tile that is being overwritten",
    ...embeddings,
    file: "scatter.cuh",
    from: "__syncthreads();",
    to: "",
    nth: 2,
  },
  {
    name: "embeddings backward: a token is counted before itself",
    ...embeddings,
    file: "scatter.cuh",
    from: "i < before)",
    to: "i <= before)",
    nth: 1,
  },
  {
    name: "embeddings backward: the key after the last",
    ...embeddings,
    file: "scatter.cuh",
    from: "begin + count < N ? scatter.keys[begin + count] : -1",
    to: "scatter.keys[begin + count]",
    nth: 1,
  },
  {
    name: "embeddings backward: a piece of a long row is left out",
    ...embeddings,
    file: "scatter.cuh",
    from: "other = piece + 1;",
    to: "other = piece + 2;",
    nth: 1,
  },
  {
    name: "cross-entropy: the sum is not rebased",
    ...crossEntropy,
    from: "if (largest != -INFINITY) sum *= expf(largest - new_largest);",
    to: "",
    nth: 1,
  },
  {
    name: "cross-entropy: classes past the last",
    ...crossEntropy,
    from: "sum += i < left ? expf(chunk.at[i] - base(largest)) : 0.f;",
    to: "sum += expf(chunk.at[i] - base(largest));",
    nth: 1,
  },
  {
    name: "cross-entropy: each thread its own largest",
    ...crossEntropy,
    from: "mine.rebase(group_max<WARPS>(mine.largest, shared));",
    to: "",
    nth: 1,
  },
  {
    name: "cross-entropy backward: the label's place in a chunk",
    ...crossEntropy,
    from: "c + i == label",
    to: "c == label",
    nth: 1,
  },
  {
    name: "cross-entropy: ignored rows count",
    ...crossEntropy,
    from: "count += labels[n] != ignore_index;",
    to: "count += 1;",
    nth: 1,
  },
  {
    name: "GEMM: a tile is read while it is on its way",
    ...gemm,
    from: "copy_async_wait<STAGES - 2>()",
    to: "copy_async_wait<STAGES - 1>()",
    nth: 1,
  },
  { name: "GEMM: no barrier before a tile is multiplied", ...gemm, from: "__syncthreads();", to: "", nth: 1 },
  { name: "GEMM: sums are read back before they are there", ...gemm, from: "__syncthreads();", to: "", nth: 3 },
  {
    name: "GEMM: columns past the last are copied",
    ...gemm,
    from: "from_row < operand.rows && from_column < operand.columns",
    to: "from_row < operand.rows",
    nth: 1,
  },
  {
    name: "GEMM: rows past the last are written",
    ...gemm,
    from: "m + row >= args.m || n + column >= args.n",
    to: "n + column >= args.n",
    nth: 1,
  },
  {
    name: "GEMM: columns past the last are written",
    ...gemm,
    from: "store_chunk(c, chunk, args.n - n,",
    to: "store_chunk(c, chunk, CHUNK,",
    nth: 1,
  },
  { name: "GEMM: not added to what was there", ...gemm, from: "chunk.at[i] += before.at[i];", to: ";", nth: 1 },
  {
    name: "GEMM: the left operand's .trans missing",
    ...gemm,
    file: "tile.cuh",
    from: "load_matrices_transposed(",
    to: "load_matrices(",
    nth: 2,
  },
];

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
