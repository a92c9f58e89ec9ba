// The CUDA backend's own suite, on the emulator or on a GPU; ends with "N passed, N failed, N skipped" and exits non-zero on failure.
//   node scripts/test-cuda.mjs                 rebuilds what changed, then kernels (C++), ops and a whole model on the emulator, PTX of compute_80
//   node scripts/test-cuda.mjs --arch 75,90    other PTX; with --full the build has 75, 80, 90, 100 and 120 and machine code
//   node scripts/test-cuda.mjs --ops           only the ops: the inner loop of whoever edits a kernel; --match="*attention*" narrows it
//   node scripts/test-cuda.mjs --gpu           the same suites on cuda:0, and bert doctor's table, into the file cuda-report.txt
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildCuda, cudaBuild } from "./build-cuda.mjs";
import { checkCublas } from "./cuda/check-cublas.mjs";
import { createTotals, runAva } from "./run-ava.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The tests that run on the devices they are told; the others are of the reference, or of the CPU's own. */
const OP_TESTS = [
  ...[
    "parity",
    "dropout",
    "dropout-masks",
    "adamw",
    "arguments",
    "in-place",
    "not-a-number",
    "constant-weights",
    "rounded-weights",
    "junk",
  ].map((name) => `test/ops/${name}.test.ts`),
  "test/lifetimes/tensors.test.ts",
];
/**
 * What the emulator leaves out but with --full, for it takes minutes: sizes of real batches, which add no line of code to those of the other cases; and
 * every case twice, for the kernels' own tests look at equal bits.
 */
const NOT_EMULATED = ["--match=!*large*", "--match=!*same bits*"];

/**
 * The C++ programs below a folder of cuda/. One that prints TAP lines counts as many tests, another as one.
 * @param {{env: object, below?: string}} options
 */
export function runPrograms(totals, { env, below = "" }) {
  const folder = join(cudaBuild, "tests");
  if (!existsSync(folder)) return;
  const programs = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith("_test"));
  for (const name of programs.filter((name) => name.startsWith(below)).sort()) {
    const started = Date.now();
    const result = spawnSync(join(folder, name), { encoding: "utf8", env, maxBuffer: 1 << 28 });
    const lines = (result.stdout ?? "").split("\n");
    const count = { passed: 0, failed: 0, skipped: 0 };
    if (lines.some((line) => /^1\.\.\d+$/.test(line))) {
      count.passed = lines.filter((line) => line.startsWith("ok ")).length;
      const failures = lines.filter((line) => line.startsWith("not ok "));
      count.failed = failures.length;
      for (const line of failures) totals.say(`  FAILED: ${line}`);
      if (result.status !== 0 && count.failed === 0) count.failed++;
    } else {
      count[result.status === 0 ? "passed" : "failed"]++;
      if (result.status !== 0) totals.say(`${result.stdout}${result.stderr}`.trimEnd());
    }
    totals.add(count, `cuda ${name}`, started);
  }
}

/** Registers, spills, wavefronts, sectors, mma of each kernel against the recorded ones. */
function runGolden(totals) {
  const started = Date.now();
  const result = spawnSync(process.execPath, [join(root, "scripts", "cuda", "golden.mjs")], { encoding: "utf8" });
  const passed = result.status === 0;
  totals.add({ passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 }, "cuda costs of kernels", started);
  process.stdout.write(result.stderr);
}

/** What we declare of cuBLASLt against the real one's header and symbols. */
export function runCublasCheck(totals) {
  const started = Date.now();
  const result = checkCublas();
  if (result === "skipped")
    totals.say("  skipped: the real cuBLAS' symbols were not checked, for pip could not bring it");
  const count = { passed: 0, failed: 0, skipped: 0 };
  count[result]++;
  totals.add(count, "the real cuBLAS' header and symbols", started);
}

/**
 * Runs the suites on one device.
 * @param {{device: string, arch?: number, onlyOps?: boolean, match?: string, programs?: boolean, full?: boolean}} options
 */
export async function testCuda(totals, { device, arch, onlyOps = false, match, programs = true, full = false }) {
  const env = {
    NODE_BERT_EMULATOR_SEED: "1",
    ...process.env,
    NODE_BERT_TEST_DEVICES: device,
    NODE_BERT_TEST_CUDA: device,
    ...(arch === undefined ? {} : { NODE_BERT_EMULATED_ARCH: String(arch) }),
  };
  const label = arch === undefined ? device : `${device} compute_${arch}`;
  // The emulator's own tests are in PTX of compute_80 and compute_90: of what sm_75 has not, too.
  if (programs && arch !== undefined && !onlyOps) runPrograms(totals, { env, below: arch < 80 ? "tests" : "" });
  if (programs && arch === 80 && !onlyOps) runGolden(totals);
  const matches = match !== undefined ? [`--match=${match}`] : arch === undefined || full ? [] : NOT_EMULATED;
  await runAva(totals, `ops on ${label}`, "core-native", {
    files: ["--timeout=20m", ...matches, ...OP_TESTS],
    env: { ...env, NODE_BERT_CUBLAS: "none" },
  });
  if (onlyOps) return;
  // On a GPU the real one, where it is found.
  const cublas = arch === undefined ? (env.NODE_BERT_CUBLAS ?? "") : join(cudaBuild, "cublas_emulated");
  await runAva(totals, `linear on ${label} with cuBLAS`, "core-native", {
    files: ["--timeout=20m", "--match=linear*", "test/ops/parity.test.ts"],
    env: { ...env, NODE_BERT_CUBLAS: cublas },
  });
  await runAva(totals, `host code on ${label}`, "core-native", { files: ["--timeout=20m", "test/cuda/**"], env });
  for (const [what, packageName] of [
    ["model", "bert"],
    ["command", "cli"],
  ])
    await runAva(totals, `${what} on ${label}`, packageName, { files: ["--timeout=20m", "test/cuda/**"], env });
}

async function main() {
  const args = process.argv.slice(2);
  const value = (name) => args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
  const list = args.includes("--arch") ? args[args.indexOf("--arch") + 1] : value("--arch");
  const gpu = args.includes("--gpu");
  const totals = createTotals();
  const built = await buildCuda({ full: args.includes("--full") || gpu });
  if (built === "no compiler") {
    process.stdout.write("CUDA was not tested: there is no nvcc, and pip could not bring one\n");
    process.exit(1);
  }
  if (built === "failed") process.exit(1);
  const options = { onlyOps: args.includes("--ops"), match: value("--match"), full: args.includes("--full") };
  if (gpu) {
    await testCuda(totals, { device: "cuda:0", ...options });
    const doctor = spawnSync(process.execPath, ["packages/cli/bin/bert.js", "doctor", "--device", "cuda:0"], {
      cwd: root,
      encoding: "utf8",
    });
    const passed = doctor.status === 0;
    totals.add(
      { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 },
      "bert doctor --device cuda:0",
      Date.now(),
    );
    const report = join(root, "cuda-report.txt");
    writeFileSync(report, `${totals.lines.join("\n")}\n${totals.summary()}\n\n${doctor.stdout}${doctor.stderr}`);
    process.stdout.write(`The report to attach to an issue: ${report}\n`);
  } else {
    if (args.includes("--full")) runCublasCheck(totals);
    for (const arch of (list ?? "80").split(",").map(Number))
      await testCuda(totals, { device: "cuda-emulated", arch, ...options });
  }
  process.stdout.write(`${totals.summary()}\n`);
  process.exit(totals.failed === 0 ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
