import { type MinimizeOptions, minimize } from "./lbfgs.js";

export interface LogisticRegressionOptions extends MinimizeOptions {
  /** Inverse strength of the L2 penalty; default 1. */
  C?: number;
  /** Scale each feature to mean 0 and variance 1 over the rows fitted (they are kept in the model); default false. */
  standardize?: boolean;
}

/** Of the gradient of the mean loss; scikit-learn stops at 1e-4. */
const TOLERANCE = 1e-7;

/** A fitted classifier of feature vectors. */
export interface LogisticRegression {
  classes: number;
  features: number;
  /** (K, F): K is 1 for two classes, where it is the second's against the first's, else C. Of the features as given, unscaled. */
  coefficients: Float64Array;
  /** (K) */
  intercepts: Float64Array;
  iterations: number;
  converged: boolean;
}

/**
 * L2-regularized logistic regression in float64, the minimum that scikit-learn's `LogisticRegression` finds:
 * C · Σ −log p(label) + ½ ‖coefficients‖², the intercepts not penalized, the softmax over all classes when there are more than two.
 * @param x (B, F) row-major
 * @param labels (B) below `classes`
 */
export async function fitLogisticRegression(
  x: ArrayLike<number>,
  labels: ArrayLike<number>,
  features: number,
  classes: number,
  options: LogisticRegressionOptions = {},
): Promise<LogisticRegression> {
  const { C = 1, standardize = false } = options;
  const rows = labels.length;
  const { centre, scale } = standardize ? moments(x, rows, features) : identity(features);
  const scaled = new Float64Array(rows * features);
  for (let b = 0; b < rows; b++)
    for (let f = 0; f < features; f++) scaled[b * features + f] = (x[b * features + f] - centre[f]) * scale[f];

  const outputs = classes === 2 ? 1 : classes;
  const stride = features + 1;
  const scores = new Float64Array(outputs);
  // The objective divided by C · B, so that the tolerance means the same for few rows and many.
  const penalty = 1 / (C * rows);
  const found = await minimize(
    (parameters, gradient) => {
      let value = 0;
      gradient.fill(0);
      for (let b = 0; b < rows; b++) {
        const row = b * features;
        for (let k = 0; k < outputs; k++) {
          let score = parameters[k * stride + features];
          for (let f = 0; f < features; f++) score += parameters[k * stride + f] * scaled[row + f];
          scores[k] = score;
        }
        value += (outputs === 1 ? binaryLoss(scores, labels[b]) : softmaxLoss(scores, labels[b])) / rows;
        for (let k = 0; k < outputs; k++) {
          const slope = scores[k] / rows;
          for (let f = 0; f < features; f++) gradient[k * stride + f] += slope * scaled[row + f];
          gradient[k * stride + features] += slope;
        }
      }
      for (let k = 0; k < outputs; k++)
        for (let f = 0; f < features; f++) {
          const weight = parameters[k * stride + f];
          value += 0.5 * penalty * weight * weight;
          gradient[k * stride + f] += penalty * weight;
        }
      return value;
    },
    new Float64Array(outputs * stride),
    { tolerance: TOLERANCE, ...options },
  );

  const coefficients = new Float64Array(outputs * features);
  const intercepts = new Float64Array(outputs);
  for (let k = 0; k < outputs; k++) {
    intercepts[k] = found.x[k * stride + features];
    for (let f = 0; f < features; f++) {
      const weight = found.x[k * stride + f] * scale[f];
      coefficients[k * features + f] = weight;
      intercepts[k] -= weight * centre[f];
    }
  }
  const { iterations, converged } = found;
  return { classes, features, coefficients, intercepts, iterations, converged };
}

/** Logits, whose softmax are the probabilities. @param x (B, F) @returns (B, C) */
export function logisticLogits(model: LogisticRegression, x: ArrayLike<number>): Float64Array {
  const { classes, features, coefficients, intercepts } = model;
  const rows = x.length / features;
  const logits = new Float64Array(rows * classes);
  for (let b = 0; b < rows; b++)
    for (let k = 0; k < intercepts.length; k++) {
      let score = intercepts[k];
      for (let f = 0; f < features; f++) score += coefficients[k * features + f] * x[b * features + f];
      logits[b * classes + (classes === 2 ? 1 : k)] = score;
    }
  return logits;
}

/** Turns the score of class 1 into the derivative of the loss by it. @returns the loss */
function binaryLoss(scores: Float64Array, label: number): number {
  const signed = label === 1 ? scores[0] : -scores[0];
  // log(1 + e^−s) without overflow.
  const loss = signed > 0 ? Math.log1p(Math.exp(-signed)) : -signed + Math.log1p(Math.exp(signed));
  scores[0] = 1 / (1 + Math.exp(-scores[0])) - label;
  return loss;
}

/** Turns scores into the derivatives of the loss by them. @returns the loss */
function softmaxLoss(scores: Float64Array, label: number): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const score of scores) largest = Math.max(largest, score);
  const own = scores[label];
  let sum = 0;
  for (let k = 0; k < scores.length; k++) {
    scores[k] = Math.exp(scores[k] - largest);
    sum += scores[k];
  }
  for (let k = 0; k < scores.length; k++) scores[k] /= sum;
  scores[label] -= 1;
  return Math.log(sum) + largest - own;
}

function identity(features: number): { centre: Float64Array; scale: Float64Array } {
  return { centre: new Float64Array(features), scale: new Float64Array(features).fill(1) };
}

/** Means and inverse standard deviations (n); a constant feature keeps its scale, as `StandardScaler` has it. */
function moments(x: ArrayLike<number>, rows: number, features: number): { centre: Float64Array; scale: Float64Array } {
  const { centre, scale } = identity(features);
  for (let f = 0; f < features; f++) {
    for (let b = 0; b < rows; b++) centre[f] += x[b * features + f] / rows;
    let variance = 0;
    for (let b = 0; b < rows; b++) variance += (x[b * features + f] - centre[f]) ** 2 / rows;
    if (variance > 0) scale[f] = 1 / Math.sqrt(variance);
  }
  return { centre, scale };
}
