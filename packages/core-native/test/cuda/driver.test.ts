// What a person reads who asks for a GPU where driver or cuBLAS cannot be used. The library for a GPU, with NVIDIA's own runtime in it, meets drivers made
// on the spot; and the library on the emulator, under the name of a GPU's, meets a cuBLAS that is wrong.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { openInProcess } from "../support/open-in-process.js";
import { built, CUDA } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "node-bert-driver-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const library = built("libnode_bert_cuda.so");
const emulated = built("libnode_bert_cuda_emulated.so");
const hasDriver = existsSync("/proc/driver/nvidia/version");
/** A driver of the machine's own would be found first, or crash beside ours. */
const driverTest = library !== undefined && !hasDriver ? test.serial : test.skip;
const emulatedTest = emulated !== undefined && CUDA === "cuda-emulated" ? test.serial : test.skip;

const open = (wanted: string, env: Record<string, string>) => openInProcess(wanted, join(folder, "cache"), env);

/** A folder with a libcuda.so.1 that says it supports this CUDA version, and whose start ends with this code. The runtime asks for functions by name. */
function driver(version: number, code: number): string {
  const source = `
    #include <string.h>
    static int version(int* v) { *v = ${version}; return 0; }
    static int start(unsigned flags) { return ${code}; }
    static int other(void) { return 100; }
    int cuGetProcAddress_v2(const char* name, void** function, int v, unsigned long flags, int* status) {
      *function = !strcmp(name, "cuDriverGetVersion") ? (void*)version : !strcmp(name, "cuInit") ? (void*)start
                : !strcmp(name, "cuGetProcAddress") ? (void*)cuGetProcAddress_v2 : (void*)other;
      if (status != 0) *status = 0;
      return 0;
    }`;
  const place = mkdtempSync(join(folder, "driver-"));
  const made = spawnSync("gcc", ["-shared", "-fPIC", "-x", "c", "-", "-o", join(place, "libcuda.so.1")], {
    input: source,
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(made.stderr);
  return place;
}

/** `--device cuda` says why, where it looked and what to do; `--device auto` takes the CPU and says why in a line. */
function refused(t: ExecutionContext, env: Record<string, string>, why: RegExp): void {
  const { out, status } = open("cuda", env);
  t.is(status, 0);
  t.regex(out, /^BackendError ERR_DEVICE The device cuda cannot be used: /);
  t.regex(out, why);
  t.regex(out, /The backend's library:\n.*libnode_bert_cuda\w*\.so: there/s);
  t.regex(out, /Use --device cpu; or --device auto/);
  const automatic = open("auto", env);
  t.is(automatic.out, "cpu");
  t.regex(automatic.err, /^node-bert: computing on the CPU: [^\n]+$/);
}

driverTest("no driver", (t) => {
  const empty = mkdtempSync(join(folder, "empty-"));
  const why =
    /no NVIDIA driver was found \(libcuda\.so\.1: cannot open shared object file.*; LD_LIBRARY_PATH is .*empty-.*\)\. Install one that supports CUDA 13\.0 \(580 or later\)/;
  refused(t, { LD_LIBRARY_PATH: empty }, why);
});

driverTest("a driver that is no library", (t) => {
  const place = mkdtempSync(join(folder, "text-"));
  writeFileSync(join(place, "libcuda.so.1"), "no library\n".repeat(100));
  refused(t, { LD_LIBRARY_PATH: place }, /no NVIDIA driver was found \(.*text-.*libcuda\.so\.1: invalid ELF header/);
});

driverTest("a library that is no driver", (t) => {
  const place = mkdtempSync(join(folder, "other-"));
  const flags = ["-shared", "-fPIC", "-x", "c", "-", "-o", join(place, "libcuda.so.1")];
  t.is(spawnSync("gcc", flags, { input: "int other(void) { return 1; }" }).status, 0);
  refused(t, { LD_LIBRARY_PATH: place }, /no NVIDIA driver was found \(libcuda\.so\.1 is there, but does not answer\)/);
});

driverTest("a driver that is too old", (t) => {
  const why = /the NVIDIA driver supports CUDA 12\.4, expected 13\.0 or later\. Update the driver \(580 or later\)/;
  const env = { LD_LIBRARY_PATH: driver(12040, 0) };
  refused(t, env, why);
  t.deepEqual(open("auto", env), { out: "cpu", err: "", status: 0 }, "the verdict is remembered");
});

driverTest("a driver without a GPU", (t) => {
  const why = /the NVIDIA driver \(CUDA 13\.0\) sees no GPU\. Look at nvidia-smi and CUDA_VISIBLE_DEVICES/;
  refused(t, { LD_LIBRARY_PATH: driver(13000, 100) }, why);
});

driverTest("a driver that fails", (t) => {
  refused(t, { LD_LIBRARY_PATH: driver(13000, 999) }, /the NVIDIA driver \(CUDA 13\.0\) fails: cudaErrorUnknown/);
});

emulatedTest("a device that works is taken by cuda and by auto, with cuBLAS and without, and nothing is said", (t) => {
  for (const cublas of ["none", built("cublas_emulated")!]) {
    const env = { NODE_BERT_CUDA_BACKEND: emulated!, NODE_BERT_CUBLAS: cublas };
    t.deepEqual(open("cuda", env), { out: "cuda", err: "", status: 0 });
    t.deepEqual(open("auto", env), { out: "cuda:0", err: "", status: 0 });
  }
});

emulatedTest("a cuBLAS that was named and cannot be used", (t) => {
  const place = mkdtempSync(join(folder, "cublas-"));
  writeFileSync(join(place, "libcublasLt.so.12"), "");
  const env = { NODE_BERT_CUDA_BACKEND: emulated!, NODE_BERT_CUBLAS: place };
  refused(
    t,
    env,
    /NODE_BERT_CUBLAS names no usable cuBLASLt:.*only libcublasLt\.so\.12, another version; 13 is needed/s,
  );
  writeFileSync(join(place, "libcublasLt.so.13"), "no library\n".repeat(100));
  t.regex(open("cuda", env).out, /names no usable cuBLASLt:.*libcublasLt\.so\.13: invalid ELF header/s);
});

emulatedTest("a device that computes wrongly is not taken", (t) => {
  const source = `
    #include <stddef.h>
    int cublasLtCreate(void** h) { *h = (void*)1; return 0; }
    unsigned long cublasLtGetVersion(void) { return 130000; }
    ${[
      "Destroy",
      "MatmulDescDestroy",
      "MatrixLayoutDestroy",
      "MatmulPreferenceDestroy",
      "MatmulDescSetAttribute",
      "MatmulPreferenceSetAttribute",
    ]
      .map((name) => `int cublasLt${name}(void) { return 0; }`)
      .join("\n")}
    ${["MatmulDescCreate", "MatrixLayoutCreate", "MatmulPreferenceCreate"].map((name) => `int cublasLt${name}(void** o) { *o = (void*)1; return 0; }`).join("\n")}
    int cublasLtMatmulAlgoGetHeuristic(void* h, void* e, void* a, void* b, void* c, void* d, void* p, int n, void* r, int* found) { *found = 1; return 0; }
    int cublasLtMatmul(void) { return 13; }`;
  const path = join(folder, "libcublasLt.so.13");
  const made = spawnSync("gcc", ["-shared", "-fPIC", "-x", "c", "-", "-o", path], { input: source, encoding: "utf8" });
  t.is(made.status, 0, made.stderr);
  const env = { NODE_BERT_CUDA_BACKEND: emulated!, NODE_BERT_CUBLAS: path };
  refused(t, env, /linear_forward: cuBLAS: a product failed with status 13/);
});
