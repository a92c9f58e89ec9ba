// Builds the CUDA backend and its emulator: node scripts/build-cuda.mjs [--full] [--verbose]
// Incremental. Results in cuda/build/: libnode_bert_cuda.so (for a GPU), libnode_bert_cuda_emulated.so (the same objects on the emulator),
// cublas_emulated/ (stand-ins for libcublas and libcublasLt), tests/ (one program a *_test.cc or *_test.cu).
//
//   development (default)  PTX of compute_80 and compute_90 only: no ptxas, seconds a kernel; runs on the emulator and, compiled by the
//                          driver, on any GPU from sm_80
//   --full                 machine code of every architecture below and PTX beside it; ptxas fails on spills and local memory
//
// Sources are found by folder, so a new file needs no change here: cuda/kernels/*.cu, cuda/host/**/*.cc, cuda/emulator/**/*.cc,
// cuda/cublas_emulated/*.cc, and in cuda/tests and cuda/emulator/tests *_test.{cc,cu} (programs) and others (linked into each program there).
import { existsSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { make } from "./cuda/make.mjs";
import { ensureToolkit } from "./cuda/toolchain.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const cuda = join(root, "cuda");
export const cudaBuild = join(cuda, "build");

/** Every architecture that CUDA 13 still compiles for and people train on, with why. */
export const ARCHITECTURES = {
  75: "T4, RTX 20: fp16 tensor cores, no bf16, no cp.async",
  80: "A100: bf16, cp.async; what every kernel is written for",
  86: "RTX 30, A10: as 80 with less shared memory",
  89: "RTX 40, L4, L40S",
  90: "H100, H200",
  100: "B200",
  120: "RTX 50 and RTX PRO Blackwell; its PTX serves what comes after",
};
const PTX_DEVELOPMENT = [80, 90];
const PTX_FULL = [75, 80, 90, 100, 120];

const generate = (real, arch) => ["-gencode", `arch=compute_${arch},code=${real ? "sm" : "compute"}_${arch}`];
const ptxOnly = (list) => list.flatMap((arch) => generate(false, arch));

/** Sources with one of the endings in a folder of cuda/, and below it when `recursive`. */
function sources(folder, ending, { recursive = false } = {}) {
  const path = join(cuda, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive })
    .filter((name) => ending.test(name))
    .map((name) => join(path, name))
    .sort();
}

