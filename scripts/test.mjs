// npm test: sets up everything, then runs every suite and ends with one line "N passed, N failed, N skipped".
//   node scripts/test.mjs [suite …]     suites: lint core-native hub datasets bert cli sanitize packages; default: all
// Each suite's failures and skips are printed as they come.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setup } from "./setup.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const bin = (name) => join(root, "node_modules", ".bin", name);
const totals = { passed: 0, failed: 0, skipped: 0 };

/** Runs ava in a package and counts its TAP lines; a file that crashes counts as a failure. */
function runAva(name, packageName, { files = [], env = {} } = {}) {
  return new Promise((resolve) => {
    const started = Date.now();
    const cwd = join(root, "packages", packageName);
    const child = spawn(bin("ava"), ["--tap", ...files], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const count = { passed: 0, failed: 0, skipped: 0 };
    let printing = false;
    let rest = "";
    child.stdout.on("data", (chunk) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const result = /^(not )?ok \d+ - (.*)$/.exec(line);
        if (result !== null) {
          const [, failed, title] = result;
          const skipped = /# (SKIP|TODO)/.test(title);
          if (failed) count.failed++;
          else if (skipped) count.skipped++;
          else count.passed++;
          printing = Boolean(failed);
          if (failed || skipped) process.stdout.write(`  ${failed ? "FAILED" : "skipped"}: ${title}\n`);
        } else if (/^\s*#.*SKIPPED/.test(line)) {
          // A test that found out only when it ran: it logged why, and is no pass.
          count.passed--;
          count.skipped++;
          process.stdout.write(`  ${line.trim()}\n`);
        } else if (printing) {
          process.stdout.write(`  ${line}\n`);
        }
      }
    });
    child.on("close", (code) => {
      if (code !== 0 && count.failed === 0) count.failed++;
      report(name, count, started);
      resolve();
    });
  });
}

/** Runs a command that passes or fails as a whole. */
function runCheck(name, command, args, options = {}) {
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], ...options });
  const passed = result.status === 0;
  report(name, { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 }, started);
}

function report(name, count, started) {
  for (const key of Object.keys(totals)) totals[key] += count[key];
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  process.stdout.write(
    `${name}: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped (${seconds} s)\n`,
  );
}

/** The op and lifetime suites again, with the addon under AddressSanitizer and UBSan. */
async function runSanitized() {
  runCheck("sanitize build", process.execPath, [join(root, "scripts", "build-native.mjs"), "--sanitize"]);
  const addon = join(root, "packages", "core-native", "build-sanitize", "Release", "node_bert_core.node");
  if (!existsSync(addon)) return;
  const library = (name) => spawnSync("g++", [`-print-file-name=${name}`], { encoding: "utf8" }).stdout.trim();
  await runAva("core-native, sanitized", "core-native", {
    // The sizes of real batches add no line of code to those of the other cases, and take minutes here.
    files: ["--timeout=20m", "--match=!*large*", "--match=!*same bits*"],
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

const suites = {
  lint: () => {
    runCheck("lint", bin("biome"), ["check", "--error-on-warnings", "."]);
    runCheck("dependency rule", process.execPath, [join(root, "scripts", "lint-dependencies.mjs")]);
  },
  "core-native": () => runAva("core-native", "core-native"),
  hub: () => runAva("hub", "hub"),
  datasets: () => runAva("datasets", "datasets"),
  bert: () => runAva("bert", "bert"),
  cli: () => runAva("cli", "cli"),
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
process.stdout.write(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped\n`);
process.exit(totals.failed === 0 ? 0 : 1);
