// What is tried to find PyTorch's best settings, in training and in inference alike.

/** glibc gives large blocks back to the system when they are freed, and every step then pays for the page faults again. */
const KEEP_MEMORY = {
  MALLOC_MMAP_THRESHOLD_: "4294967296",
  MALLOC_TRIM_THRESHOLD_: "17179869184",
  MALLOC_TOP_PAD_: "268435456",
};

export const ATTENTION = [
  { flags: ["--attention", "sdpa"], says: "SDPA attention" },
  { flags: ["--attention", "eager"], says: "eager attention" },
];

export const MEMORY = [
  { environment: {} },
  {
    environment: KEEP_MEMORY,
    says: "glibc told to keep freed memory (MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_, MALLOC_TOP_PAD_)",
  },
];

/** Takes minutes to start. */
export const compiling = (asked) => (asked ? [{}, { flags: ["--compile"], says: "torch.compile" }] : [{}]);

/** On a GPU nothing is tried: eager and compiled PyTorch are contenders of their own, and the rest is known to be best. */
export const onGpu = (products, compiled) => [
  products,
  ATTENTION[0],
  ...(compiled ? [{ flags: ["--compile", "reduce-overhead"], says: "torch.compile with CUDA graphs" }] : []),
];

export const AUTOCAST = { flags: ["--dtype", "bf16"], says: "bf16 autocast" };
export const FP32 = { flags: ["--dtype", "fp32"], says: "fp32" };
const ONEDNN = ["--dtype", "fp32", "--matmul-precision", "bf16"];

/** @param bf16Rounds whether float32 products that may use bfloat16 round on this processor (python/probe_matmul.py) */
export function float32Products(bf16Rounds) {
  return bf16Rounds ? [FP32] : [FP32, { flags: ONEDNN, says: "fp32 with products by oneDNN instead of MKL" }];
}

/** Float32 weights whose products are in bfloat16. */
export function bfloat16Products(bf16Rounds) {
  return bf16Rounds ? [AUTOCAST, { flags: ONEDNN, says: "fp32 with products in bf16" }] : [AUTOCAST];
}
