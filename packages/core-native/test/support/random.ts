// The seed of a test run, printed once per test file; TEST_SEED=<integer> repeats a run or explores another.
import { Random } from "../../src/self-test/random.js";

const DEFAULT_SEED = 20241018;

/** TEST_SEED, or a fixed default. */
export const TEST_SEED = readSeed();
console.log(`TEST_SEED=${TEST_SEED}`);

function readSeed(): number {
  const text = process.env.TEST_SEED;
  if (text === undefined || text === "") return DEFAULT_SEED;
  if (!/^\d+$/.test(text)) throw new Error(`TEST_SEED is "${text}", expected a non-negative integer`);
  return Number(text);
}

/** Numbers of this run's seed for the case `name`. */
export function randomFor(name: string): Random {
  return new Random(name, TEST_SEED);
}
