// Whether a GPU works is found out in a child process: a broken driver or library may crash, and then that is a message and not the end of
// the program that asked.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { searchBackendLibrary } from "./backend-library.js";
import { addonPath } from "./native.js";
import { OP_NUMBER } from "./op-numbers.js";

/** Whether a device works, and if not, why: a few lines that end with what to do. */
export interface CudaVerdict {
  works: boolean;
  reason: string;
}

const TIMEOUT_MS = 60_000;

/**
 * Opens the device, multiplies two matrices (8, 8) of 1.5, so that cuBLAS is loaded, too, and prints an element, 18. Arguments: addon, library, index.
 */
const PROGRAM = `
const [addon, library, index] = process.argv.slice(1);
const command = new Float64Array(64);
const say = (result) => process.stdout.write(JSON.stringify(result));
try {
  const device = new (require(addon).Device)(library, Number(index), 1, command);
  command.set([0, 2, 8, 8]);
  const x = device.allocate();
  command.set([0, 2, 8, 8]);
  const y = device.allocate();
  command.set([${OP_NUMBER.fill}, 1, 1, x, 1.5]);
  device.enqueue();
  command.set([${OP_NUMBER.linear_forward}, 5, 2, x, x, 0, y, 0, 0, 1]);
  device.enqueue();
  device.download(y, 256).then((bytes) => say({ product: new Float32Array(bytes)[63] }), (error) => say({ error: error.message }));
} catch (error) {
  say({ error: error.message });
}`;

/** Tries device number `index` of the cuda backend in a child process. */
export function probeCuda(index: number): CudaVerdict {
  const { path, tried, variable } = searchBackendLibrary("cuda");
  const looked = `The backend's library:\n${tried}`;
  if (path === undefined) return { works: false, reason: `its library was not found. ${looked}\n${advice(variable)}` };
  const child = spawnSync(process.execPath, ["-e", PROGRAM, "--", addonPath(), path, String(index)], {
    encoding: "utf8",
    timeout: TIMEOUT_MS,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const problem = problemOf(child);
  return problem === undefined
    ? { works: true, reason: "" }
    : { works: false, reason: `${problem}\n${looked}\n${advice(variable)}` };
}

function advice(variable: string): string {
  return `Use --device cpu; or --device auto, which takes a GPU when one works; or set ${variable} to another library.`;
}

function problemOf(child: ReturnType<typeof spawnSync>): string | undefined {
  if ((child.error as NodeJS.ErrnoException | undefined)?.code === "ETIMEDOUT")
    return `trying it took more than ${TIMEOUT_MS / 1000} s: the driver or the GPU hangs. Does nvidia-smi answer?`;
  if (child.signal !== null) return `trying it crashed (${child.signal}): the driver or the library is broken.`;
  try {
    const { product, error } = JSON.parse(String(child.stdout)) as { product?: number; error?: string };
    if (error !== undefined) return error;
    return product === 18 ? undefined : `it computes 8 · 1.5 · 1.5 = ${product}.`;
  } catch {
    const said = String(child.stderr).trim().split("\n").pop() ?? "";
    return `trying it failed with exit code ${child.status}${said === "" ? "" : `: ${said}`}`;
  }
}

/**
 * The verdict on device 0, remembered in `NODE_BERT_CACHE` until library, driver or environment change.
 * `isNew` is true when it was found out just now.
 */
export function cachedVerdict(): { verdict: CudaVerdict; isNew: boolean } {
  const key = cacheKey();
  const file = join(cacheFolder(), "cuda-verdict.json");
  try {
    const kept = JSON.parse(readFileSync(file, "utf8"));
    if (kept.key === key) return { verdict: { works: kept.works === true, reason: String(kept.reason) }, isNew: false };
  } catch {
    // Not there, or not ours: find out.
  }
  const verdict = probeCuda(0);
  try {
    mkdirSync(cacheFolder(), { recursive: true });
    const beside = `${file}.${process.pid}`;
    writeFileSync(beside, JSON.stringify({ key, ...verdict }));
    renameSync(beside, file);
  } catch {
    // A cache that cannot be written costs a probe each time, and nothing else.
  }
  return { verdict, isNew: true };
}

/** `NODE_BERT_CACHE`, else `$XDG_CACHE_HOME/node-bert`, else `~/.cache/node-bert`. */
function cacheFolder(): string {
  const { NODE_BERT_CACHE, XDG_CACHE_HOME } = process.env;
  return NODE_BERT_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "node-bert");
}

function cacheKey(): string {
  const library = searchBackendLibrary("cuda").path;
  const { CUDA_VISIBLE_DEVICES, LD_LIBRARY_PATH, NODE_BERT_CUBLAS } = process.env;
  let driver = "";
  try {
    driver = readFileSync("/proc/driver/nvidia/version", "utf8");
  } catch {
    // No driver.
  }
  const { mtimeMs, size } = library === undefined ? { mtimeMs: 0, size: 0 } : statSync(library);
  const environment = { CUDA_VISIBLE_DEVICES, LD_LIBRARY_PATH, NODE_BERT_CUBLAS };
  return JSON.stringify([hostname(), library, mtimeMs, size, driver, addonPath(), environment]);
}
