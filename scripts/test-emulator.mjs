// Tests the CUDA emulator itself: node scripts/test-emulator.mjs [arch …]
// Every opcode against host C++, and planted faults that must be caught, on the PTX of each architecture (default 80 90).
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildCuda, cudaBuild } from "./build-cuda.mjs";

const ARCHITECTURES = [80, 90];

/** Runs one program and counts its TAP lines; one that dies counts as a failure. */
function runProgram(path, arch) {
  return new Promise((resolve) => {
    const child = spawn(path, [], {
      env: { ...process.env, NODE_BERT_EMULATED_ARCH: String(arch) },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const count = { passed: 0, failed: 0, skipped: 0 };
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", () => {}); // the reports of planted faults
    child.on("close", (code) => {
      for (const line of output.split("\n")) {
        if (line.startsWith("ok ")) count.passed++;
        if (!line.startsWith("not ok ")) continue;
        count.failed++;
        process.stdout.write(`  FAILED on compute_${arch}: ${line}\n`);
      }
      const complete = /^1\.\.\d+$/m.test(output);
      if (count.failed === 0 && (code !== 0 || !complete)) {
        count.failed++;
        process.stdout.write(`  FAILED on compute_${arch}: ${path} ended with ${code}\n`);
      }
      resolve(count);
    });
  });
}

/**
 * Runs the emulator's suites, which must have been built.
 * @returns {Promise<{ passed: number, failed: number, skipped: number }>}
 */
export async function runEmulatorTests(architectures = ARCHITECTURES) {
  const folder = join(cudaBuild, "tests", "emulator", "tests");
  const programs = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith("_test")) : [];
  const totals = { passed: 0, failed: 0, skipped: 0 };
  if (programs.length === 0) {
    process.stdout.write("  FAILED: the emulator's tests were not built\n");
    totals.failed++;
  }
  for (const program of programs.sort()) {
    for (const arch of architectures) {
      const count = await runProgram(join(folder, program), arch);
      for (const key of Object.keys(totals)) totals[key] += count[key];
    }
  }
  return totals;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const built = await buildCuda();
  if (built !== "built") process.exit(built === "no compiler" ? 2 : 1);
  const architectures = process.argv.slice(2).map(Number);
  const { passed, failed } = await runEmulatorTests(architectures.length > 0 ? architectures : undefined);
  process.stdout.write(`emulator: ${passed} passed, ${failed} failed\n`);
  process.exit(failed === 0 ? 0 : 1);
}
