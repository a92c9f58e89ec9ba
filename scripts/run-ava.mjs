// Runs the suites of a package with ava and counts: what npm test and npm run test:cuda share.
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Counts of all suites so far. What is said is printed and kept: a line for each suite, failures and skips. */
export function createTotals() {
  return {
    passed: 0,
    failed: 0,
    skipped: 0,
    lines: [],
    add(count, name, started) {
      for (const key of ["passed", "failed", "skipped"]) this[key] += count[key];
      const seconds = ((Date.now() - started) / 1000).toFixed(0);
      const line = `${name}: ${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped (${seconds} s)`;
      this.say(line);
    },
    say(line) {
      this.lines.push(line);
      process.stdout.write(`${line}\n`);
    },
    summary() {
      return `${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`;
    },
  };
}

/** Runs ava in a package and counts its TAP lines; a file that crashes counts as a failure. Failures and skips are printed as they come. */
export function runAva(totals, name, packageName, { files = [], env = {} } = {}) {
  return new Promise((resolve) => {
    const started = Date.now();
    const child = spawn(join(root, "node_modules", ".bin", "ava"), ["--tap", ...files], {
      cwd: join(root, "packages", packageName),
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
          if (failed || skipped) totals.say(`  ${failed ? "FAILED" : "skipped"}: ${title}`);
        } else if (/^\s*#.*SKIPPED/.test(line)) {
          // A test that found out only when it ran: it logged why, and is no pass.
          count.passed--;
          count.skipped++;
          totals.say(`  ${line.trim()}`);
        } else if (printing) {
          totals.say(`  ${line}`);
        }
      }
    });
    child.on("close", (code) => {
      if (code !== 0 && count.failed === 0) count.failed++;
      totals.add(count, name, started);
      resolve();
    });
  });
}
