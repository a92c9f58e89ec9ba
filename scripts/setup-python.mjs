// Makes .venv in the project's root: the Python with PyTorch and Hugging Face that fixtures, parity tests and benchmarks compare with.
//   node scripts/setup-python.mjs
// Says on stderr what it does, prints the interpreter's path on stdout. Does nothing when .venv already holds what python/requirements.txt
// pins. Plain Node without dependencies, because nothing need be installed yet when it runs.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const venv = join(root, ".venv");
const python = join(venv, "bin", "python");
const stamp = join(venv, ".requirements-installed");
const requirements = join(root, "python", "requirements.txt");

const say = (text) => process.stderr.write(`python: ${text}\n`);

/** Runs a command with all its output on stderr. @returns whether it succeeded. */
function run(command, args, env = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], env: { ...process.env, ...env } });
  if (result.status !== 0)
    say(`failed: ${command} ${args.join(" ")} (${result.error?.message ?? `exit ${result.status}`})`);
  return result.status === 0;
}

const has = (command, args) => spawnSync(command, args, { stdio: "ignore" }).status === 0;

/** The interpreter of .venv when it holds everything pinned, undefined otherwise. Installs nothing. */
export function findPython() {
  if (!existsSync(python) || !existsSync(stamp)) return undefined;
  return readFileSync(stamp, "utf8") === readFileSync(requirements, "utf8") ? python : undefined;
}

function makeVenv() {
  if (!has("python3", ["-c", "import venv, ensurepip"])) {
    if (process.getuid?.() !== 0 || !has("apt-get", ["--version"])) {
      say("python3 with venv is missing. Install it (Debian: sudo apt-get install python3-venv) and run this again.");
      return false;
    }
    say("installing python3-venv with apt-get");
    const quiet = { DEBIAN_FRONTEND: "noninteractive" };
    run("apt-get", ["update", "-qq"], quiet);
    if (!run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "python3", "python3-venv"], quiet))
      return false;
  }
  say("making .venv");
  return run("python3", ["-m", "venv", venv]);
}

/**
 * Makes .venv complete, installing what is missing.
 *
 * @returns the path of its interpreter; undefined when it could not be made, with the reason on stderr.
 */
export function ensurePython() {
  const found = findPython();
  if (found !== undefined) return found;
  if (!has(python, ["-m", "pip", "--version"])) {
    rmSync(venv, { recursive: true, force: true });
    if (!makeVenv()) return undefined;
  }
  const pinned = readFileSync(requirements, "utf8");
  const torch = /^torch==.*$/m.exec(pinned)[0];
  // PyTorch goes first and alone: its wheel is by far the largest, and a failure of it should not look like one of the others.
  for (const packages of [[torch], ["-r", requirements]]) {
    say(`installing ${packages.join(" ")} with pip`);
    const quiet = ["--quiet", "--disable-pip-version-check", "--no-input"];
    if (!run(python, ["-m", "pip", "install", ...quiet, ...packages])) return undefined;
  }
  if (!run(python, ["-c", "import torch, transformers, tokenizers, safetensors, numpy, sklearn"])) return undefined;
  writeFileSync(stamp, pinned);
  return python;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = ensurePython();
  if (path === undefined) process.exit(1);
  process.stdout.write(`${path}\n`);
}
