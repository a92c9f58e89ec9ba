import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import type { ComparedMethod } from "../../src/compare/methods.js";
import { renderMethods } from "../../src/compare/table.js";
import { SaveError } from "../../src/errors.js";
import { evaluateLogits } from "../../src/metrics/evaluate.js";
import { escapeHtml } from "../../src/report/html.js";
import { barPlot, calibrationPlot, confusionTable, linePlot, shortNumber } from "../../src/report/plots.js";
import { RunFolder } from "../../src/report/run-folder.js";
import { textPlot } from "../../src/report/text-plot.js";
import { writeFileSafely } from "../../src/report/write-file.js";
import { resolveArguments } from "../../src/training/arguments.js";
import type { TrainingEvent, TrainingResult } from "../../src/training/events.js";

const evaluation = evaluateLogits([2, 0, 0, 1, 3, 1, 0, 2], [0, 1, 1, 1], 2);
const result: TrainingResult = {
  rows: 40,
  steps: 10,
  epochs: 2,
  tokens: 700,
  paddedTokens: 1000,
  seconds: 2.5,
  samplesPerSecond: 32,
  tokensPerSecond: 280,
  peakMemoryBytes: 2 ** 28,
  log: [],
  interrupted: false,
};
const step = (number: number, loss: number): TrainingEvent => ({
  type: "step",
  step: number,
  steps: 10,
  epoch: number / 5,
  loss,
  learningRate: 5e-5,
  gradientNorm: 3,
  rows: 8,
  tokens: 90,
  seconds: number,
});
const events: TrainingEvent[] = [
  { type: "notice", level: "warning", code: "ONE_CLASS", message: 'All rows are <"neg">' },
  {
    type: "started",
    args: resolveArguments(),
    rows: 40,
    steps: 10,
    stepsPerEpoch: 5,
    warmupSteps: 0,
    completed: 0,
    parameters: 9,
    trainableParameters: 9,
  },
  step(1, 0.7),
  { type: "log", step: 1, steps: 10, epoch: 0.2, loss: 0.7, learningRate: 5e-5, gradientNorm: 3 },
  ...[2, 3, 4, 5, 6, 7, 8, 9, 10].map((number) => step(number, 0.7 - 0.03 * number)),
  { type: "evaluated", step: 10, epoch: 2, evaluation },
];
const methods: ComparedMethod[] = [
  {
    name: "untrained",
    description: "",
    trainableParameters: 0,
    seconds: 0,
    peakMemoryBytes: 2 ** 27,
    eval: evaluation,
  },
  {
    name: "full",
    description: "",
    trainableParameters: 22_713_986,
    seconds: 12.34,
    peakMemoryBytes: 2 ** 29,
    eval: evaluation,
    seeds: {
      seeds: [1, 2],
      accuracy: { mean: 0.8, deviation: 0.02, values: [0.78, 0.82] },
      f1: { mean: 0.81, deviation: 0.01, values: [] },
      loss: { mean: 0.4, deviation: 0.01, values: [] },
    },
  },
];
const folder = () => mkdtemp(join(tmpdir(), "node-bert-report-"));
const options = {
  title: "imdb & co",
  configuration: resolveArguments({ epochs: 1 }),
  device: { name: "cpu" },
  labelNames: ["neg", "<pos>"],
};

test("a run folder has configuration, environment, metrics and a report, and nothing unfinished", async (t) => {
  const run = await RunFolder.create(await folder(), options);
  for (const event of events) await run.record(event);
  await run.finish({ train: result, evaluation, methods });
  t.deepEqual((await readdir(run.path)).sort(), ["metrics.jsonl", "report.html", "run.json"]);
  const lines = (await readFile(join(run.path, "metrics.jsonl"), "utf8")).trim().split("\n");
  t.deepEqual(
    lines.map((line) => JSON.parse(line).type),
    ["notice", "started", ...new Array(10).fill("step"), "evaluated"],
  );
  const saved = JSON.parse(await readFile(join(run.path, "run.json"), "utf8"));
  t.is(saved.configuration.learningRate, 5e-5);
  t.is(saved.environment.node, process.version);
  t.is(saved.train.tokens, 700);
});

