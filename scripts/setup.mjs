// Brings everything a clone needs, through the ordinary package clients, and says on stderr what it does:
//   node scripts/setup.mjs [--no-build]
// compiler and cmake (apt, when root and missing), oneDNN (pip) into third_party/, pnpm and the packages (npm), the native addon, the
// TypeScript build. Every step is skipped when its result is there. Plain Node, because nothing is installed yet when it runs.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const ONEDNN = ["onednn-cpu-gomp==2023.2.0", "onednn-devel-cpu-gomp==2023.2.0"];

const say = (text) => process.stderr.write(`setup: ${text}\n`);

/** Runs a command with its output on stderr, so that stdout stays free for results. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], ...options });
  if (result.error || result.status !== 0) {
    say(
      `failed: ${command} ${args.join(" ")}${result.error ? ` (${result.error.message})` : ` (exit ${result.status})`}`,
    );
    process.exit(1);
  }
}

const has = (command, args = ["--version"]) => spawnSync(command, args, { stdio: "ignore" }).status === 0;

function ensureSystemPackages() {
  const needed = [];
  if (!has("g++")) needed.push("g++");
  if (!has("make")) needed.push("make");
  if (!has("cmake")) needed.push("cmake");
  if (!has("python3", ["-m", "pip", "--version"])) needed.push("python3", "python3-pip");
  if (!has("python3", ["-c", "import venv, ensurepip"])) needed.push("python3-venv");
  if (needed.length === 0) return;
  if (process.getuid?.() !== 0 || !has("apt-get")) {
    say(
      `missing on this machine: ${needed.join(", ")}. Install them (Debian: sudo apt-get install ${needed.join(" ")}) and run this again.`,
    );
    process.exit(1);
  }
  say(`installing ${needed.join(", ")} with apt-get`);
  run("apt-get", ["update", "-qq"]);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...needed], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  });
}

/** oneDNN's two wheels hold data files only (headers, library); they are unpacked, not installed. */
function ensureOneDnn() {
  const target = join(root, "third_party", "onednn");
  const stamp = join(target, "VERSION");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === ONEDNN.join(" ")) return;
  say(`bringing ${ONEDNN.join(" and ")} with pip into third_party/onednn`);
  mkdirSync(join(root, "third_party"), { recursive: true });
  const work = mkdtempSync(join(root, "third_party", ".onednn-"));
  try {
    run("python3", ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, ...ONEDNN]);
    const unpacked = join(work, "unpacked");
    for (const wheel of readdirSync(work).filter((name) => name.endsWith(".whl"))) {
      const folder = join(work, wheel.replace(/\.whl$/, ""));
      run("python3", ["-m", "zipfile", "-e", join(work, wheel), folder]);
      const data = readdirSync(folder).find((name) => name.endsWith(".data"));
      if (data === undefined) throw new Error(`${wheel} has no data folder`);
      cpSync(join(folder, data, "data"), unpacked, { recursive: true });
    }
    writeFileSync(join(unpacked, "VERSION"), ONEDNN.join(" "));
    rmSync(target, { recursive: true, force: true });
    renameSync(unpacked, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function ensurePackages() {
  const lock = readFileSync(join(root, "pnpm-lock.yaml"), "utf8");
  const stamp = join(root, "node_modules", ".setup-stamp");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  say("installing the npm packages");
  run("npm", ["exec", "--yes", "--", packageManager, "install", "--frozen-lockfile"]);
  writeFileSync(stamp, lock);
}

export function setup({ build = true } = {}) {
  ensureSystemPackages();
  ensureOneDnn();
  ensurePackages();
  if (!build) return;
  const path = `${join(root, "node_modules", ".bin")}:${process.env.PATH}`;
  const env = { ...process.env, PATH: path, TURBO_TELEMETRY_DISABLED: "1" };
  run(process.execPath, [join(root, "scripts", "build-native.mjs")], { env });
  run(join(root, "node_modules", ".bin", "turbo"), ["run", "build", "--output-logs=errors-only"], { env });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) setup({ build: !process.argv.includes("--no-build") });
