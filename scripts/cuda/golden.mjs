// Compares what each CUDA kernel and a training step cost with cuda/tests/golden.json, or writes that file: node scripts/cuda/golden.mjs [--update]
//
// The emulator counts (cuda/tests/standard_sizes_test.cc runs every kernel once, at BERT-base's width; a training step is step-counts.mjs'), ptxas tells
// registers, shared memory and spills.
// All of it is the same on every machine, so any difference is a change of the code or of the compiler: look at it, then --update.
// Needs `node scripts/build-cuda.mjs`; what ptxas says is compared where `--full` was built, too.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { countStep } from "./step-counts.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const build = join(root, "cuda", "build");
const goldenFile = join(root, "cuda", "tests", "golden.json");
const program = join(build, "tests", "tests", "standard_sizes_test");

/** The counters that are kept, of those in cuda/emulator/execute/kernel.h. */
const COUNTERS = [
  "launches",
  "instructions",
  "shared_wavefronts",
  "bank_conflicts",
  "global_sectors",
  "mma",
  "barriers",
  "atomics",
];
const PTXAS_ARCHITECTURES = ["sm_80", "sm_90"];

/** "adamw_kernel<__nv_bfloat16>" of a mangled name: without namespaces, whose hashes change with the compiler's whim, and arguments. */
export function readableNames(mangled) {
  const result = spawnSync("c++filt", ["-p"], { input: mangled.join("\n"), encoding: "utf8" });
  if (result.status !== 0) throw new Error("c++filt (binutils) cannot be run");
  const names = result.stdout
    .trimEnd()
    .split("\n")
    .map((name) =>
      name
        .replaceAll(/\(anonymous namespace\)::|_INTERNAL_\w+::|_GLOBAL__N_\w+::|node_bert::cuda::/g, "")
        .replace(/^void /, ""),
    );
  return new Map(mangled.map((name, i) => [name, names[i]]));
}

/** Runs every kernel on the emulator, scheduled by the seed, and returns its counts by readable name. */
function count(seed) {
  const folder = mkdtempSync(join(tmpdir(), "node-bert-golden-"));
  const file = join(folder, "counters.json");
  const env = {
    ...process.env,
    NODE_BERT_EMULATOR_COUNTERS: file,
    NODE_BERT_EMULATED_ARCH: "80",
    NODE_BERT_EMULATOR_SEED: String(seed),
  };
  try {
    const result = spawnSync(program, { env, stdio: ["ignore", "ignore", "inherit"] });
    if (result.status !== 0) throw new Error(`${program} failed`);
    const { kernels } = JSON.parse(readFileSync(file, "utf8"));
    const names = readableNames(Object.keys(kernels));
    return Object.fromEntries(
      Object.entries(kernels)
        .filter(([, counters]) => counters.launches > 0)
        .map(([name, counters]) => [names.get(name), Object.fromEntries(COUNTERS.map((key) => [key, counters[key]]))]),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What ptxas said of each kernel, by readable name: `{ sm_80: { registers, shared_bytes, spilled_bytes } }`; undefined without a full build. */
function askPtxas() {
  const folder = join(build, "full", "kernels");
  if (!existsSync(folder)) return undefined;
  const text = readdirSync(folder)
    .filter((name) => name.endsWith(".log"))
    .map((name) => readFileSync(join(folder, name), "utf8"))
    .join("\n");
  const found = [];
  const entry = /Compiling entry function '(\w+)' for '(sm_\d+)'([\s\S]*?)Used (\d+) registers(.*)/g;
  for (const [, mangled, arch, between, registers, rest] of text.matchAll(entry)) {
    if (!PTXAS_ARCHITECTURES.includes(arch)) continue;
    const spilled = Number(/(\d+) bytes spill stores/.exec(between)?.[1] ?? 0);
    const shared = Number(/(\d+) bytes smem/.exec(rest)?.[1] ?? 0);
    found.push({
      mangled,
      arch,
      numbers: { registers: Number(registers), shared_bytes: shared, spilled_bytes: spilled },
    });
  }
  const names = readableNames(found.map(({ mangled }) => mangled));
  const kernels = {};
  for (const { mangled, arch, numbers } of found) {
    const name = names.get(mangled);
    kernels[name] = { ...kernels[name], [arch]: numbers };
  }
  return kernels;
}

const sorted = (object) => Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Differences of what was recorded, a line each. A kernel that was not recorded yet is none: `unrecorded` lists it. */
function differences(recorded, found, path) {
  return Object.entries(recorded).flatMap(([key, value]) => {
    const below = `${path}, ${key}`;
    if (found[key] === undefined) return [`${below}: gone`];
    if (typeof value === "object") return differences(value, found[key], below);
    return value === found[key] ? [] : [`${below}: ${value} -> ${found[key]}`];
  });
}

const unrecorded = (recorded, found) => Object.keys(found).filter((name) => !(name in recorded));

function main() {
  if (!existsSync(program)) throw new Error("run `node scripts/build-cuda.mjs` first");
  const ptxas = askPtxas();
  const golden = existsSync(goldenFile)
    ? JSON.parse(readFileSync(goldenFile, "utf8"))
    : { step: {}, emulator: {}, ptxas: {} };
  const found = { step: countStep(), emulator: sorted(count(1)), ptxas: sorted(ptxas ?? {}) };
  // Counts depend neither on the run nor on the schedule.
  const changing = differences(found.emulator, count(2), "counted with another seed");
  if (changing.length > 0) throw new Error(`the emulator's counts are not deterministic:\n  ${changing.join("\n  ")}`);
  if (process.argv.includes("--update")) {
    const kept = {
      step: found.step,
      emulator: found.emulator,
      ptxas: ptxas === undefined ? golden.ptxas : found.ptxas,
    };
    writeFileSync(goldenFile, `${JSON.stringify(kept, null, 2)}\n`);
    if (ptxas === undefined)
      process.stderr.write("golden: registers and spills were not updated: that needs `build-cuda.mjs --full`\n");
    return;
  }
  const changed = [
    ...differences(golden.step, found.step, "a training step"),
    ...differences(golden.emulator, found.emulator, "counted"),
  ];
  if (ptxas !== undefined) changed.push(...differences(golden.ptxas, found.ptxas, "ptxas"));
  const missing = new Set([...unrecorded(golden.emulator, found.emulator), ...unrecorded(golden.ptxas, found.ptxas)]);
  if (missing.size > 0)
    process.stderr.write(`golden: ${missing.size} kernels are not recorded in full; --update does\n`);
  for (const line of changed) process.stderr.write(`golden: ${line}\n`);
  if (changed.length > 0) {
    process.stderr.write(
      "golden: the costs of kernels or of a step changed; if they should, run `node scripts/cuda/golden.mjs --update`\n",
    );
    process.exitCode = 1;
  } else {
    process.stdout.write(
      `golden: the costs of ${Object.keys(golden.emulator).length} kernels and of a step are as recorded\n`,
    );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
