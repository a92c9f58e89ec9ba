// What a person reads who asks for a GPU where none can be used: every way in which the backend's library, the driver or cuBLAS may be wrong. Each case
// is a process of its own, with libraries made on the spot.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { openInProcess } from "../support/open-in-process.js";

const folder = mkdtempSync(join(tmpdir(), "node-bert-cuda-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const open = (wanted: string, env: Record<string, string>) => openInProcess(wanted, join(folder, "cache"), env);

/** A shared library made of C. */
function library(name: string, source: string): string {
  const path = join(folder, `${name}.so`);
  const include = fileURLToPath(new URL("../../native/include", import.meta.url));
  const flags = ["-shared", "-fPIC", "-I", include, "-x", "c++", "-", "-o", path];
  const made = spawnSync("g++", flags, { input: source, encoding: "utf8" });
  if (made.status !== 0) throw new Error(made.stderr);
  return path;
}

test("no library: says where it looked and what to do", (t) => {
  const path = join(folder, "nowhere.so");
  const { out } = open("cuda", { NODE_BERT_CUDA_BACKEND: path });
  t.regex(out, /^BackendError ERR_DEVICE The device cuda cannot be used: its library was not found/);
  t.true(out.includes(`${path}: not there`), out);
  t.regex(out, /--device cpu/);
});

test("a file that is no library", (t) => {
  const path = join(folder, "text.so");
  writeFileSync(path, "this is text\n".repeat(100));
  const { out } = open("cuda:1", { NODE_BERT_CUDA_BACKEND: path });
  t.regex(out, /The device cuda:1 cannot be used: .*invalid ELF header/);
  t.true(out.includes(`${path}: there`), out);
});

test("a library that is something else", (t) => {
  const { out } = open("cuda", { NODE_BERT_CUDA_BACKEND: library("other", 'extern "C" int other() { return 1; }') });
  t.regex(out, /is not a node-bert backend: it has no nb_backend_entry/);
});

test("a backend of another version", (t) => {
  const source = `
    #include "node_bert/backend.h"
    extern "C" const nb_backend* nb_backend_entry(void) { static nb_backend b{}; b.abi_version = 999; return &b; }`;
  const { out } = open("cuda", { NODE_BERT_CUDA_BACKEND: library("old", source) });
  t.regex(out, /speaks version 999 of the backend ABI, expected \d+/);
});

test("a library that crashes is a message, and auto goes on with the CPU", (t) => {
  const path = library("crash", "#include <stdlib.h>\n__attribute__((constructor)) static void crash() { abort(); }");
  const explicit = open("cuda", { NODE_BERT_CUDA_BACKEND: path });
  t.regex(explicit.out, /The device cuda cannot be used: trying it crashed \(SIGABRT\)/);
  const automatic = open("auto", { NODE_BERT_CUDA_BACKEND: path });
  t.is(automatic.out, "cpu");
  t.is(automatic.status, 0);
});

test.serial("auto says once, in one line, why it takes the CPU, and remembers it", (t) => {
  const path = join(folder, "not-a-library.so");
  writeFileSync(path, "text\n");
  const cache = join(folder, "verdicts");
  mkdirSync(cache);
  const env = { NODE_BERT_CUDA_BACKEND: path, NODE_BERT_CACHE: cache };
  const first = open("auto", env);
  t.is(first.out, "cpu");
  t.regex(first.err, /^node-bert: computing on the CPU: .+$/);
  t.false(first.err.includes("\n"));
  const second = open("auto", env);
  t.is(second.out, "cpu");
  t.is(second.err, "");
  writeFileSync(path, "another text\n");
  t.not(open("auto", env).err, "", "a changed library is tried again");
});

test("auto without the library is silent", (t) => {
  const { out, err } = open("auto", { NODE_BERT_CUDA_BACKEND: join(folder, "nowhere.so") });
  t.is(out, "cpu");
  t.is(err, "");
});

test("an unknown device", (t) => {
  t.regex(open("gpu", {}).out, /There is no device "gpu"; expected auto, cpu, reference or cuda:<number>/);
});
