/**
 * Seeded random numbers for the self-test and the tests. Equal (seed, name) give equal numbers, whatever else is drawn.
 * The generator is splitmix32 (Steele, Lea & Flood 2014).
 */
export class Random {
  #state: number;

  /** @param name the case the numbers are for, e.g. "linear (31, 33)" */
  constructor(name: string, seed: number) {
    let hash = 2166136261; // FNV-1a
    for (const character of `${seed}/${name}`) {
      hash = Math.imul(hash ^ character.codePointAt(0)!, 16777619);
    }
    this.#state = hash >>> 0;
  }

  /** Uniform over the 32-bit integers. */
  uint32(): number {
    this.#state = (this.#state + 0x9e3779b9) >>> 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.uint32() / 4294967296;
  }

  /** An integer in 0 .. limit - 1. */
  integer(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(items.length)];
  }

  /** `count` normally distributed numbers (Box & Muller 1958). */
  normal(count: number, deviation = 1, mean = 0): Float64Array {
    return Float64Array.from({ length: count }, () => {
      const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
      return mean + deviation * radius * Math.cos(2 * Math.PI * this.uniform());
    });
  }

  /** `count` integers in 0 .. limit - 1. */
  integers(count: number, limit: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.integer(limit));
  }
}
