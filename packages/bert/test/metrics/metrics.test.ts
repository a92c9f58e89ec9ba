// Metrics against scikit-learn's values (fixtures/metrics.json, made by python/make_metric_fixtures.py) and cases worked out by hand.
import { readFileSync } from "node:fs";
import test from "ava";
import { bootstrapIntervals } from "../../src/metrics/bootstrap.js";
import { calibrationOf } from "../../src/metrics/calibration.js";
import { accuracyOf, confusionMatrix, f1Of, matthewsOf } from "../../src/metrics/confusion.js";
import { evaluateLogits } from "../../src/metrics/evaluate.js";
import { rocAuc } from "../../src/metrics/roc-auc.js";
import { argmax, meanCrossEntropy, softmax } from "../../src/metrics/softmax.js";
import { spreadOf } from "../../src/metrics/spread.js";

interface Case {
  name: string;
  classes: number;
  labels: number[];
  logits: number[];
  accuracy: number;
  f1: number;
  mcc: number;
  rocAuc: number;
  loss: number;
  calibrationError: number;
  confusion: number[][];
}

const fixtures = JSON.parse(readFileSync(new URL("fixtures/metrics.json", import.meta.url), "utf8")) as {
  cases: Case[];
};

for (const expected of fixtures.cases)
  test(`${expected.name}: equal to scikit-learn`, (t) => {
    const got = evaluateLogits(expected.logits, expected.labels, expected.classes);
    t.deepEqual(got.confusion, expected.confusion);
    t.is(got.rows, expected.labels.length);
    for (const key of ["accuracy", "f1", "mcc", "rocAuc", "loss", "calibrationError"] as const) {
      const value = got[key];
      t.true(value !== null && Math.abs(value - expected[key]) <= 1e-12, `${key}: ${value}, expected ${expected[key]}`);
    }
  });

test("ROC-AUC: all scores tied are worth a coin", (t) => {
  t.is(rocAuc([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [0, 1, 1], 2), 0.5);
});

test("ROC-AUC: a perfect and a reversed order", (t) => {
  t.is(rocAuc([0.9, 0.1, 0.2, 0.8], [0, 1], 2), 1);
  t.is(rocAuc([0.9, 0.1, 0.2, 0.8], [1, 0], 2), 0);
});

test("ROC-AUC: not defined when a class does not occur", (t) => {
  t.is(rocAuc([0.9, 0.1, 0.2, 0.8], [1, 1], 2), null);
  t.is(rocAuc([0.9, 0.05, 0.05, 0.2, 0.7, 0.1], [0, 1], 3), null);
});

test("one class, all predicted as it: accuracy 1, MCC 0, F1 by the positive class", (t) => {
  const negatives = confusionMatrix([0, 0, 0], [0, 0, 0], 2);
  t.is(accuracyOf(negatives), 1);
  t.is(matthewsOf(negatives), 0);
  t.is(f1Of(negatives), 0);
  t.is(f1Of(confusionMatrix([1, 1], [1, 1], 2)), 1);
});

test("the confusion matrix has actual classes in rows", (t) => {
  t.deepEqual(confusionMatrix([0, 0, 1], [1, 1, 1], 2), [
    [0, 2],
    [0, 1],
  ]);
});

test("macro F1 leaves out a class that neither occurs nor is predicted", (t) => {
  t.is(f1Of(confusionMatrix([0, 1], [0, 1], 3)), 1);
});

test("calibration: the error of a model that is always sure and half right is a half", (t) => {
  const { error, bins } = calibrationOf([1, 0, 1, 0], [0, 1], [0, 0], 2);
  t.is(error, 0.5);
  t.is(bins.at(-1)?.rows, 2);
});

test("loss and probabilities of huge logits are finite", (t) => {
  t.is(meanCrossEntropy([1000, -1000], [1], 2), 2000);
  t.deepEqual([...softmax([1000, -1000], 2)], [1, 0]);
});

test("the first of equal logits wins, as in argmax", (t) => {
  t.deepEqual([...argmax([1, 1, 0, 2, 5, 5], 3)], [0, 1]);
});

test("bootstrap: same seed, same interval; it surrounds the estimate and has about the binomial's width", (t) => {
  const rows = 400;
  const labels = Int32Array.from({ length: rows }, (_, b) => b % 2);
  const predicted = labels.map((label, b) => (b % 5 === 0 ? 1 - label : label));
  const [first, f1] = bootstrapIntervals(labels, predicted, 2, [accuracyOf, f1Of], { seed: 7 });
  t.deepEqual(bootstrapIntervals(labels, predicted, 2, [accuracyOf], { seed: 7 })[0], first);
  t.notDeepEqual(bootstrapIntervals(labels, predicted, 2, [accuracyOf], { seed: 8 })[0], first);
  t.true(first[0] < 0.8 && 0.8 < first[1]);
  t.true(f1[0] < 0.8 && 0.8 < f1[1]);
  const expected = 2 * 1.96 * Math.sqrt((0.8 * 0.2) / rows);
  t.true(
    Math.abs(first[1] - first[0] - expected) < 0.15 * expected,
    `width ${first[1] - first[0]}, expected ${expected}`,
  );
});

test("bootstrap: nothing wrong, nothing uncertain", (t) => {
  t.deepEqual(bootstrapIntervals([0, 1], [0, 1], 2, [accuracyOf])[0], [1, 1]);
});

test("spread of repeated runs", (t) => {
  t.deepEqual(spreadOf([78.8, 82.5, 81.4]).mean.toFixed(1), "80.9");
  t.deepEqual(spreadOf([78.8, 82.5, 81.4]).deviation.toFixed(1), "1.9");
  t.is(spreadOf([3]).deviation, 0);
});
