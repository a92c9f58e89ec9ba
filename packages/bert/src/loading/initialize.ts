import type { BertConfig } from "../config.js";
import { InputError } from "../errors.js";
import type { ParameterStore } from "../parameters/parameter-store.js";
import { philox } from "./philox.js";

/** Values drawn and uploaded at once. */
const CHUNK = 1 << 18;

/**
 * Gives parameters BERT's initial values: normal(0, `initializerRange`) for weights, 0 for biases and for the padding token's embedding, 1 for
 * LayerNorm's scale. A parameter's values depend on the seed and its name alone, not on which others are initialized.
 * @param names Hugging Face's names
 * @param seed an integer from 0 to 2^53 - 1
 * @throws {InputError} for another seed
 */
export function initializeParameters(
  store: ParameterStore,
  names: Iterable<string>,
  config: Pick<BertConfig, "initializerRange" | "padTokenId">,
  seed: number,
): void {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new InputError(`seed is ${seed}, expected an integer of at least 0.`);
  for (const name of names) {
    const { tensor, shape, size, decay } = store.get(name);
    if (!decay) {
      store.device.run("fill", [tensor], [name.endsWith(".weight") ? 1 : 0]);
      continue;
    }
    for (let from = 0; from < size; from += CHUNK) {
      const values = normalValues(seed, name, from, Math.min(CHUNK, size - from), config.initializerRange);
      const view = tensor.view([values.length], from);
      view.write(values);
      view.dispose();
    }
    if (name.endsWith("word_embeddings.weight")) {
      const padding = tensor.view([shape[1]], config.padTokenId * shape[1]);
      store.device.run("fill", [padding], [0]);
      padding.dispose();
    }
  }
  store.refreshCopies();
}

/**
 * Elements `from` … `from + count` of the endless normal(0, deviation) stream of a seed and a name: Philox blocks with the key (seed) and the
 * counter (block, hash of the name), four normal values a block by Box and Muller.
 * @param from a multiple of 4
 */
export function normalValues(seed: number, name: string, from: number, count: number, deviation: number): Float32Array {
  const values = new Float32Array(count);
  const key = Uint32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
  const counter = Uint32Array.of(0, 0, hash(name), 0x696e6974);
  const words = new Uint32Array(4);
  for (let i = 0; i < count; i += 4) {
    const block = (from + i) / 4;
    counter[0] = block >>> 0;
    counter[1] = Math.floor(block / 2 ** 32);
    philox(counter, key, words);
    for (let pair = 0; pair < 4; pair += 2) {
      const radius = deviation * Math.sqrt(-2 * Math.log((words[pair] + 0.5) / 2 ** 32));
      const angle = (2 * Math.PI * words[pair + 1]) / 2 ** 32;
      if (i + pair < count) values[i + pair] = radius * Math.cos(angle);
      if (i + pair + 1 < count) values[i + pair + 1] = radius * Math.sin(angle);
    }
  }
  return values;
}

/** FNV-1a over the name's code units. */
function hash(name: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 0x01000193);
  return state >>> 0;
}