test("the report loads nothing from anywhere, has light and dark colours, and escapes what it shows", async (t) => {
  const run = await RunFolder.create(await folder(), options);
  for (const event of events) await run.record(event);
  await run.finish({ train: result, evaluation });
  const html = await readFile(join(run.path, "report.html"), "utf8");
  t.notRegex(html, /(src|href)=|url\(|@import|<script|https?:/);
  t.regex(html, /prefers-color-scheme: dark/);
  t.true(
    html.includes("imdb &amp; co") &&
      html.includes("&lt;pos&gt;") &&
      html.includes("All rows are &lt;&quot;neg&quot;&gt;"),
  );
  for (const part of [
    "Loss by step",
    "Learning rate by step",
    "Gradient norm",
    "Confusion matrix",
    "calibration error",
    "padding avoided",
  ])
    t.true(html.includes(part), part);
  t.notRegex(html, /NaN|undefined|Infinity/);
});

test("thousands of steps are drawn as a few hundred points, and methods one after another", async (t) => {
  const run = await RunFolder.create(await folder(), options);
  const [, started] = events;
  for (const method of ["last-k", "full"]) {
    await run.record(started, method);
    for (let number = 1; number <= 1000; number++) await run.record(step(number, 1 / number), method);
  }
  await run.finish({ methods });
  const html = await readFile(join(run.path, "report.html"), "utf8");
  t.true(html.includes("<h3>last-k</h3>") && html.includes("<h3>full</h3>"));
  const lines = [...html.matchAll(/<polyline[^>]*points="([^"]*)"/g)].map(([, points]) => points.split(" ").length);
  t.is(lines.length, 6);
  t.true(lines.every((points) => points >= 150 && points <= 300));
  t.regex(html, /untrained head/);
});

test("an unfinished run leaves an earlier one's files alone", async (t) => {
  const path = await folder();
  await writeFile(join(path, "metrics.jsonl"), "earlier\n");
  const run = await RunFolder.create(path, options);
  await run.record(events[2]);
  await run.abandon();
  t.deepEqual(await readdir(path), ["metrics.jsonl"]);
  t.is(await readFile(join(path, "metrics.jsonl"), "utf8"), "earlier\n");
});

test("a file that cannot be written keeps its old content and leaves nothing beside it", async (t) => {
  const path = await folder();
  await writeFile(join(path, "a"), "old");
  await t.throwsAsync(writeFileSafely(join(path, "a"), { not: "text" } as unknown as string), {
    instanceOf: SaveError,
    message: /could not be written.*untouched/,
  });
  t.deepEqual(await readdir(path), ["a"]);
  t.is(await readFile(join(path, "a"), "utf8"), "old");
});

test("a line goes through the right points", (t) => {
  const svg = linePlot("loss", [
    {
      name: "loss",
      points: [
        { x: 0, y: 0 },
        { x: 10, y: 1 },
      ],
    },
  ]);
  t.regex(svg, /points="66\.0,194\.0 398\.0,10\.0"/);
  t.is(linePlot("nothing", [{ name: "loss", points: [{ x: 1, y: Number.NaN }] }]), "");
  t.notRegex(linePlot("one point", [{ name: "loss", points: [{ x: 1, y: 0 }] }]), /NaN/);
});

test("bars, calibration and confusion hold their numbers", (t) => {
  t.regex(barPlot("accuracy", [{ name: "full", value: 0.5, interval: [0.4, 0.6] }]), /width="166"/);
  t.regex(calibrationPlot(evaluation.calibration, evaluation.calibrationError), /circle/);
  t.regex(
    confusionTable(
      [
        [3, 1],
        [0, 4],
      ],
      ["neg", "pos"],
    ),
    /60%, var\(--panel\)\)">4</,
  );
});

test("numbers are short", (t) => {
  t.deepEqual([0, 0.123456, 1234.56, 5e-5, 2e7].map(shortNumber), ["0", "0.1235", "1235", "5.00e-5", "2.00e+7"]);
  t.is(escapeHtml(`<a href="x">'&'</a>`), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
});

test("the table of methods lines up and names the untrained head as what it is", (t) => {
  const lines = renderMethods(methods).trimEnd().split("\n");
  t.is(new Set(lines.map((line) => line.length)).size, 1);
  t.regex(lines[2], /^untrained head +75\.0 % \(/);
  t.regex(lines[3], /^full +80\.0 ± 2\.0 % \(2 seeds\) +81\.0 +0\.400 +22,713,986 +12\.3 +512 MiB$/);
});

test("a resumed run's curve begins where the log does", async (t) => {
  const curveOf = async (log: TrainingResult["log"]) => {
    const run = await RunFolder.create(await folder(), options);
    for (const event of events) if (event.type !== "step" || event.step > 6) await run.record(event);
    await run.finish({ train: { ...result, log } });
    const page = await readFile(join(run.path, "report.html"), "utf8");
    return /Loss by step[\s\S]*?<\/figure>/.exec(page)?.[0] ?? "";
  };
  const entry = (number: number, loss: number) => ({ step: number, loss, learningRate: 5e-5, gradientNorm: 3 });
  const alone = await curveOf([]);
  t.not(alone, "");
  t.not(await curveOf([entry(1, 5.25), entry(5, 4)]), alone);
  t.is(await curveOf([entry(8, 5.25)]), alone, "what the run did itself is not taken from the log");
});

test("a curve as text: a column a mean, the highest and the lowest value named, the last step below", (t) => {
  const points = Array.from({ length: 120 }, (_, i) => ({ x: i + 1, y: 8 - 4 * (i / 119) }));
  const lines = textPlot("loss", points).split("\n");
  t.is(lines[0], "loss");
  t.regex(lines[1], /^ {3}7\.983 │•/);
  t.regex(lines[12], /^ {3}4\.017 │ +•+$/);
  t.regex(lines.at(-1)!, / 120$/);
  t.true(
    lines.slice(1, 13).every((line) => line.includes("•")),
    "every row of a straight line has a point",
  );
  t.is(textPlot("nothing", []), "nothing");
  t.regex(textPlot("one", [{ x: 1, y: 2 }]), /2\.000 │/);
});
