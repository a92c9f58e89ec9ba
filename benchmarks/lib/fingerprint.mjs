// What a measurement was made on: the processor, its instruction sets, memory, versions and the commit. A figure means nothing without it.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, release, totalmem, type } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

export const readJson = (...path) => JSON.parse(readFileSync(join(...path), "utf8"));

/** The instruction sets that decide which path computes, by the names of /proc/cpuinfo. */
const RELEVANT = [
  "avx2",
  "fma",
  "avx512f",
  "avx512_vnni",
  "avx512_bf16",
  "avx512_fp16",
  "amx_tile",
  "amx_bf16",
  "amx_int8",
];

function cpuInfo() {
  const text = readFileSync("/proc/cpuinfo", "utf8");
  const field = (name) => new RegExp(`^${name}\\s*: (.*)$`, "m").exec(text)?.[1];
  const flags = new Set((field("flags") ?? "").split(" "));
  return {
    model: cpus()[0]?.model.trim(),
    family: `${field("cpu family")}.${field("model")}.${field("stepping")}`,
    instructionSets: RELEVANT.filter((flag) => flags.has(flag)),
  };
}

function git(...args) {
  const result = spawnSync("git", args, { cwd: root, encoding: "utf8" });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/** What a measurement writes is not what it measured. */
const MEASURED = [".", ":!benchmarks/results", ":!benchmarks/plots", ":!benchmarks/README.md"];

/** The commit that last changed anything but results; it ends in `+` when tracked files differ from it. */
function commit() {
  const last = git("log", "-1", "--format=%H", "--", ...MEASURED)?.slice(0, 12);
  if (!last) return undefined;
  return git("status", "--porcelain", "--untracked-files=no", "--", ...MEASURED) === "" ? last : `${last}+`;
}

/** The GPU that a node-bert among the contenders computed on; undefined on a CPU. */
export function gpuOf(contenders) {
  const info = contenders.map(({ environment }) => environment?.device).find((device) => device?.computeCapability);
  return info && `${info.name} (driver for CUDA ${info.driver})`;
}

/**
 * @param versions versions of the contenders' libraries, by name
 * @param gpu what was computed on, where that is not the processor
 */
export function fingerprint(versions, gpu) {
  const cpu = cpuInfo();
  return {
    cpu: cpu.model,
    cpuFamily: cpu.family,
    instructionSets: cpu.instructionSets,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    system: `${type()} ${release()} ${arch()}`,
    versions: { node: process.versions.node, ...versions },
    commit: commit(),
    ...(gpu === undefined ? {} : { gpu }),
  };
}

/** A short name for the class of processor, or for the GPU: results of different classes lie side by side. */
export function processorClass({ instructionSets, gpu }) {
  if (gpu !== undefined)
    return /\b(?:RTX \w+ \d+|RTX \d+|[A-Z]{1,2}\d+)\b/.exec(gpu)?.[0].toLowerCase().replaceAll(" ", "-") ?? "gpu";
  if (instructionSets.includes("amx_bf16")) return "amx";
  if (instructionSets.includes("avx512_bf16")) return "avx512-bf16";
  if (instructionSets.includes("avx512f")) return "avx512";
  return instructionSets.includes("avx2") ? "avx2" : "plain";
}
