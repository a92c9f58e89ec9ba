// The comparator of every numerical test and of the self-test. It cannot be satisfied by NaN, by zeros, or by the right numbers in the wrong places:
// compare.test.ts shows each of them failing.

export type Shape = readonly number[];

/** Numbers with a shape; data in row-major order. */
export interface Values {
  shape: Shape;
  data: ArrayLike<number>;
}

/** How far one array is from another. */
export interface Difference {
  /** ‖actual − expected‖ / ‖expected‖ over the finite elements; 0 when both norms are 0, infinite after a NaN or a wrong infinity. */
  normalized: number;
  /** The largest |actual − expected|. */
  largest: number;
  /** max |expected| over the finite elements, or the magnitude of its terms: what a rounding error is relative to. */
  scale: number;
  /** Elements compared. */
  count: number;
  worst?: { index: number[]; actual: number; expected: number; absolute: number; relative: number };
}

/** What is allowed: both bounds must hold. */
export interface Tolerance {
  normalized: number;
  largest: number;
}

/** Half the distance from 1 to the next number: the largest relative error of rounding to nearest. */
export const UNIT_ROUNDOFF = { f64: 2 ** -53, f32: 2 ** -24, bf16: 2 ** -8, f16: 2 ** -11 } as const;
export type FloatType = keyof typeof UNIT_ROUNDOFF;

/**
 * The floor under every tolerance, in unit roundoffs of the output's type, for n elements times 1 + 1 / √n: a naive run on few elements may be
 * exact by luck. The floor must stay well below what a wrong formula does. An f32 result may have passed through an exp or erf that is
 * off by 2 units; a bf16 or f16 result is allowed the other neighbour of the right value.
 */
export const FLOOR = {
  f64: { normalized: 64, largest: 256 },
  f32: { normalized: 4, largest: 8 },
  bf16: { normalized: 1, largest: 1 },
  f16: { normalized: 1, largest: 1 },
} as const;

/**
 * @param terms magnitude of the numbers that an element is the difference of, for outputs that may be much smaller than those (a
 *   loss near 0 is the difference of two logits): errors are then measured against it where it is larger than the element
 * @throws when the shapes differ, or data has not as many elements as its shape says
 */
export function difference(actual: Values, expected: Values, terms = 0): Difference {
  requireSameShape(actual, expected);
  let errorSquares = 0;
  let expectedSquares = 0;
  let scale = terms;
  let largest = 0;
  let worstAt = -1;
  for (let i = 0; i < expected.data.length; i++) {
    const e = expected.data[i];
    const error = elementError(actual.data[i], e);
    if (Number.isFinite(e)) {
      expectedSquares += e * e;
      scale = Math.max(scale, Math.abs(e));
    }
    errorSquares += error * error;
    if (worstAt < 0 || error > largest) {
      largest = error;
      worstAt = i;
    }
  }
  const norm = Math.max(Math.sqrt(expectedSquares), terms * Math.sqrt(expected.data.length));
  const normalized = errorSquares === 0 ? 0 : Math.sqrt(errorSquares) / norm;
  const worst = worstAt < 0 ? undefined : describeElement(actual, expected, worstAt, largest);
  return { normalized, largest, scale, count: expected.data.length, worst };
}

// Infinite for a NaN on either side and for an infinity that the other side has not, with the same sign.
function elementError(actual: number, expected: number): number {
  if (Number.isNaN(actual) || Number.isNaN(expected)) return Number.POSITIVE_INFINITY;
  if (actual === expected) return 0;
  return Math.abs(actual - expected);
}

/** `factor` times the error of the naive run in the same precision, plus the stated floor. */
export function toleranceFrom(naive: Difference, factor: number, type: FloatType): Tolerance {
  const unit = UNIT_ROUNDOFF[type] * (1 + 1 / Math.sqrt(Math.max(1, naive.count)));
  return {
    normalized: factor * naive.normalized + FLOOR[type].normalized * unit,
    largest: factor * naive.largest + FLOOR[type].largest * unit * naive.scale,
  };
}

export interface Verdict {
  passed: boolean;
  /** One line: the worst element and the bounds. */
  message: string;
  difference: Difference;
}

/** Compares `actual` with `expected` and says where it is worst. `terms` is that of {@link difference}. */
export function compare(actual: Values, expected: Values, tolerance: Tolerance, terms = 0): Verdict {
  if (!(Number.isFinite(tolerance.normalized) && Number.isFinite(tolerance.largest))) {
    throw new Error(
      `a tolerance must be finite, got ${JSON.stringify(tolerance)}: the naive run itself has a NaN or an infinity`,
    );
  }
  const found = difference(actual, expected, terms);
  const passed = found.normalized <= tolerance.normalized && found.largest <= tolerance.largest;
  return { passed, message: describe(found, tolerance), difference: found };
}

/** Every element must be the same number; -0 and 0 are the same. NaN fails here too. */
export function compareExactly(actual: Values, expected: Values): Verdict {
  return compare(actual, expected, { normalized: 0, largest: 0 });
}

function describe(found: Difference, tolerance: Tolerance): string {
  const bounds =
    `normalized error ${scientific(found.normalized)} (allowed ${scientific(tolerance.normalized)}), ` +
    `largest ${scientific(found.largest)} (allowed ${scientific(tolerance.largest)})`;
  if (found.worst === undefined) return `no elements; ${bounds}`;
  const { index, actual, expected, absolute, relative } = found.worst;
  return (
    `${bounds}; worst at [${index.join(", ")}]: got ${actual}, expected ${expected}, ` +
    `absolute error ${scientific(absolute)}, relative ${scientific(relative)}`
  );
}

const scientific = (value: number): string => value.toExponential(2);

function describeElement(actual: Values, expected: Values, at: number, absolute: number) {
  const index: number[] = [];
  let rest = at;
  for (const size of [...expected.shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  const e = expected.data[at];
  const relative = absolute === 0 ? 0 : absolute / Math.abs(e);
  return { index, actual: actual.data[at], expected: e, absolute, relative };
}

function requireSameShape(actual: Values, expected: Values): void {
  const text = (shape: Shape) => `(${shape.join(", ")})`;
  if (text(actual.shape) !== text(expected.shape)) {
    throw new Error(`shape mismatch: got ${text(actual.shape)}, expected ${text(expected.shape)}`);
  }
  for (const [name, values] of Object.entries({ actual, expected })) {
    const size = values.shape.reduce((product, dimension) => product * dimension, 1);
    if (values.data.length !== size) {
      throw new Error(`${name} has ${values.data.length} elements, its shape ${text(values.shape)} says ${size}`);
    }
  }
}
