// Checks what cuda/host/cublas_api.h declares against the real cuBLASLt, its header and its symbols: node scripts/cuda/check-cublas.mjs
// Brings the library with pip into third_party/cublas when it is not there: 420 MB, once a checkout.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureCublas, ensureToolkit } from "./toolchain.mjs";

const cuda = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "cuda");

/** @returns {"passed" | "failed" | "skipped"} skipped: it cannot be had. Why was said on stderr. */
export function checkCublas() {
  const [toolkit, libraries] = [ensureToolkit(), ensureCublas()];
  if (toolkit === undefined || libraries === undefined) return "skipped";
  const folder = mkdtempSync(join(tmpdir(), "node-bert-cublas-"));
  const run = (command, args) => spawnSync(command, args, { stdio: ["ignore", 2, 2] }).status === 0;
  try {
    const program = join(folder, "check");
    const includes = [`-I${cuda}`, "-isystem", join(libraries, "..", "include"), "-isystem", toolkit.include];
    const source = join(cuda, "real_cublas", "check.cc");
    const passed =
      run("g++", ["-std=c++20", source, "-o", program, ...includes, "-ldl"]) &&
      run(program, [join(libraries, "libcublasLt.so.13")]);
    return passed ? "passed" : "failed";
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exit(checkCublas() === "passed" ? 0 : 1);
