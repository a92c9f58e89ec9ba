// Where a new model starts, so that it need not spend its first hours on finding out that near tokens matter. BERT's random start stays for long at the
// words' frequencies: it has to learn each position by itself, and attention to near tokens from nothing.
import type { BertConfig } from "../config.js";
import { normalValues } from "../loading/initialize.js";
import type { ParameterStore } from "../parameters/parameter-store.js";

/** Slowest wave of a position, as in the Transformer's sinusoids (Vaswani et al. 2017): radians a token. */
const SLOWEST = 1e-4;

/**
 * Position embeddings of random waves, sqrt(2 / H) cos(f n + phase), f from 1 to 1e-4 in equal ratios: rows of length about 1 whose inner product
 * depends on how far two positions are apart, and falls with it (Rahimi & Recht, "Random Features for Large-Scale Kernel Machines", 2007).
 * @returns (positions, H)
 */
export function wavePositions(positions: number, H: number, seed: number): Float32Array {
  const phases = normalValues(seed, "wave-positions", 0, H, 100); // so wide that its remainder is uniform
  const values = new Float32Array(positions * H);
  for (let h = 0; h < H; h++) {
    const frequency = SLOWEST ** (h / H);
    for (let n = 0; n < positions; n++)
      values[n * H + h] = Math.sqrt(2 / H) * Math.cos(frequency * n + (phases[h] % (2 * Math.PI)));
  }
  return values;
}

/**
 * Adds the same random matrix, normal(0, 1 / H), to the weights of queries and of keys: a token then attends to those like itself, which are those near
 * it as positions are waves (Trockman & Kolter, "Mimetic Initialization of Self-Attention Layers", ICML 2023).
 */
export async function alignQueriesAndKeys(
  parameters: ParameterStore,
  { numHiddenLayers, hiddenSize: H }: BertConfig,
  seed: number,
): Promise<void> {
  for (let layer = 0; layer < numHiddenLayers; layer++) {
    const prefix = `bert.encoder.layer.${layer}.attention.self`;
    const shared = normalValues(seed, `${prefix}.shared`, 0, H * H, H ** -0.5);
    for (const part of ["query", "key"]) {
      const { tensor } = parameters.get(`${prefix}.${part}.weight`);
      const own = await tensor.read();
      tensor.write(shared.map((value, i) => value + Number(own[i])));
    }
  }
}
