// The suite around the measurements: questions, bars, comparison, limits, plots and what is written of them.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { BARS, measureBar, renderBars } from "../bars.mjs";
import { compareResults, obstacles } from "../compare.mjs";
import { countsOfSteps, makeRows } from "../growth/rows.mjs";
import { fingerprint, root } from "../lib/fingerprint.mjs";
import { problemsOf } from "../lib/results.mjs";
import { summarize } from "../lib/statistics.mjs";
import { bestOf, flopsOf, linearLayers, productSeconds } from "../limits/step.mjs";
import { drawPlots } from "../plots.mjs";
import { QUESTIONS, QUICK } from "../questions.mjs";
import { render } from "../render.mjs";

const BASE = { layers: 12, hiddenSize: 768, intermediateSize: 3072, batchSize: 8, length: 128 };

function contender(name, seconds, latency = seconds) {
  return {
    name,
    settings: ["defaults"],
    samplesPerSecond: summarize(seconds.map((each) => 8 / each)),
    secondsPerBatch: summarize(latency),
    secondsPerStep: summarize(seconds),
    peakMemoryBytes: 2 ** 30,
    rounds: seconds,
  };
}

function result(name, contenders, more = {}) {
  return {
    name,
    benchmark: name.split("-")[0],
    date: "2026-01-01",
    fingerprint: { ...fingerprint({ it: "1" }), commit: "0123456789ab" },
    loadBefore: 0,
    workload: { model: "BERT", rows: "rows", ...BASE, threads: 2, rounds: 3, stepsPerRound: 1, secondsPerRound: 1 },
    check: { passed: true, what: "all", worst: Object.fromEntries(contenders.map((each) => [each.name, 1e-6])) },
    contenders,
    ratios: [],
    ...more,
  };
}

const table = (head, rows) => [head, ...rows].map((cells) => cells.join(" | ")).join("\n");
const barOf = (work) => BARS.find((bar) => bar.work.startsWith(work));

test("a ratio is of our fastest and the peer's fastest, in the same rounds", (t) => {
  const ours = [contender("node-bert-fp32", [4, 4, 4]), contender("node-bert-bf16", [1, 1, 2])];
  const peers = [contender("pytorch-fp32", [9, 9, 9]), contender("pytorch-bf16", [2, 2, 4])];
  const known = result("training-8x128-avx512", [...ours, ...peers]);
  const find = (name) => (name === known.name ? known : undefined);
  t.deepEqual(measureBar(barOf("fine-tuning BERT-base"), "avx512", find), { value: 2, reached: true });
  t.is(measureBar(barOf("fine-tuning BERT-base"), "amx", find), undefined);
});

test("a bar over several workloads takes the worst, and is not measured while one is missing", (t) => {
  const at = (length, ours) =>
    result(`inference-base-1x${length}-amx`, [contender("node-bert-fp32", [ours]), contender("pytorch-fp32", [1])]);
  const find = (all) => (name) => all.find((each) => each.name === name);
  const bar = barOf("latency");
  t.is(measureBar(bar, "amx", find([at(128, 0.4)])), undefined);
  t.deepEqual(measureBar(bar, "amx", find([at(128, 0.4), at(16, 0.6)])), { value: 0.6, reached: false });
  t.deepEqual(measureBar(bar, "avx512", find([])), undefined);
});

test("what has no bar is reported", (t) => {
  const seconds = (name, median) => ({ name, seconds: { median } });
  const frozen = {
    contenders: [seconds("pytorch, every epoch", 6), seconds("node-bert, features once and a probe", 2)],
  };
  const bar = barOf("features once");
  t.deepEqual(
    measureBar(bar, "amx", () => frozen),
    { value: 3 },
  );
  t.is(
    measureBar(bar, "amx", () => undefined),
    undefined,
  );
  t.regex(
    renderBars([{ ...frozen, name: "frozen-amx" }], table),
    /features once.* \| reported \| 3\.00× \| reported \| not measured here \| not measured here/,
  );
});

test("the table has every bar, and says what was not measured", (t) => {
  const text = renderBars([], table);
  t.is(text.split("not measured here").length - 1, 3 * BARS.length);
  t.regex(text, /≥ 3\.00× \(4\.00×\)/);
  t.regex(text, /≤ 0\.70 \(0\.60\)/);
});

test("slower is what is beyond noise, and only that", (t) => {
  const rates = (...values) => ({ name: "it", samplesPerSecond: summarize(values) });
  const verdict = (before, after) => compareResults({ contenders: [before] }, { contenders: [after] })[0].verdict;
  t.is(verdict(rates(10, 10.1, 10.2), rates(8, 8.1, 8.2)), "slower");
  t.is(verdict(rates(8, 8.1, 8.2), rates(10, 10.1, 10.2)), "faster");
  t.is(verdict(rates(5, 10, 15), rates(6, 8, 12)), "within noise");
  t.is(verdict(rates(10, 10, 10), rates(9.9, 9.9, 9.9)), "same");
});

test("different work is not compared; a different machine is said", (t) => {
  const one = result("training-8x128-amx", [contender("node-bert-fp32", [1])]);
  const { name: _name, ...other } = structuredClone(one);
  t.deepEqual(obstacles(one, other), { refused: [], warnings: [] });
  t.is(obstacles(one, { ...other, workload: { ...other.workload, length: 512 } }).refused.length, 1);
  t.is(obstacles(one, { ...other, fingerprint: { ...other.fingerprint, cpu: "another" } }).warnings.length, 1);
  t.not(obstacles(one, { ...other, check: undefined }).refused.length, 0);
});

