import test from "ava";
import { InputError } from "../../src/index.js";
import { coOccurrenceEmbeddings } from "../../src/pretraining/co-occurrence.js";
import { randomFrom } from "../../src/training/random.js";
import { cpu } from "../training/support.js";

// Ids 0 … 2 are special. Of the others, each of 4 groups of 10 is used together and apart from the rest; 43 never comes.
const V = 44;
const isSpecial = Uint8Array.from({ length: V }, (_, id) => (id < 3 ? 1 : 0));
const groupOf = (id: number) => Math.floor((id - 3) / 10);
const random = randomFrom(11);
const sequences = Array.from({ length: 400 }, (_, b) => [
  1,
  ...Array.from({ length: 12 }, () => 3 + 10 * (b % 4) + random.below(10)),
  2,
]);
const rows = {
  inputIds: Int32Array.from(sequences.flat()),
  cuSeqlens: Int32Array.from({ length: sequences.length + 1 }, (_, b) => 14 * b),
};

test("tokens of the same surroundings are near each other, all vectors have length 1, and the same rows give the same bits", async (t) => {
  const width = 8;
  const vectors = await coOccurrenceEmbeddings(rows, isSpecial, width, cpu, 5);
  t.is(vectors.length, V * width);
  const cosine = (a: number, b: number) => {
    let sum = 0;
    for (let h = 0; h < width; h++) sum += vectors[a * width + h] * vectors[b * width + h];
    return sum;
  };
  for (let id = 0; id < V; id++) t.true(Math.abs(cosine(id, id) - 1) < 1e-5, `${id}`);
  let [within, across, pairs] = [0, 0, 0];
  for (let a = 3; a < 43; a++)
    for (let b = a + 1; b < 43; b++) {
      if (groupOf(a) === groupOf(b)) {
        within += cosine(a, b);
        pairs++;
      } else across += Math.abs(cosine(a, b));
    }
  t.true(within / pairs > 0.4, `${within / pairs}`);
  t.true(across / (40 * 15) < 0.2, `${across / (40 * 15)}`);
  t.deepEqual(await coOccurrenceEmbeddings(rows, isSpecial, width, cpu, 5), vectors);
});

test("a vocabulary that would not fit in memory is refused", async (t) => {
  await t.throwsAsync(coOccurrenceEmbeddings(rows, new Uint8Array(30_000), 8, cpu, 5), { instanceOf: InputError });
  await t.throwsAsync(coOccurrenceEmbeddings(rows, isSpecial, V + 1, cpu, 5), { instanceOf: InputError });
});
