// How cuBLAS is found, and what is said when it is not: by the same loader that finds the real one.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { built, cudaTest, emulatorTest, inProcess } from "./support.js";

const folder = mkdtempSync(join(tmpdir(), "node-bert-cublas-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** One product, and what the device says of its GEMMs afterwards. */
const PRODUCT = `async ({ linear }, device) => {
  const x = device.full([3, 4], 2), w = device.full([5, 4], 3);
  const y = await linear(x, w).read();
  return { y: [...y], gemm: device.info.gemm };
}`;
interface Product {
  y: number[];
  gemm: string;
}
const RIGHT = new Array(15).fill(24);

emulatorTest("cuBLAS is used when it is there", (t) => {
  const standIn = built("cublas_emulated");
  if (standIn === undefined) return t.log("SKIPPED: the stand-in was not built");
  const { y, gemm } = inProcess<Product>(PRODUCT, { NODE_BERT_CUBLAS: standIn });
  t.deepEqual(y, RIGHT);
  t.regex(gemm, /^cuBLASLt 13\./);
});

emulatorTest("fp32 products are computed in TF32 only when asked for", (t) => {
  const standIn = built("cublas_emulated");
  if (standIn === undefined) return t.log("SKIPPED: the stand-in was not built");
  // TF32 has 11 bits: it cannot tell this from 1.
  const fine = 1 + 2 ** -12;
  const product = PRODUCT.replace("[3, 4], 2", `[3, 4], ${fine}`);
  const exact = inProcess<Product>(product, { NODE_BERT_CUBLAS: standIn });
  t.deepEqual(exact.y, new Array(15).fill(12 * fine));
  t.notRegex(exact.gemm, /TF32/);
  const rounded = inProcess<Product>(product, { NODE_BERT_CUBLAS: standIn, NODE_BERT_CUDA_TF32: "1" });
  t.deepEqual(rounded.y, new Array(15).fill(12));
  t.regex(rounded.gemm, /f32 products in TF32/);
});

cudaTest("without cuBLAS our own kernel computes, and the places tried are told", (t) => {
  const { y, gemm } = inProcess<Product>(PRODUCT, { NODE_BERT_CUBLAS: "none" });
  t.deepEqual(y, RIGHT);
  t.regex(gemm, /^own kernel; cuBLAS was not found:\n.*NODE_BERT_CUBLAS is none/);
});

cudaTest("a file that is no library, a missing one, another library and another major version are told apart", (t) => {
  const text = join(folder, "libcublasLt.so.13");
  writeFileSync(text, "no library\n".repeat(20));
  t.regex(
    inProcess<Product>(PRODUCT, { NODE_BERT_CUBLAS: text }).error!,
    /NODE_BERT_CUBLAS names no usable cuBLASLt.*invalid ELF header/s,
  );
  const missing = join(folder, "nowhere", "libcublasLt.so.13");
  t.regex(inProcess<Product>(PRODUCT, { NODE_BERT_CUBLAS: missing }).error!, /No such file/);

  const compile = (name: string, source: string) => {
    const path = join(folder, name);
    const made = spawnSync("g++", ["-shared", "-fPIC", "-x", "c", "-", "-o", path], {
      input: source,
      encoding: "utf8",
    });
    t.is(made.status, 0, made.stderr);
    return path;
  };
  const other = compile("libother.so", "int other(void) { return 1; }");
  t.regex(inProcess<Product>(PRODUCT, { NODE_BERT_CUBLAS: other }).error!, /has no cublasLt\w+, so it is not cuBLASLt/);

  const symbols = [
    "Create",
    "Destroy",
    "MatmulDescCreate",
    "MatmulDescSetAttribute",
    "MatmulDescDestroy",
    "MatrixLayoutCreate",
    "MatrixLayoutDestroy",
    "MatmulPreferenceCreate",
    "MatmulPreferenceSetAttribute",
    "MatmulPreferenceDestroy",
    "MatmulAlgoGetHeuristic",
    "Matmul",
  ];
  const source = `unsigned long cublasLtGetVersion(void) { return 120804; }
    ${symbols.map((name) => `int cublasLt${name}(void) { return 14; }`).join("\n")}`;
  const old = compile("libcublasLt.so.12", source);
  const { error } = inProcess<Product>(PRODUCT, { NODE_BERT_CUBLAS: old });
  t.regex(error!, /it is version 12\.8\.4, expected 13\.x/);
});

cudaTest("a folder with another major version says what is there", (t) => {
  const versions = mkdtempSync(join(folder, "versions-"));
  writeFileSync(join(versions, "libcublasLt.so.12"), "");
  t.regex(
    inProcess<Product>(PRODUCT, { NODE_BERT_CUBLAS: versions }).error!,
    /only libcublasLt\.so\.12, another version; 13 is needed/,
  );
});
