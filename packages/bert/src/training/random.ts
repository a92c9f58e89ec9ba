// The generator of everything random on the host: order of rows, splits, resampling. (Dropout masks come from the device's counter.)

/** A stream of reproducible random numbers. */
export interface Random {
  /** Uniform in [0, 2^32). */
  uint32(): number;
  /** Uniform integer in [0, bound); probabilities differ by less than bound / 2^32, relatively. */
  below(bound: number): number;
}

/**
 * xoshiro128** (Blackman & Vigna 2018), its state filled by SplitMix32 from the seeds, so that neighbouring seeds give unrelated streams.
 * @param seeds any number of integers, for example seed and epoch; the stream depends on each and on their order
 */
export function randomFrom(...seeds: readonly number[]): Random {
  const state = new Uint32Array(4);
  let mix = 0x9e3779b9;
  const splitMix = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  for (const seed of seeds) {
    mix = (splitMix() ^ (seed >>> 0)) >>> 0;
    mix = (splitMix() ^ (Math.floor(seed / 2 ** 32) >>> 0)) >>> 0;
  }
  for (let i = 0; i < 4; i++) state[i] = splitMix();

  const uint32 = (): number => {
    const five = Math.imul(state[1], 5);
    const result = Math.imul((five << 7) | (five >>> 25), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = (state[3] << 11) | (state[3] >>> 21);
    return result;
  };
  const below = (bound: number): number => Math.floor((uint32() / 2 ** 32) * bound);
  return { uint32, below };
}

/** Shuffles in place (Fisher & Yates). */
export function shuffle<T extends Int32Array | unknown[]>(items: T, random: Random): T {
  for (let i = items.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const held = items[i];
    items[i] = items[j];
    items[j] = held;
  }
  return items;
}
