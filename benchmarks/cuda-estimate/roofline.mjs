// A roofline estimate: from what the emulator counted of a training step, how long a GPU would take at its data sheet's rates.
//
// Each operation takes the longer of moving its bytes at the memory's full rate and doing its arithmetic at full rate; they run one after another.
// Bytes are the 32-byte sectors that a kernel's warps ask for, as if no cache helped between warps; of a matrix product, its three matrices.
// It is no bound: what a cache keeps, as gamma and beta, which are read once a row, counts each time. And no forecast: real kernels reach some part of both
// rates, and how large a part only a GPU can tell.

/** NVIDIA's data sheets: bytes/s, and floating-point operations/s without sparsity. */
export const GPUS = {
  "A100 (SXM, 80 GB)": { bandwidth: 2.039e12, half: 312e12, single: 19.5e12 },
  "H100 (SXM)": { bandwidth: 3.35e12, half: 989e12, single: 67e12 },
  B200: { bandwidth: 8e12, half: 2250e12, single: 75e12 },
};

/** What a launch costs beside its work when it is replayed from a graph: about what NVIDIA reports for graphs of small kernels. */
export const SECONDS_A_LAUNCH = 1.5e-6;

const TYPE_BYTES = { f32: 4, bf16: 2, f16: 2 };

/** Bytes and operations of "cublasLtMatmul <m>x<n>x<k> <type> to <type>[ added]"; undefined for any other name. */
export function productOf(name) {
  const parsed = /^cublasLtMatmul (\d+)x(\d+)x(\d+) (\w+) to (\w+)( added)?$/.exec(name);
  if (parsed === null) return undefined;
  const [m, n, k] = parsed.slice(1, 4).map(Number);
  const [input, output] = [TYPE_BYTES[parsed[4]], TYPE_BYTES[parsed[5]]];
  return {
    bytes: (m * k + k * n) * input + m * n * output * (parsed[6] === undefined ? 1 : 2),
    tensorFlops: 2 * m * n * k,
    flops: 0,
  };
}

/** The family of an operation, for the table's rows. */
export function familyOf(name) {
  if (name.startsWith("cublasLtMatmul")) return "matrix products";
  if (name.startsWith("attention")) return "attention";
  if (/^(adamw|sum_of_squares|add_partial_squares)/.test(name)) return "optimizer";
  return "other kernels";
}

/**
 * @param operations `{ name, count, bytes, tensorFlops, flops }` of a step, each summed over its launches
 * @returns seconds by family, `total`, and `launches`
 */
export function estimate(operations, gpu) {
  const seconds = {};
  let launches = 0;
  for (const { name, count, bytes, tensorFlops, flops } of operations) {
    const needed = Math.max(bytes / gpu.bandwidth, tensorFlops / gpu.half + flops / gpu.single);
    const family = familyOf(name);
    seconds[family] = (seconds[family] ?? 0) + needed;
    launches += count;
  }
  const total = Object.values(seconds).reduce((sum, value) => sum + value, 0);
  return { seconds, total, launches };
}
