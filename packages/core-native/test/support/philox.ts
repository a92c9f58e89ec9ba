// Philox 4x32-10 (Salmon et al., SC 2011) and node-bert's dropout masks, written a second time from their definitions in philox.h, with
// BigInt instead of 64-bit arithmetic.
import type { DropoutParams } from "../../src/self-test/op-case.js";

const MASK = 0xffffffffn;

/** One block of four 32-bit words. */
export function philox(counter: readonly number[], key: readonly number[]): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt);
  let [k0, k1] = key.map(BigInt);
  for (let round = 0; round < 10; round++) {
    const product0 = 0xd2511f53n * c0;
    const product1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(product1 >> 32n) ^ c1 ^ k0, product1 & MASK, (product0 >> 32n) ^ c3 ^ k1, product0 & MASK];
    k0 = (k0 + 0x9e3779b9n) & MASK;
    k1 = (k1 + 0xbb67ae85n) & MASK;
  }
  return [c0, c1, c2, c3].map(Number);
}

/** The 16 bits that decide over an element. */
export function dropoutBits({ seedLow, seedHigh, step, op }: DropoutParams, row: number, column: number): number {
  const words = philox([Math.floor(column / 8), row, op, step], [seedLow, seedHigh]);
  const word = words[Math.floor((column % 8) / 2)];
  return column % 2 === 0 ? word & 0xffff : word >>> 16;
}

/** What the element is multiplied by: 0 or 1 / (1 - the p that is applied). */
export function dropoutFactor(dropout: DropoutParams, row: number, column: number): number {
  const threshold = Math.floor(dropout.p * 65536 + 0.5);
  if (threshold === 0) return 1;
  return dropoutBits(dropout, row, column) < threshold ? 0 : 65536 / (65536 - threshold);
}