/** The steps of one build. Objects of the two kinds lie in folders of their own, so that switching recompiles nothing. */
function plan(toolkit, full) {
  const objects = join(cudaBuild, full ? "full" : "development");
  const includes = [`-I${cuda}`, `-I${join(root, "packages", "core-native", "native", "include")}`];
  const objectOf = (source, suffix = "") => join(objects, `${relative(cuda, source)}${suffix}.o`);
  const steps = [];
  const add = (output, inputs, command) => {
    steps.push({ output, inputs, command });
    return output;
  };

  const host = (source, { suffix = "", flags = [] } = {}) => {
    const output = objectOf(source, suffix);
    const warnings = ["-Wall", "-Wextra", "-Wno-unused-parameter"];
    const base = [
      "-std=c++20",
      "-O2",
      "-g1",
      "-fPIC",
      "-fvisibility=hidden",
      "-ffunction-sections",
      "-ffp-contract=off",
      ...warnings,
    ];
    const dependencies = ["-MMD", "-MF", `${output}.d`];
    const system = ["-isystem", toolkit.include];
    return add(
      output,
      [source],
      ["g++", "-c", source, "-o", output, ...base, ...dependencies, ...includes, ...system, ...flags],
    );
  };
  const kernel = (source, targets) => {
    const output = objectOf(source);
    const base = ["-std=c++20", "-O3", "-lineinfo", "--no-compress", "--expt-relaxed-constexpr"];
    const hostFlags = ["-Xcompiler", "-fPIC,-fvisibility=hidden,-Wall"];
    const dependencies = ["-MMD", "-MF", `${output}.d`];
    return add(
      output,
      [source],
      [toolkit.nvcc, "-c", source, "-o", output, ...base, ...targets, ...hostFlags, ...dependencies, ...includes],
    );
  };
  const compile = (source, targets, flags) =>
    source.endsWith(".cu") ? kernel(source, targets) : host(source, { flags });

  const machineCode = [
    ...Object.keys(ARCHITECTURES).flatMap((arch) => generate(true, arch)),
    ...ptxOnly(PTX_FULL),
    "-Xptxas",
    "-v,-warn-spills,-warn-lmem-usage,-Werror",
  ];
  const kernels = sources("kernels", /\.cu$/).map((file) =>
    kernel(file, full ? machineCode : ptxOnly(PTX_DEVELOPMENT)),
  );
  const hosts = sources("host", /\.cc$/, { recursive: true })
    .filter((file) => !file.endsWith("entry.cc"))
    .map((file) => host(file));
  const entry = join(cuda, "host", "entry.cc");
  // The emulator runs where it is built, and much of it is loops over the 32 lanes of a warp.
  const emulator = sources("emulator", /\.cc$/, { recursive: true })
    .filter((file) => !file.startsWith(join(cuda, "emulator", "tests")))
    .map((file) =>
      host(file, { flags: ["-O3", "-march=native", "-fno-strict-aliasing", "-frounding-math", "-Wno-restrict"] }),
    );
  const system = ["-ldl", "-lrt", "-lpthread"];
  const shared = [
    "g++",
    "-shared",
    "-static-libstdc++",
    "-static-libgcc",
    "-Wl,--exclude-libs,ALL",
    "-Wl,--no-undefined",
    "-Wl,--gc-sections",
  ];

  // The two libraries differ in the name they report and in what stands below them.
  const backend = (file, flags, below) => {
    const output = join(cudaBuild, file);
    const parts = [...kernels, ...hosts, host(entry, { suffix: `.${file}`, flags })];
    add(output, [...parts, ...below], [...shared, "-o", output, ...parts, ...below, ...system]);
  };
  if (existsSync(entry)) backend("libnode_bert_cuda.so", [], [toolkit.cudart]);

  if (emulator.length > 0) {
    const archive = join(objects, "libnode_bert_cuda_emulator.a");
    add(archive, emulator, ["ar", "rcs", archive, ...emulator]);
    if (existsSync(entry)) backend("libnode_bert_cuda_emulated.so", ["-DNODE_BERT_CUDA_EMULATED"], [archive]);
    for (const folder of ["tests", join("emulator", "tests")]) {
      const all = sources(folder, /\.(cc|cu)$/, { recursive: true });
      const isProgram = (file) => /_test\.(cc|cu)$/.test(file);
      const object = (file) => compile(file, ptxOnly(PTX_DEVELOPMENT), []);
      const helpers = all.filter((file) => !isProgram(file)).map(object);
      for (const file of all.filter(isProgram)) {
        const output = join(cudaBuild, "tests", relative(cuda, file).replace(/\.(cc|cu)$/, ""));
        const parts = [object(file), ...helpers, ...kernels, ...hosts];
        // -rdynamic: the stand-in of cuBLAS looks for the emulator among what the program exports.
        add(output, [...parts, archive], ["g++", "-rdynamic", "-o", output, ...parts, archive, ...system]);
      }
    }
  }

  const standIns = sources("cublas_emulated", /\.cc$/).map((file) => host(file, { flags: ["-O3"] }));
  if (standIns.length > 0) {
    const output = join(cudaBuild, "cublas_emulated", "libcublas.so.13");
    add(output, standIns, [...shared, "-Wl,-soname,libcublas.so.13", "-o", output, ...standIns, ...system]);
  }
  return steps;
}

/**
 * Brings cuda/build up to date.
 * @returns {Promise<"built" | "failed" | "no compiler">}
 */
export async function buildCuda({ full = false, verbose = false } = {}) {
  const toolkit = ensureToolkit();
  if (toolkit === undefined) return "no compiler";
  const started = Date.now();
  const steps = plan(toolkit, full);
  const { ran, failures } = await make(steps, {
    onStep: ({ output }) => {
      if (verbose) process.stderr.write(`cuda: ${relative(cudaBuild, output)}\n`);
    },
  });
  for (const { step, said } of failures)
    process.stderr.write(`${said}build-cuda: ${relative(root, step.output)} could not be made\n`);
  const lt = join(cudaBuild, "cublas_emulated", "libcublasLt.so.13");
  if (failures.length === 0 && existsSync(dirname(lt))) {
    rmSync(lt, { force: true });
    symlinkSync("libcublas.so.13", lt);
  }
  if (ran > 0) process.stderr.write(`build-cuda: ${ran} steps in ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
  return failures.length === 0 ? "built" : "failed";
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const result = await buildCuda({
    full: process.argv.includes("--full"),
    verbose: process.argv.includes("--verbose"),
  });
  if (result === "no compiler") process.stderr.write("build-cuda: there is no nvcc, so nothing of CUDA was built\n");
  process.exit(result === "built" ? 0 : 1);
}
