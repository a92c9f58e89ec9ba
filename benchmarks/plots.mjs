// The plots of benchmarks/README.md, as SVG, from the results: rates of contenders side by side, and how cost grows.
import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

const WIDTH = 720;

/** @returns of each plot the name of its file, without .svg, and its text */
export function drawPlots(results) {
  return new Map(
    results.flatMap((result) => {
      if (result.benchmark === "growth") return [[result.name, drawGrowth(result)]];
      if (result.benchmark === "training" || result.benchmark === "inference")
        return [[result.name, drawRates(result)]];
      return [];
    }),
  );
}

/** A bar for each contender with its range from the 10th to the 90th percentile. */
function drawRates({ contenders }) {
  const rates = contenders.map(({ name, samplesPerSecond: { median, p10, p90 } }) => ({ name, median, p10, p90 }));
  return draw({
    height: 40 + 26 * rates.length,
    marginLeft: 150,
    x: { label: "sequences/s", grid: true },
    y: { label: null, domain: rates.map(({ name }) => name) },
    color: { domain: ["node-bert", "others"], range: ["#2a6fdb", "#b8bec9"] },
    marks: [
      Plot.barX(rates, {
        x: "median",
        y: "name",
        fill: ({ name }) => (name.startsWith("node-bert") ? "node-bert" : "others"),
      }),
      Plot.ruleY(rates, { x1: "p10", x2: "p90", y: "name", stroke: "#222" }),
      Plot.ruleX([0]),
    ],
  });
}

/** Rates over what grows, a line for each kind of work; of memory, resident memory over steps. */
function drawGrowth({ workload, contenders, memory }) {
  if (memory !== undefined) {
    const points = memory.map(({ step, bytes }) => ({ step, mebibytes: bytes / 2 ** 20 }));
    return draw({
      height: 260,
      x: { label: "step" },
      y: {
        label: "MiB resident",
        grid: true,
        domain: [0, Math.max(...points.map(({ mebibytes }) => mebibytes)) * 1.1],
      },
      marks: [Plot.line(points, { x: "step", y: "mebibytes", stroke: "#2a6fdb" })],
    });
  }
  const points = contenders.map(({ series, value, tokensPerSecond: { median, p10, p90 } }) => ({
    series,
    value,
    median,
    p10,
    p90,
  }));
  return draw({
    height: 300,
    marginRight: 80,
    x: { type: "log", label: workload.what, ticks: [...new Set(points.map(({ value }) => value))], tickFormat: String },
    y: { label: "tokens/s", grid: true, zero: true },
    marks: [
      Plot.ruleX(points, { x: "value", y1: "p10", y2: "p90", stroke: "series" }),
      Plot.line(points, { x: "value", y: "median", stroke: "series" }),
      Plot.dot(points, { x: "value", y: "median", fill: "series" }),
      Plot.text(
        points,
        Plot.selectLast({ x: "value", y: "median", z: "series", text: "series", textAnchor: "start", dx: 8 }),
      ),
    ],
  });
}

/** Plot numbers classes and markers as it goes, and files must be the same every time: the class is given, and there are no markers. */
function draw(options) {
  const { document } = parseHTML("<html></html>");
  const svg = Plot.plot({
    width: WIDTH,
    marginLeft: 60,
    style: { background: "white" },
    ...options,
    className: "plot",
    document,
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${svg.outerHTML}\n`;
}
