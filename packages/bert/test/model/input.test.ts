import test from "ava";
import { BertForSequenceClassification, type BertInput, InputError } from "../../src/index.js";
import { assertClose, valuesOf } from "../support/close.js";
import { quiet, testDevice } from "../support/devices.js";
import { modelFolder } from "../support/fixture.js";

const device = testDevice("cpu");
// V = 96, P = 48, T = 2
const model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), { device, ...quiet });
const ints = (...values: number[]) => Int32Array.from(values);

const REFUSED: [what: string, input: unknown, message: RegExp][] = [
  [
    "an id beyond the vocabulary",
    { inputIds: ints(5, 96), cuSeqlens: ints(0, 1, 2) },
    /Sequence 1, token 0: the id is 96, expected 0 to 95/,
  ],
  ["a negative id", { inputIds: ints(5, -1), cuSeqlens: ints(0, 2) }, /Sequence 0, token 1: the id is -1/],
  [
    "a type beyond the types",
    { inputIds: ints(5, 6), tokenTypeIds: ints(0, 2), cuSeqlens: ints(0, 2) },
    /Sequence 0, token 1: the token type is 2, expected 0 to 1/,
  ],
  [
    "a sequence that is too long",
    { inputIds: new Int32Array(49), cuSeqlens: ints(0, 49) },
    /Sequence 0 has 49 tokens, expected at most 48/,
  ],
  ["an empty sequence", { inputIds: ints(5), cuSeqlens: ints(0, 0, 1) }, /Sequence 0 has no token/],
  ["an empty batch", { inputIds: ints(), cuSeqlens: ints(0) }, /cuSeqlens has 1 offsets/],
  [
    "offsets that end elsewhere",
    { inputIds: ints(5, 6), cuSeqlens: ints(0, 1) },
    /from 0 to 1, expected B \+ 1 from 0 to .* 2/,
  ],
  ["offsets that start elsewhere", { inputIds: ints(5, 6), cuSeqlens: ints(1, 2) }, /from 1 to 2/],
  ["offsets that run backwards", { inputIds: ints(5, 6), cuSeqlens: ints(0, 2, 1, 2) }, /Sequence 1 has no token/],
  ["offsets beyond the end", { inputIds: ints(5, 6), cuSeqlens: ints(0, 9, 2) }, /Sequence 1 has no token|token 2/],
  ["arrays of another type", { inputIds: [5], cuSeqlens: [0, 1] }, /no Int32Array/],
  [
    "fewer types than ids",
    { inputIds: ints(5, 6), tokenTypeIds: ints(0), cuSeqlens: ints(0, 2) },
    /1 tokenTypeIds for 2/,
  ],
  ["no rows", { inputIds: [] }, /inputIds has 0 rows, expected at least one/],
  ["rows of unequal length", { inputIds: [[5, 6], [5]] }, /inputIds: row 1 has 1 columns, expected 2: pad rows/],
  ["a mask of another size", { inputIds: [[5, 6]], attentionMask: [[1]] }, /attentionMask: row 0 has 1 columns/],
  ["fewer masks than rows", { inputIds: [[5], [6]], attentionMask: [[1]] }, /attentionMask has 1 rows, expected 2/],
  ["a mask of halves", { inputIds: [[5, 6]], attentionMask: [[1, 0.5]] }, /row 0, column 1 is 0.5, expected 0 or 1/],
  ["an id that is no integer", { inputIds: [[5, 6.5]] }, /inputIds: row 0, column 1 is 6.5, expected an integer/],
  ["a row of padding", { inputIds: [[5, 6]], attentionMask: [[0, 0]] }, /Sequence 0 has no token/],
];

for (const [what, input, message] of REFUSED)
  test(`refused: ${what}`, (t) => {
    const { liveTensors } = device.memory();
    t.throws(() => model.forward(input as BertInput), { instanceOf: InputError, code: "ERR_INPUT", message });
    t.is(device.memory().liveTensors, liveTensors, "nothing was made");
  });

test("labels are checked", (t) => {
  const input = { inputIds: ints(5, 6), cuSeqlens: ints(0, 1, 2) };
  const refused = (labels: Int32Array | undefined, message: RegExp) =>
    t.throws(() => model.loss({ ...input, labels }), { instanceOf: InputError, message });
  refused(undefined, /labels has no entries, expected an Int32Array with 2/);
  refused(ints(0), /labels has 1 entries/);
  refused(ints(0, 2), /Sequence 1: the label is 2, expected 0 to 1/);
  refused(ints(-1, 0), /Sequence 0: the label is -1/);
});

test("padding on the left keeps positions at their columns, as in Hugging Face", async (t) => {
  const plain = model.forward({ inputIds: [[5, 6, 7]] });
  const right = model.forward({ inputIds: [[5, 6, 7, 0, 0]], attentionMask: [[1, 1, 1, 0, 0]] });
  const left = model.forward({ inputIds: [[0, 0, 5, 6, 7]], attentionMask: [[0, 0, 1, 1, 1]] });
  assertClose(t, "right", await valuesOf(right.logits), await valuesOf(plain.logits), 1e-6);
  t.notDeepEqual(await left.logits.read(), await plain.logits.read());
});

test("sequences do not see each other", async (t) => {
  const alone = await model.forward({ inputIds: [[5, 6, 7]] }).logits.read();
  const together = await model.forward({ inputIds: ints(9, 5, 6, 7, 8, 8), cuSeqlens: ints(0, 1, 4, 6) }).logits.read();
  assertClose(t, "logits", { shape: [2], data: together.slice(2, 4) }, { shape: [2], data: alone }, 1e-6);
});
