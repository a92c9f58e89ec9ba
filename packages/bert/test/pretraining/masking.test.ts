import test from "ava";
import { type MaskingVocabulary, maskTokens } from "../../src/pretraining/masking.js";
import { cutIntoWindows } from "../../src/pretraining/windows.js";

// Ids 0 … 4 are special, 4 is [MASK]; from 600 on pieces continue a word.
const SIZE = 1000;
const vocabulary: MaskingVocabulary = {
  size: SIZE,
  maskId: 4,
  isSpecial: Uint8Array.from({ length: SIZE }, (_, id) => (id < 5 ? 1 : 0)),
  continuesWord: Uint8Array.from({ length: SIZE }, (_, id) => (id >= 600 ? 1 : 0)),
};
/** Sequences [CLS] … [SEP] of 50 tokens, every third one of which continues a word. */
const ids = Int32Array.from({ length: 200_000 }, (_, n) => {
  if (n % 50 === 0) return 2;
  if (n % 50 === 49) return 3;
  return n % 3 === 0 && n % 50 > 1 ? 600 + (n % 400) : 5 + (n % 595);
});
const tokens = ids.length * (48 / 50);

/** The binomial's mean of this is 0 and its deviation 1. */
const deviations = (count: number, of: number, p: number) => (count - of * p) / Math.sqrt(of * p * (1 - p));

test("15 % of the tokens are to be predicted; 80, 10 and 10 % of them are masked, replaced and left", (t) => {
  const { inputIds, labels, positions } = maskTokens(
    ids,
    vocabulary,
    { probability: 0.15, wholeWords: false },
    7,
    [1, 0],
  );
  t.true(Math.abs(deviations(positions.length, tokens, 0.15)) < 4);
  const [masked, left, replaced] = [[], [], []] as number[][];
  positions.forEach((n) => {
    t.is(labels[n], ids[n]);
    (inputIds[n] === 4 ? masked : inputIds[n] === ids[n] ? left : replaced).push(n);
  });
  t.true(Math.abs(deviations(masked.length, positions.length, 0.8)) < 4);
  t.true(Math.abs(deviations(left.length, positions.length, 0.1)) < 4);
  const drawn = replaced.map((n) => inputIds[n]);
  t.true(
    Math.abs(drawn.reduce((a, b) => a + b, 0) / drawn.length / (SIZE / 2) - 1) < 0.05,
    "uniform over the vocabulary",
  );
  t.true(Math.max(...drawn) > 0.98 * SIZE && Math.min(...drawn) < 0.02 * SIZE);
  const chosen = new Set(positions);
  ids.forEach((id, n) => {
    if (chosen.has(n)) return;
    if (inputIds[n] !== id || labels[n] !== -100) t.fail(`token ${n} was not chosen and is changed`);
  });
  t.false(
    positions.some((n) => ids[n] < 5),
    "special tokens are never chosen",
  );
});

test("whole words: all pieces of a word or none, as many tokens all in all", (t) => {
  const { positions } = maskTokens(ids, vocabulary, { probability: 0.15, wholeWords: true }, 7, [1, 0]);
  const chosen = new Set(positions);
  let words = 0;
  for (let n = 1; n < ids.length; n++)
    if (ids[n] >= 600 && ids[n - 1] >= 5) {
      words++;
      if (chosen.has(n) !== chosen.has(n - 1)) t.fail(`token ${n} and the one before it`);
    }
  t.true(words > 50_000);
  t.true(Math.abs(positions.length / tokens / 0.15 - 1) < 0.03);
  const single = maskTokens(ids, vocabulary, { probability: 0.15, wholeWords: false }, 7, [1, 0]);
  t.true(single.positions.some((n) => ids[n] >= 600 && !new Set(single.positions).has(n - 1)));
});

test("masks depend on seed, step and batch, on nothing else, and the ids given stay as they are", (t) => {
  const before = ids.slice(0, 500);
  const mask = (seed: number, draw: [number, number]) =>
    maskTokens(before, vocabulary, { probability: 0.15, wholeWords: false }, seed, draw);
  t.deepEqual(mask(1, [5, 2]), mask(1, [5, 2]));
  for (const other of [mask(2, [5, 2]), mask(1, [6, 2]), mask(1, [5, 3]), mask(1 + 2 ** 32, [5, 2])])
    t.notDeepEqual(other.positions, mask(1, [5, 2]).positions);
  t.deepEqual(before, ids.slice(0, 500));
});

test("something is to be predicted even in a batch where the draw chose nothing, unless all tokens are special", (t) => {
  const options = { probability: 1e-9, wholeWords: false };
  const { positions, labels } = maskTokens(Int32Array.of(2, 77, 78, 3), vocabulary, options, 1, [1, 0]);
  t.deepEqual([[...positions], [...labels]], [[1], [-100, 77, -100, -100]]);
  t.is(maskTokens(Int32Array.of(2, 1, 3), vocabulary, options, 1, [1, 0]).positions.length, 0);
});

test("long sequences are cut into windows with special tokens of their own; nothing is lost, nothing is mixed", (t) => {
  const lengths = [2, 3, 10, 11, 18, 19, 30];
  const cuSeqlens = Int32Array.from([0, ...lengths]);
  for (let b = 1; b < cuSeqlens.length; b++) cuSeqlens[b] += cuSeqlens[b - 1];
  const inputIds = new Int32Array(cuSeqlens[lengths.length]);
  lengths.forEach((length, b) => {
    for (let s = 0; s < length; s++)
      inputIds[cuSeqlens[b] + s] = s === 0 ? 2 : s === length - 1 ? 3 : 1000 * (b + 1) + s;
  });
  const whole = {
    inputIds,
    cuSeqlens,
    tokenTypeIds: new Int32Array(inputIds.length),
    originalLengths: Int32Array.from(lengths),
  };
  const windows = cutIntoWindows(whole, 10);
  const cut = Array.from({ length: windows.cuSeqlens.length - 1 }, (_, b) => [
    ...windows.inputIds.subarray(windows.cuSeqlens[b], windows.cuSeqlens[b + 1]),
  ]);
  t.true(cut.every((window) => window[0] === 2 && window.at(-1) === 3 && window.length >= 3 && window.length <= 10));
  t.deepEqual(
    cut.flatMap((window) => window.slice(1, -1)),
    [...inputIds].filter((id) => id >= 1000),
  );
  t.true(cut.every((window) => new Set(window.slice(1, -1).map((id) => Math.floor(id / 1000))).size === 1));
  t.deepEqual(
    cut.map(({ length }) => length),
    [3, 10, 10, 3, 10, 10, 10, 10, 3, 10, 10, 10, 6].slice(0, cut.length),
  );
});
