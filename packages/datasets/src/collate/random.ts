// Random orders of batches: sfc32 (C. Doty-Humphrey, PractRand), a small generator that is quick and the same on every machine.
// Orders of rows that must equal Hugging Face's come from data/numpy-random.ts instead.

/** Random numbers that depend on the seed and the epoch alone. */
export class BatchRandom {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number, epoch: number) {
    this.a = seed >>> 0;
    this.b = Math.floor(seed / 2 ** 32) >>> 0;
    this.c = epoch >>> 0;
    for (let i = 0; i < 15; i++) this.next();
  }

  /** A whole number in [0, 2^32). */
  next(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number in [0, bound), bound ≤ 2^32, without bias. */
  below(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    let draw = this.next();
    while (draw >= limit) draw = this.next();
    return draw % bound;
  }

  /** Shuffles in place. */
  shuffle<T extends Uint32Array | unknown[]>(values: T): T {
    for (let i = values.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const swap = values[i];
      values[i] = values[j];
      values[j] = swap;
    }
    return values;
  }
}
