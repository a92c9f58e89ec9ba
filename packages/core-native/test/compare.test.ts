// The comparator must fail on each kind of wrong output.
import test from "ava";
import { Random } from "../src/self-test/random.js";
import {
  compare,
  compareExactly,
  difference,
  type Tolerance,
  toleranceFrom,
  UNIT_ROUNDOFF,
  type Values,
} from "./support/compare.js";
import { randomFor } from "./support/random.js";

const ROWS = 31;
const COLUMNS = 33;
const expected: Values = { shape: [ROWS, COLUMNS], data: randomFor("compare").normal(ROWS * COLUMNS) };
const rounded: Values = { shape: expected.shape, data: Float32Array.from(expected.data) };
const tolerance: Tolerance = toleranceFrom(difference(rounded, expected), 2, "f32");

/** A copy of the correctly rounded values with one change. */
function changed(change: (data: Float32Array) => void): Values {
  const data = Float32Array.from(rounded.data);
  change(data);
  return { shape: rounded.shape, data };
}

function swapRows(data: Float32Array, a: number, b: number): void {
  const row = data.slice(a * COLUMNS, (a + 1) * COLUMNS);
  data.copyWithin(a * COLUMNS, b * COLUMNS, (b + 1) * COLUMNS);
  data.set(row, b * COLUMNS);
}

test("the right values pass", (t) => {
  const verdict = compare(rounded, expected, tolerance);
  t.true(verdict.passed, verdict.message);
  t.true(verdict.difference.normalized > 0, "rounding leaves an error");
  t.true(verdict.difference.normalized < UNIT_ROUNDOFF.f32);
});

const WRONG: Record<string, (data: Float32Array) => void> = {
  "one wrong element": (data) => {
    data[500] += 1e-5;
  },
  "one element with the wrong sign": (data) => {
    data[77] = -data[77];
  },
  "one NaN": (data) => {
    data[123] = Number.NaN;
  },
  "all NaN": (data) => {
    data.fill(Number.NaN);
  },
  "one infinity": (data) => {
    data[0] = Number.POSITIVE_INFINITY;
  },
  "two swapped rows": (data) => swapRows(data, 3, 4),
  "all zero": (data) => {
    data.fill(0);
  },
  "a last element that was not written": (data) => {
    data[data.length - 1] = 12345;
  },
  transposed: (data) => {
    const original = data.slice();
    for (let i = 0; i < data.length; i++) data[i] = original[(i % ROWS) * COLUMNS + Math.floor(i / ROWS)];
  },
  "everything scaled by 1 + 1e-6": (data) => {
    for (let i = 0; i < data.length; i++) data[i] *= 1 + 1e-6;
  },
};

for (const [name, change] of Object.entries(WRONG)) {
  test(`${name} fails`, (t) => {
    t.false(compare(changed(change), expected, tolerance).passed);
  });
}

test("a transposed shape is a mismatch", (t) => {
  const transposed = { shape: [COLUMNS, ROWS], data: rounded.data };
  t.throws(() => compare(transposed, expected, tolerance), {
    message: "shape mismatch: got (33, 31), expected (31, 33)",
  });
});

test("data shorter than its shape is refused", (t) => {
  const short = { shape: expected.shape, data: new Float32Array(5) };
  t.throws(() => compare(short, expected, tolerance), {
    message: /actual has 5 elements, its shape \(31, 33\) says 1023/,
  });
});

test("the worst element is named", (t) => {
  const wrong = changed((data) => {
    data[2 * COLUMNS + 7] = 100;
  });
  const { worst, normalized } = compare(wrong, expected, tolerance).difference;
  t.deepEqual(worst?.index, [2, 7]);
  t.is(worst?.actual, 100);
  t.is(worst?.expected, expected.data[2 * COLUMNS + 7]);
  t.true(normalized > 1);
  t.regex(compare(wrong, expected, tolerance).message, /worst at \[2, 7\]: got 100, expected /);
});

test("NaN fails even where NaN is expected", (t) => {
  const nan = { shape: [2], data: [1, Number.NaN] };
  t.false(compare(nan, nan, { normalized: 1, largest: 1 }).passed);
});

test("infinities must match in sign", (t) => {
  const plus = { shape: [2], data: [1, Number.POSITIVE_INFINITY] };
  const minus = { shape: [2], data: [1, Number.NEGATIVE_INFINITY] };
  t.true(compareExactly(plus, plus).passed);
  t.false(compare(minus, plus, { normalized: 1e9, largest: 1e9 }).passed);
  t.false(compare({ shape: [2], data: [1, 1e30] }, plus, { normalized: 1e9, largest: 1e38 }).passed);
});

test("anything but zero fails where zeros are expected exactly", (t) => {
  const zeros = { shape: [3], data: [0, 0, 0] };
  t.true(compareExactly(zeros, zeros).passed);
  t.false(compare({ shape: [3], data: [0, 1e-300, 0] }, zeros, { normalized: 1e9, largest: 0 }).passed);
});

test("an error is relative to the terms of a difference where they are given", (t) => {
  const expected = { shape: [2], data: [1e-6, -1e-6] }; // such as 5.000001 - 5
  const actual = { shape: [2], data: [1.3e-6, -1e-6] };
  const naive = difference(expected, expected);
  t.false(compare(actual, expected, toleranceFrom(naive, 2, "f32")).passed);
  const terms = 5;
  const withTerms = toleranceFrom(difference(expected, expected, terms), 2, "f32");
  t.true(compare(actual, expected, withTerms, terms).passed);
  const wrong = { shape: [2], data: [1e-6, 1e-5] };
  t.false(compare(wrong, expected, withTerms, terms).passed);
});

test("a tolerance from a naive run with NaN is refused", (t) => {
  const naive = difference({ shape: [1], data: [Number.NaN] }, { shape: [1], data: [1] });
  t.throws(() => compare(rounded, expected, toleranceFrom(naive, 2, "f32")), { message: /a tolerance must be finite/ });
});

test("no elements compare equal", (t) => {
  const empty = { shape: [0, 4], data: [] };
  t.true(compare(empty, empty, tolerance).passed);
});

test("equal seeds and names give equal numbers, other names others", (t) => {
  t.deepEqual(new Random("a", 1).normal(8), new Random("a", 1).normal(8));
  t.notDeepEqual(new Random("a", 1).normal(8), new Random("b", 1).normal(8));
  t.notDeepEqual(new Random("a", 1).normal(8), new Random("a", 2).normal(8));
});
