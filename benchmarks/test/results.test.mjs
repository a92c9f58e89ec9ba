import test from "ava";
import { fingerprint, processorClass } from "../lib/fingerprint.mjs";
import { problemsOf } from "../lib/results.mjs";
import { quantile, summarize } from "../lib/statistics.mjs";
import { render } from "../render.mjs";

const rate = () => ({ n: 3, median: 2, p10: 1, p90: 3 });

function completeResult() {
  return {
    benchmark: "training",
    date: "2026-01-01",
    fingerprint: { ...fingerprint({ torch: "2.13.0" }), commit: "0123456789ab" },
    loadBefore: 0,
    workload: { model: "BERT", layers: 1, hiddenSize: 8, rows: "rows", batchSize: 8, length: 128, dropout: 0.1 },
    check: { passed: true, what: "losses", worst: { "node-bert-fp32": 1e-6 } },
    contenders: [
      {
        name: "node-bert-fp32",
        settings: [],
        samplesPerSecond: rate(),
        secondsPerStep: rate(),
        peakMemoryBytes: 2 ** 30,
      },
    ],
    ratios: [
      { of: "node-bert-fp32", against: "pytorch-bf16", samplesPerSecond: { n: 3, median: 1.25, p10: 1.2, p90: 1.3 } },
    ],
  };
}

test("a complete result is kept", (t) => {
  t.deepEqual(problemsOf(completeResult()), []);
});

const DAMAGES = {
  "no commit": (result) => delete result.fingerprint.commit,
  "no fingerprint": (result) => delete result.fingerprint,
  "no instruction sets": (result) => delete result.fingerprint.instructionSets,
  "no spread": (result) => delete result.contenders[0].samplesPerSecond.p90,
  "a NaN": (result) => {
    result.contenders[0].samplesPerSecond = { ...rate(), median: Number.NaN };
  },
  "quantiles out of order": (result) => {
    result.contenders[0].samplesPerSecond = { ...rate(), p10: 9 };
  },
  "no contender": (result) => {
    result.contenders = [];
  },
  "unchecked answers": (result) => {
    result.check.passed = false;
  },
};

for (const [name, damage] of Object.entries(DAMAGES)) {
  test(`a result is refused: ${name}`, (t) => {
    const result = completeResult();
    damage(result);
    t.not(problemsOf(result).length, 0);
  });
}

test("quantiles interpolate as numpy's do", (t) => {
  t.is(quantile([4, 1, 3, 2], 0.5), 2.5);
  t.is(quantile([1, 2, 3, 4, 5], 0.1), 1.4);
  t.deepEqual(summarize([7]), { n: 1, median: 7, p10: 7, p90: 7 });
  t.throws(() => quantile([], 0.5));
});

test("processor classes go by instruction sets, not by names", (t) => {
  t.is(processorClass({ instructionSets: ["avx2", "avx512f", "avx512_bf16", "amx_bf16"] }), "amx");
  t.is(processorClass({ instructionSets: ["avx2", "avx512f", "avx512_bf16"] }), "avx512-bf16");
  t.is(processorClass({ instructionSets: ["avx2", "avx512f"] }), "avx512");
  t.is(processorClass({ instructionSets: ["avx2"] }), "avx2");
});

test("a startup result is kept, and its times are on the page", (t) => {
  const seconds = { n: 3, median: 0.4, p10: 0.35, p90: 0.45 };
  const contenders = [
    { name: "bert predict", samplesPerSecond: rate(), wallSeconds: seconds, processorSeconds: seconds },
  ];
  const workload = { model: "BERT", text: "a text" };
  const result = { ...completeResult(), benchmark: "startup", workload, contenders };
  t.deepEqual(problemsOf(result), []);
  t.regex(render([{ name: "startup", ...result }]), /bert predict \| 0\.400 \(0\.350–0\.450\)/);
});

test("the page holds the figures and refuses a benchmark it does not know", (t) => {
  const page = render([{ name: "training-8x128", ...completeResult() }]);
  t.regex(page, /1\.25 \(1\.20–1\.30\)× the rate of pytorch-bf16/);
  t.regex(page, /2\.00 \(1\.00–3\.00\)/);
  t.regex(page, /0123456789ab/);
  t.regex(render([]), /Not measured yet/);
  t.throws(() => render([{ name: "x", ...completeResult(), benchmark: "x" }]), { message: /no renderer/ });
});
