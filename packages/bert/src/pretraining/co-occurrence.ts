// Word embeddings from which tokens come near each other: the dominant subspace of their positive pointwise mutual information (Levy & Goldberg,
// "Neural Word Embedding as Implicit Matrix Factorization", NIPS 2014). Minutes instead of the hours in which a language model would learn as much.
import { type Device, linear, type Tensor } from "@node-bert/core-native";
import { InputError } from "../errors.js";
import { normalValues } from "../loading/initialize.js";
import type { PackedEncoding } from "../training/rows.js";

/** Tokens on either side that count as near; the d-th counts 1/d, as in GloVe (Pennington et al. 2014). */
const WINDOW = 8;
/** Rounds of subspace iteration: the directions that matter are far apart from the rest and settle early. */
const ROUNDS = 8;
/** The matrix is (V, V) in memory. */
const LARGEST_VOCABULARY = 20_000;

/**
 * A vector of length 1 for each token, near to those of tokens that come in the same surroundings. Special tokens, and tokens that never come, get
 * random ones.
 * @param isSpecial 1 for tokens that are none of the text, (V)
 * @param width H, at most V
 * @returns (V, H)
 * @throws {InputError} when the vocabulary is too large
 */
export async function coOccurrenceEmbeddings(
  rows: Pick<PackedEncoding, "inputIds" | "cuSeqlens">,
  isSpecial: Uint8Array,
  width: number,
  device: Device,
  seed: number,
): Promise<Float32Array> {
  const V = isSpecial.length;
  if (V > LARGEST_VOCABULARY || width > V)
    throw new InputError(
      `Co-occurrence of ${V} tokens in ${width} dimensions is asked for, expected at most ${LARGEST_VOCABULARY} tokens and no more dimensions than tokens.`,
    );
  const information = mutualInformation(countNeighbours(rows, isSpecial), V);
  let basis = normalValues(seed, "co-occurrence", 0, V * width, 1);
  const matrix = device.tensor(information, [V, V]);
  try {
    for (let round = 0; round < ROUNDS; round++) basis = orthonormalize(await multiply(matrix, basis, width), V, width);
  } finally {
    matrix.dispose();
  }
  return unitRows(basis, V, width, seed);
}

/** How often tokens are near each other, (V, V), symmetric. */
function countNeighbours(
  { inputIds, cuSeqlens }: Pick<PackedEncoding, "inputIds" | "cuSeqlens">,
  isSpecial: Uint8Array,
) {
  const V = isSpecial.length;
  const counts = new Float32Array(V * V);
  for (let b = 0; b + 1 < cuSeqlens.length; b++)
    for (let n = cuSeqlens[b]; n < cuSeqlens[b + 1]; n++) {
      const one = inputIds[n];
      if (isSpecial[one]) continue;
      const last = Math.min(cuSeqlens[b + 1] - 1, n + WINDOW);
      for (let m = n + 1; m <= last; m++) {
        const other = inputIds[m];
        if (isSpecial[other]) continue;
        const weight = 1 / (m - n);
        counts[one * V + other] += weight;
        counts[other * V + one] += weight;
      }
    }
  return counts;
}

/** max(0, log p(i, j) / p(i) p(j)), in the place of the counts. */
function mutualInformation(counts: Float32Array, V: number): Float32Array {
  const sums = new Float64Array(V);
  for (let i = 0; i < V; i++) for (let j = 0; j < V; j++) sums[i] += counts[i * V + j];
  const total = sums.reduce((a, b) => a + b, 0);
  for (let i = 0; i < V; i++)
    for (let j = 0; j < V; j++) {
      const at = i * V + j;
      if (counts[at] > 0) counts[at] = Math.max(0, Math.log((counts[at] * total) / (sums[i] * sums[j])));
    }
  return counts;
}

/** The matrix times the basis, on the device. @param matrix (V, V) @param basis (H, V), a direction a row @returns (H, V) */
async function multiply(matrix: Tensor, basis: Float32Array, width: number): Promise<Float32Array> {
  const { device } = matrix;
  const V = matrix.shape[0];
  const product = device.scope(() => ({ reading: linear(device.tensor(basis, [width, V]), matrix).read() }));
  return Float32Array.from(await product.reading);
}

/** Gram and Schmidt, modified and twice, as once loses orthogonality. @param basis (H, V), a direction a row */
function orthonormalize(basis: Float32Array, V: number, width: number): Float32Array {
  for (let a = 0; a < width; a++) {
    const row = basis.subarray(a * V, (a + 1) * V);
    for (let pass = 0; pass < 2; pass++)
      for (let b = 0; b < a; b++) {
        const other = basis.subarray(b * V, (b + 1) * V);
        const along = dot(row, other);
        for (let i = 0; i < V; i++) row[i] -= along * other[i];
      }
    scaleToUnit(row);
  }
  return basis;
}

/** Each token's coordinates as a vector of length 1. @param basis (H, V) @returns (V, H) */
function unitRows(basis: Float32Array, V: number, width: number, seed: number): Float32Array {
  const random = normalValues(seed, "co-occurrence.unseen", 0, V * width, 1);
  const vectors = new Float32Array(V * width);
  for (let token = 0; token < V; token++) {
    const vector = vectors.subarray(token * width, (token + 1) * width);
    for (let h = 0; h < width; h++) vector[h] = basis[h * V + token];
    if (!(dot(vector, vector) > 1e-12)) vector.set(random.subarray(token * width, (token + 1) * width));
    scaleToUnit(vector);
  }
  return vectors;
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** In place; a vector of zeros stays as it is. */
function scaleToUnit(vector: Float32Array): void {
  const length = Math.sqrt(dot(vector, vector));
  if (length > 0) for (let i = 0; i < vector.length; i++) vector[i] /= length;
}
