// Which tokens a masked language model has to predict. A function of seed, draw and the token's place alone: every step masks anew, a resumed
// run masks the same, and there is no generator to save.
import { philox } from "../loading/philox.js";

/** A label that does not count, as in PyTorch. */
const IGNORED = -100;
/** Keeps these draws apart from all others of a seed. */
const STREAM = 0x6d61736b;

/** What masking has to know of a vocabulary. */
export interface MaskingVocabulary {
  size: number; // V
  maskId: number;
  /** 1 for special tokens, which are never masked, (V). */
  isSpecial: Uint8Array;
  /** 1 for pieces that continue a word, (V). */
  continuesWord: Uint8Array;
}

export interface MaskingOptions {
  /** Share of the tokens to be predicted. */
  probability: number;
  /** A word's pieces are masked together, or none of them. */
  wholeWords: boolean;
}

export interface MaskedTokens {
  inputIds: Int32Array; // (N)
  /** The token to be predicted, −100 where there is none, (N). */
  labels: Int32Array;
  /** Where there is one, (M); at least one unless all tokens are special. */
  positions: Int32Array;
}

/**
 * Chooses tokens as BERT does (Devlin et al. 2019): of those chosen 80 % become [MASK], 10 % a random token, and 10 % stay as they are.
 * @param ids (N) whole sequences, each beginning with a special token
 * @param draw step and batch, below 2^32 each: with the seed they name these draws
 */
export function maskTokens(
  ids: Int32Array,
  vocabulary: MaskingVocabulary,
  options: MaskingOptions,
  seed: number,
  draw: readonly [number, number],
): MaskedTokens {
  const { size, maskId, isSpecial, continuesWord } = vocabulary;
  const inputIds = ids.slice();
  const labels = new Int32Array(ids.length).fill(IGNORED);
  const positions: number[] = [];
  const key = Uint32Array.of(seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0);
  const counter = Uint32Array.of(0, draw[0], draw[1], STREAM);
  const words = new Uint32Array(4);
  const predict = (n: number): void => {
    labels[n] = ids[n];
    positions.push(n);
    const fate = words[1] / 2 ** 32;
    if (fate < 0.8) inputIds[n] = maskId;
    else if (fate < 0.9) inputIds[n] = Math.floor((words[2] / 2 ** 32) * size);
  };
  const drawFor = (n: number): void => {
    counter[0] = n;
    philox(counter, key, words);
  };
  let chosen = false;
  for (let n = 0; n < ids.length; n++) {
    drawFor(n);
    const goesOn = options.wholeWords && continuesWord[ids[n]] === 1 && n > 0 && isSpecial[ids[n - 1]] === 0;
    if (!goesOn) chosen = words[0] / 2 ** 32 < options.probability;
    if (chosen && isSpecial[ids[n]] === 0) predict(n);
  }
  // A loss is a mean over something.
  const any = positions.length > 0 ? -1 : ids.findIndex((id) => isSpecial[id] === 0);
  if (any >= 0) {
    drawFor(any);
    predict(any);
  }
  return { inputIds, labels, positions: Int32Array.from(positions) };
}