test("a step of BERT-base at 8 × 128 has 0.52 TFLOP in its linear layers", (t) => {
  const shapes = linearLayers(BASE);
  t.is(Math.round(flopsOf(shapes) / 1e10), 52);
  const best = bestOf([
    shapes.map(() => ({ forward: 3, "input gradient": 1 })),
    shapes.map(() => ({ forward: 2, "input gradient": 5 })),
  ]);
  t.deepEqual(best[0], { forward: 2, "input gradient": 1 });
  t.is(productSeconds(shapes, best), 4 * 12 * 3);
});

test("growth: rows of their lengths, parts of all steps", (t) => {
  const rows = makeRows(3, (row) => row + 1, 4096);
  t.deepEqual([...rows.cuSeqlens], [0, 1, 3, 6]);
  t.true(rows.inputIds.every((id) => id >= 1996 && id < 4096));
  t.deepEqual(countsOfSteps([1, 2, 3, 4, 5], 2), [
    { steps: 3, seconds: 6 },
    { steps: 2, seconds: 9 },
  ]);
  t.is(countsOfSteps([1, 2], 10).length, 2);
});

test("every question has its program", (t) => {
  for (const { script } of [...Object.values(QUESTIONS), ...Object.values(QUICK)])
    t.true(existsSync(join(root, "benchmarks", script)), script);
  t.true(Object.values(QUICK).reduce((sum, { minutes }) => sum + minutes, 0) <= 5);
  for (const { flags } of Object.values(QUICK)) t.true(flags.includes("--no-save"));
});

test("every program can be read by this Node", (t) => {
  const folder = join(root, "benchmarks");
  const programs = readdirSync(folder, { recursive: true }).filter((file) => /^[^/]+\/(?:[^/]+)\.mjs$/.test(file));
  const own = programs.filter((file) => !/^(lib|test|tokenizer|node_modules)\//.test(file));
  t.true(own.length > 20);
  for (const file of own) {
    const { status, stderr } = spawnSync(process.execPath, ["--check", join(folder, file)], { encoding: "utf8" });
    t.is(status, 0, stderr);
  }
});

test("an int8 result needs its runs", (t) => {
  const runs = [{ seed: 1, fp32: 0.86, int8: 0.857, pointsLost: 0.3 }];
  const { contenders: _none, ...kept } = result("int8-amx", [], { runs, pointsLost: summarize([0.3]) });
  kept.workload = { model: "MiniLM", rows: "rows", maxLength: 256 };
  t.deepEqual(problemsOf(kept), []);
  t.not(problemsOf({ ...kept, runs: [] }).length, 0);
  t.regex(render([kept]), /1 \| 86\.00 \| 85\.70 \| 0\.30/);
});

test("plots are drawn from the figures, the same every time, and the page shows them", (t) => {
  const rates = result("inference-base-8x128-amx", [
    contender("node-bert-fp32", [1, 2]),
    contender("pytorch-fp32", [3, 4]),
  ]);
  const rate = (series, value) => ({
    name: `${series} ${value}`,
    series,
    value,
    samplesPerSecond: summarize([value]),
    tokensPerSecond: summarize([value]),
  });
  const growth = result("growth-batch-amx", [], { contenders: [1, 2].flatMap((value) => [rate("inference", value)]) });
  growth.workload = { ...growth.workload, what: "batch", precision: "bf16" };
  const memory = result("growth-memory-amx", [rate("training", 100)], {
    memory: [
      { step: 100, bytes: 1e8 },
      { step: 200, bytes: 1e8 },
    ],
    grownBytes: 0,
  });
  memory.workload = { ...memory.workload, what: "memory", precision: "bf16" };
  const all = [growth, memory, rates];
  const plots = drawPlots(all);
  t.deepEqual([...plots.keys()].sort(), ["growth-batch-amx", "growth-memory-amx", "inference-base-8x128-amx"]);
  for (const svg of plots.values()) t.regex(svg, /^<svg [^>]*xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
  t.regex(plots.get("inference-base-8x128-amx"), /node-bert-fp32/);
  t.deepEqual(drawPlots(all), plots);
  const page = render(all);
  for (const name of plots.keys()) t.true(page.includes(`plots/${name}.svg`));
});

test("a frozen encoder's ways are compared with the notebook's", (t) => {
  const way = (name, seconds) => ({ ...contender(name, [1]), seconds: summarize([seconds]) });
  const frozen = result("frozen-amx", [
    way("pytorch, every epoch", 90),
    way("node-bert, features once and a probe", 9),
  ]);
  frozen.workload = { ...frozen.workload, epochs: 3 };
  t.regex(render([frozen]), /features once and a probe \| defaults \| 9\.0 \(9\.0–9\.0\) \| 10\.0×/);
});

test("limits are on the page as shares", (t) => {
  const share = summarize([0.81]);
  const limits = result("limits-8x128-amx", [contender("node-bert-bf16", [0.9])], {
    bandwidth: 3e10,
    products: [{ precision: "bf16", productSeconds: 0.73, flopsPerStep: 5.2e11, flopsPerSecond: 7e11, share }],
    sweeps: [{ name: "AdamW, fp32", parameters: 1.1e8, seconds: share, bytesPerSecond: summarize([2.7e10]), share }],
  });
  t.regex(render([limits]), /0\.52 TFLOP at 700 GFLOP\/s: 0\.730 s \| 81 %/);
  t.regex(render([limits]), /27\.0 GB\/s of 30\.0 GB\/s \| 81 %/);
});
