// The contenders that `npm test` has no need of, installed at first use with the versions that are pinned: onnxruntime-node and
// @huggingface/transformers (benchmarks/peers), and in .venv what exports models to ONNX (python/requirements-benchmarks.txt).
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensurePython } from "../../scripts/setup-python.mjs";
import { root } from "./fingerprint.mjs";

const peers = join(root, "benchmarks", "peers");
const requirements = join(root, "python", "requirements-benchmarks.txt");

/** Runs `install` unless `stamp` says that it was done for this `pinned` text. */
function once(stamp, pinned, install) {
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === pinned) return;
  install();
  writeFileSync(stamp, pinned);
}

function run(command, args) {
  process.stderr.write(`installing: ${args.join(" ")}\n`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error(`failed (exit ${status}): ${command} ${args.join(" ")}`);
}

/** The folder of the contenders that are npm packages. Their install scripts, which fetch CUDA libraries, are not run. */
export function ensurePeers() {
  const pinned = readFileSync(join(peers, "pnpm-lock.yaml"), "utf8");
  once(join(peers, "node_modules", ".installed"), pinned, () => {
    const flags = ["--dir", peers, "--ignore-workspace", "--ignore-scripts", "--frozen-lockfile"];
    run(join(root, "node_modules", ".bin", "pnpm"), ["install", ...flags]);
  });
  return peers;
}

/** The interpreter of .venv, with PyTorch and Hugging Face. @throws Error when it cannot be made */
export function requirePython() {
  const python = ensurePython();
  if (python === undefined) throw new Error("no Python to measure PyTorch with");
  return python;
}

/** The same with what exports models to ONNX. */
export function requireOnnxPython() {
  const python = requirePython();
  once(join(root, ".venv", ".benchmarks-installed"), readFileSync(requirements, "utf8"), () =>
    run(python, ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "-r", requirements]),
  );
  return python;
}

/** Runs a script of python/ and returns what it printed. */
export function runPython(python, script, args = []) {
  const { status, stdout } = spawnSync(python, [join(root, "python", script), ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", 2],
  });
  if (status !== 0) throw new Error(`python/${script} failed (exit ${status})`);
  return stdout.trim();
}
