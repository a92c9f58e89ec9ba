// The probe's classifier against scikit-learn's (fixtures/probe.json, made by python/make_metric_fixtures.py).
import { readFileSync } from "node:fs";
import test from "ava";
import { minimize } from "../../src/compare/lbfgs.js";
import { fitLogisticRegression, logisticLogits } from "../../src/compare/logistic-regression.js";
import { argmax } from "../../src/metrics/softmax.js";

interface Case {
  name: string;
  classes: number;
  features: number;
  standardize: boolean;
  x: number[];
  labels: number[];
  testX: number[];
  testLabels: number[];
  decisions: number[];
  coefficients: number[];
  accuracy: number;
}

const fixtures = JSON.parse(readFileSync(new URL("fixtures/probe.json", import.meta.url), "utf8")) as { cases: Case[] };

function normalisedError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < expected.length; i++) {
    difference += (got[i] - expected[i]) ** 2;
    norm += expected[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}

for (const expected of fixtures.cases)
  test(`${expected.name}: the same minimum as scikit-learn`, async (t) => {
    const { x, labels, features, classes, standardize } = expected;
    const model = await fitLogisticRegression(x, labels, features, classes, { standardize });
    t.true(model.converged);
    if (!standardize) {
      const error = normalisedError(model.coefficients, expected.coefficients);
      t.true(error < 1e-5, `coefficients: normalised error ${error}`);
    }
    const logits = logisticLogits(model, expected.testX);
    const decisions = classes === 2 ? logits.filter((_, i) => i % 2 === 1) : logits;
    const error = normalisedError(decisions, expected.decisions);
    t.true(error < 1e-5, `decisions: normalised error ${error}`);
    const predicted = argmax(logits, classes);
    const right = expected.testLabels.filter((label, b) => label === predicted[b]).length;
    t.is(right / expected.testLabels.length, expected.accuracy);
  });

test("separable rows: the penalty keeps the coefficients finite", async (t) => {
  const model = await fitLogisticRegression([-1, -2, 1, 2], [0, 0, 1, 1], 1, 2);
  t.true(model.converged);
  t.true(model.coefficients[0] > 0 && model.coefficients[0] < 5);
});

test("a constant feature does no harm when features are standardized", async (t) => {
  const model = await fitLogisticRegression([-1, 7, -2, 7, 1, 7, 2, 7], [0, 0, 1, 1], 2, 2, { standardize: true });
  t.true(model.coefficients.every(Number.isFinite));
});

test("L-BFGS finds the minimum of Rosenbrock's valley", async (t) => {
  const { x, converged } = await minimize(
    (p, gradient) => {
      gradient[0] = -2 * (1 - p[0]) - 400 * p[0] * (p[1] - p[0] ** 2);
      gradient[1] = 200 * (p[1] - p[0] ** 2);
      return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2;
    },
    Float64Array.of(-1.2, 1),
  );
  t.true(converged);
  t.true(Math.abs(x[0] - 1) < 1e-5 && Math.abs(x[1] - 1) < 1e-5, String(x));
});
