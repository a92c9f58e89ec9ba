/** Computes the value at `x` and writes the gradient. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

export interface MinimizeOptions {
  /** Stops when no component of the gradient is larger; default 1e-6. */
  tolerance?: number;
  /** Default 1000. */
  maxIterations?: number;
  /** Pairs of steps and gradient changes that approximate the Hessian; default 10. */
  history?: number;
}

export interface Minimum {
  x: Float64Array;
  value: number;
  iterations: number;
  /** Whether the tolerance was met; false also where rounding allows no further descent. */
  converged: boolean;
}

const SUFFICIENT_DECREASE = 1e-4;
const CURVATURE = 0.9;

/**
 * Minimizes a smooth function by L-BFGS (Nocedal & Wright 2006, algorithm 7.4) with a bisecting line search for the weak Wolfe conditions.
 * Gives the event loop a turn after each iteration, so that a server or a progress bar goes on.
 */
export async function minimize(
  objective: Objective,
  start: Float64Array,
  options: MinimizeOptions = {},
): Promise<Minimum> {
  const { tolerance = 1e-6, maxIterations = 1000, history = 10 } = options;
  const n = start.length;
  let x = Float64Array.from(start);
  let gradient = new Float64Array(n);
  let value = objective(x, gradient);
  const pairs: { step: Float64Array; change: Float64Array; product: number }[] = [];

  for (let iterations = 0; ; iterations++) {
    if (largest(gradient) <= tolerance) return { x, value, iterations, converged: true };
    if (iterations === maxIterations) return { x, value, iterations, converged: false };

    const direction = descentDirection(gradient, pairs);
    const found = searchLine(objective, x, value, gradient, direction, pairs.length === 0);
    if (found === undefined) return { x, value, iterations, converged: false };

    const step = new Float64Array(n);
    const change = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      step[i] = found.x[i] - x[i];
      change[i] = found.gradient[i] - gradient[i];
    }
    const product = dot(step, change);
    if (product > 0) {
      pairs.push({ step, change, product });
      if (pairs.length > history) pairs.shift();
    }
    ({ x, value, gradient } = found);
    await new Promise(setImmediate);
  }
}

/** −H g by the two-loop recursion. */
function descentDirection(
  gradient: Float64Array,
  pairs: readonly { step: Float64Array; change: Float64Array; product: number }[],
): Float64Array {
  const direction = gradient.map((g) => -g);
  const weights = new Float64Array(pairs.length);
  for (let k = pairs.length - 1; k >= 0; k--) {
    const { step, change, product } = pairs[k];
    weights[k] = dot(step, direction) / product;
    addScaled(direction, change, -weights[k]);
  }
  const latest = pairs.at(-1);
  if (latest !== undefined) {
    const scale = latest.product / dot(latest.change, latest.change);
    for (let i = 0; i < direction.length; i++) direction[i] *= scale;
  }
  for (let k = 0; k < pairs.length; k++) {
    const { step, change, product } = pairs[k];
    addScaled(direction, step, weights[k] - dot(change, direction) / product);
  }
  return direction;
}

function searchLine(
  objective: Objective,
  x: Float64Array,
  value: number,
  gradient: Float64Array,
  direction: Float64Array,
  first: boolean,
): { x: Float64Array<ArrayBuffer>; value: number; gradient: Float64Array<ArrayBuffer> } | undefined {
  const slope = dot(gradient, direction);
  if (!(slope < 0)) return undefined;
  const nextX = new Float64Array(x.length);
  const nextGradient = new Float64Array(x.length);
  let low = 0;
  let high = Number.POSITIVE_INFINITY;
  // Without a Hessian the gradient's length says nothing about the step's: begin with a step of length at most 1.
  let t = first ? Math.min(1, 1 / Math.sqrt(-slope)) : 1;
  for (let trial = 0; trial < 60; trial++) {
    for (let i = 0; i < x.length; i++) nextX[i] = x[i] + t * direction[i];
    const nextValue = objective(nextX, nextGradient);
    if (!(nextValue <= value + SUFFICIENT_DECREASE * t * slope)) high = t;
    else if (dot(nextGradient, direction) < CURVATURE * slope) low = t;
    else return { x: nextX, value: nextValue, gradient: nextGradient };
    t = high === Number.POSITIVE_INFINITY ? 2 * low : (low + high) / 2;
  }
  return undefined;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function addScaled(into: Float64Array, x: Float64Array, scale: number): void {
  for (let i = 0; i < into.length; i++) into[i] += scale * x[i];
}

function largest(x: Float64Array): number {
  let max = 0;
  for (const value of x) max = Math.max(max, Math.abs(value));
  return max;
}
