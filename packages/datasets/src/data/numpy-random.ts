// numpy's default_rng(seed): SeedSequence, PCG64 (XSL-RR) and the bounded integers of Generator.permutation.
// Hugging Face's shuffle(seed) and train_test_split(seed) are made of it, so the same seed picks the same rows here.
// Sources: numpy/random/bit_generator.pyx, _pcg64.pyx, _generator.pyx, src/distributions/distributions.c; O'Neill, PCG (2014).

const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;

/** numpy's `np.random.default_rng(seed)`, as far as permutations and choices need it. */
export class NumpyGenerator {
  private state: bigint;
  private readonly increment: bigint;
  /** High half of the last 64-bit draw, handed out second, as numpy does. */
  private spare: number | undefined;

  /** @param seed a whole number, 0 ≤ seed < 2^53. */
  constructor(seed: number) {
    const [s0, s1, s2, s3] = seedWords(seed);
    this.increment = ((((s2 << 64n) | s3) << 1n) | 1n) & MASK_128;
    this.state = this.step(0n);
    this.state = this.step(this.state + ((s0 << 64n) | s1));
  }

  /** A random order of 0..n-1. */
  permutation(n: number): Uint32Array {
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    return this.shuffle(order);
  }

  /** `Generator.shuffle`, in place. Its draws are by mask and rejection, unlike those of `choose`. */
  shuffle(values: Uint32Array): Uint32Array {
    return swapDown(values, (last) => this.upTo(last));
  }

  /** `choice(values, count, replace=False)` for the small populations of a stratified split (Floyd's algorithm). */
  choose(values: readonly number[], count: number): number[] {
    const population = values.length;
    const taken = new Set<number>();
    const picks = new Uint32Array(count);
    for (let j = population - count; j < population; j++) {
      const draw = this.below(j + 1);
      const pick = taken.has(draw) ? j : draw;
      taken.add(pick);
      picks[j - population + count] = pick;
    }
    const drawn = swapDown(picks, (last) => this.below(last + 1));
    return Array.from(drawn, (pick) => values[pick]);
  }

  /** A whole number in [0, bound), bound ≤ 2^32, by Lemire's method. */
  below(bound: number): number {
    if (bound <= 1) return 0;
    const wideBound = BigInt(bound);
    let product = BigInt(this.next32()) * wideBound;
    let leftover = Number(product & 0xffffffffn);
    if (leftover < bound) {
      const threshold = (2 ** 32 - bound) % bound;
      while (leftover < threshold) {
        product = BigInt(this.next32()) * wideBound;
        leftover = Number(product & 0xffffffffn);
      }
    }
    return Number(product >> 32n);
  }

  /** A whole number in [0, last], by mask and rejection. */
  private upTo(last: number): number {
    const mask = 0xffffffff >>> Math.clz32(last);
    for (;;) {
      const draw = (this.next32() & mask) >>> 0;
      if (draw <= last) return draw;
    }
  }

  private next32(): number {
    if (this.spare !== undefined) {
      const high = this.spare;
      this.spare = undefined;
      return high;
    }
    const word = this.next64();
    this.spare = Number(word >> 32n);
    return Number(word & 0xffffffffn);
  }

  private next64(): bigint {
    this.state = this.step(this.state);
    const folded = ((this.state >> 64n) ^ this.state) & MASK_64;
    const turn = this.state >> 122n;
    return ((folded >> turn) | (folded << (64n - turn))) & MASK_64;
  }

  private step(state: bigint): bigint {
    return (state * MULTIPLIER + this.increment) & MASK_128;
  }
}

/** Fisher-Yates from the end. */
function swapDown(values: Uint32Array, draw: (last: number) => number): Uint32Array {
  for (let i = values.length - 1; i > 0; i--) {
    const j = draw(i);
    const swap = values[i];
    values[i] = values[j];
    values[j] = swap;
  }
  return values;
}

/** SeedSequence(seed).generate_state(4, uint64). */
function seedWords(seed: number): bigint[] {
  const entropy = seed >= 2 ** 32 ? [seed % 2 ** 32, Math.floor(seed / 2 ** 32)] : [seed];
  const pool = new Uint32Array(4);
  let hash = 0x43b0d7e5;
  const hashMix = (value: number) => {
    let mixed = (value ^ hash) >>> 0;
    hash = Math.imul(hash, 0x931e8875) >>> 0;
    mixed = Math.imul(mixed, hash) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  const mix = (x: number, y: number) => {
    const mixed = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
  for (let i = 0; i < 4; i++) pool[i] = hashMix(entropy[i] ?? 0);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hashMix(pool[from]));
  }

  let stateHash = 0x8b51f9dd;
  const words = Array.from({ length: 8 }, (_, i) => {
    let word = (pool[i % 4] ^ stateHash) >>> 0;
    stateHash = Math.imul(stateHash, 0x58f38ded) >>> 0;
    word = Math.imul(word, stateHash) >>> 0;
    return BigInt((word ^ (word >>> 16)) >>> 0);
  });
  return [0, 2, 4, 6].map((i) => words[i] | (words[i + 1] << 32n));
}
