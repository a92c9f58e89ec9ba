// npm test: sets up everything, then runs every suite and ends with one line "N passed, N failed, N skipped".
//   node scripts/test.mjs [suite …]     suites: lint cuda core-native hub datasets bert cli sanitize packages; default: all
// Each suite's failures and skips are printed as they come.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildCuda } from "./build-cuda.mjs";
import { createTotals, runAva } from "./run-ava.mjs";
import { setup } from "./setup.mjs";
import { runCublasCheck, runPrograms, testCuda } from "./test-cuda.mjs";
import { testMutants } from "./test-cuda-mutants.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => join(root, "node_modules", ".bin", name);
const totals = createTotals();

/** Runs a command that passes or fails as a whole. */
function runCheck(name, command, args, options = {}) {
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], ...options });
  const passed = result.status === 0;
  totals.add({ passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 }, name, started);
}

/** The op and lifetime suites again, with the addon under AddressSanitizer and UBSan. */
async function runSanitized() {
  runCheck("sanitize build", process.execPath, [join(root, "scripts", "build-native.mjs"), "--sanitize"]);
  const addon = join(root, "packages", "core-native", "build-sanitize", "Release", "node_bert_core.node");
  if (!existsSync(addon)) return;
  const library = (name) => spawnSync("g++", [`-print-file-name=${name}`], { encoding: "utf8" }).stdout.trim();
  await runAva(totals, "core-native, sanitized", "core-native", {
    // The sizes of real batches add no line of code to those of the other cases, and take minutes here.
    files: ["--timeout=20m", "--match=!*large*", "--match=!*same bits*", "test/**/*.test.ts", "!test/cuda/**"],
    env: {
      NODE_BERT_ADDON: addon,
      NODE_BERT_SANITIZED: "1",
      LD_PRELOAD: `${library("libasan.so")}:${library("libubsan.so")}`,
      // Node itself never frees some of what it makes; our own lifetimes are checked by the device's counters in the tests.
      // Freed memory is held back for 16 MiB only, or resident memory would grow by the sanitizer's own hold.
      ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1:quarantine_size_mb=16",
      UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
    },
  });
}

/** Hugging Face in Python and a real pretrained model. Tests that need one that cannot be had say that they were skipped. */
function prepareReferences() {
  for (const script of ["setup-python.mjs", "fetch-minilm.mjs"]) {
    const result = spawnSync(process.execPath, [join(root, "scripts", script)], { cwd: root, stdio: ["ignore", 2, 2] });
    if (result.status !== 0) process.stdout.write(`${script} failed: what needs it will be skipped\n`);
  }
  const python = join(root, ".venv", "bin", "python");
  if (existsSync(python)) process.env.NODE_BERT_PYTHON = python;
}

/**
 * Machine code of every kernel for every architecture, linked with the real runtime; then the very same objects on the emulator, PTX of two
 * architectures. The others: npm run test:cuda -- --arch 75,100,120 --full
 */
async function runCuda() {
  const started = Date.now();
  const built = await buildCuda({ full: true });
  if (built === "no compiler") {
    process.stdout.write("  skipped: CUDA was not tested: there is no nvcc, and pip could not bring one\n");
    totals.add({ passed: 0, failed: 0, skipped: 1 }, "cuda build", started);
    return;
  }
  const failed = built === "failed" ? 1 : 0;
  totals.add({ passed: 1 - failed, failed, skipped: 0 }, "cuda build", started);
  if (failed) return;
  runCublasCheck(totals);
  await testCuda(totals, { device: "cuda-emulated", arch: 80 });
  runPrograms(totals, { env: { ...process.env, NODE_BERT_EMULATED_ARCH: "90" }, below: "emulator" });
  const mutantsStarted = Date.now();
  totals.add(await testMutants({ full: true }), "faults planted in the kernels", mutantsStarted);
  await testCuda(totals, { device: "cuda-emulated", arch: 90, onlyOps: true });
}

const suites = {
  lint: () => {
    runCheck("lint", bin("biome"), ["check", "--error-on-warnings", "."]);
    runCheck("dependency rule", process.execPath, [join(root, "scripts", "lint-dependencies.mjs")]);
  },
  cuda: runCuda,
  "core-native": () => runAva(totals, "core-native", "core-native", { files: ["test/**/*.test.ts", "!test/cuda/**"] }),
  hub: () => runAva(totals, "hub", "hub"),
  datasets: () => runAva(totals, "datasets", "datasets"),
  bert: () => runAva(totals, "bert", "bert", { files: ["test/**/*.test.ts", "!test/cuda/**"] }),
  cli: () => runAva(totals, "cli", "cli", { files: ["test/**/*.test.ts", "!test/cuda/**"] }),
  benchmarks: () => runAva(totals, "benchmarks", "../benchmarks"),
  sanitize: runSanitized,
  packages: () => runCheck("packages", process.execPath, [join(root, "scripts", "test-packages.mjs")]),
};

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !(name in suites));
if (unknown !== undefined) {
  process.stderr.write(`test: there is no suite "${unknown}"; expected ${Object.keys(suites).join(", ")}\n`);
  process.exit(2);
}
setup();
prepareReferences();
for (const [name, run] of Object.entries(suites)) if (wanted.length === 0 || wanted.includes(name)) await run();
process.stdout.write(`${totals.summary()}\n`);
process.exit(totals.failed === 0 ? 0 : 1);
