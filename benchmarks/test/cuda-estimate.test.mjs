import test from "ava";
import { renderCudaEstimate } from "../cuda-estimate/render.mjs";
import { estimate, familyOf, productOf } from "../cuda-estimate/roofline.mjs";

const GPU = { bandwidth: 100, half: 1000, single: 10 };

test("a product's bytes are its three matrices, and C once more when it is added to", (t) => {
  t.deepEqual(productOf("cublasLtMatmul 3x5x7 bf16 to f32"), {
    bytes: (21 + 35) * 2 + 15 * 4,
    tensorFlops: 210,
    flops: 0,
  });
  t.is(productOf("cublasLtMatmul 3x5x7 bf16 to f32 added").bytes, (21 + 35) * 2 + 2 * 15 * 4);
  t.is(productOf("adamw_kernel<__nv_bfloat16>"), undefined);
});

test("each operation takes the longer of its bytes and its arithmetic", (t) => {
  const bound = { name: "adamw_kernel", count: 2, bytes: 500, tensorFlops: 0, flops: 10 };
  const busy = { name: "cublasLtMatmul 1x1x1 bf16 to f32", count: 1, bytes: 100, tensorFlops: 7000, flops: 0 };
  const { seconds, total, launches } = estimate([bound, busy], GPU);
  t.deepEqual(seconds, { optimizer: 5, "matrix products": 7 });
  t.is(total, 12);
  t.is(launches, 3);
});

test("operations fall in families", (t) => {
  t.is(familyOf("attention_forward_kernel<64>"), "attention");
  t.is(familyOf("sum_of_squares_kernel"), "optimizer");
  t.is(familyOf("add_layer_norm_forward_kernel"), "other kernels");
});

test("the section says what was measured", (t) => {
  const workload = {
    model: "BERT",
    layers: 1,
    hiddenSize: 8,
    batchSize: 8,
    length: 128,
    precision: "bf16",
    counted: "the emulator",
  };
  const operations = [{ name: "adamw_kernel", count: 1, bytes: 1e9, tensorFlops: 0, flops: 0 }];
  const step = { date: "2026-01-01", commit: "0", workload, operations, synchronisations: 1 };
  const text = renderCudaEstimate(step, [], () => "TABLE");
  t.regex(text, /an estimate, not a measurement/);
  t.regex(text, /No GPU has run this/);

  const contenders = [{ name: "node-bert-bf16", secondsPerStep: { median: 0.0125 } }];
  const onGpu = {
    benchmark: "training",
    fingerprint: { gpu: "GPU 1 (driver)" },
    workload: { ...workload, size: "base" },
    contenders,
  };
  const onCpu = { ...onGpu, fingerprint: {}, contenders: [{ ...contenders[0], secondsPerStep: { median: 1 } }] };
  t.regex(
    renderCudaEstimate(step, [onCpu, onGpu], () => "TABLE"),
    /\*\*Measured: GPU 1 \(driver\) takes 12\.50 ms \(above\)\.\*\*/,
  );
});
