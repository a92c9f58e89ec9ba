// Plots as inline SVG. Colours are classes that the page's style gives for light and dark.
import type { Interval } from "../metrics/bootstrap.js";
import type { CalibrationBin } from "../metrics/calibration.js";
import type { ConfusionMatrix } from "../metrics/confusion.js";
import { escapeHtml } from "./html.js";

export interface Series {
  name: string;
  points: readonly { x: number; y: number }[];
}

const WIDTH = 420;
const HEIGHT = 220;
const LEFT = 66;
const RIGHT = 22;
const TOP = 10;
const BOTTOM = 26;

/** Lines over steps. At most two series; points that are not finite are left out. */
export function linePlot(title: string, series: readonly Series[]): string {
  const drawn = series.map(({ name, points }) => ({ name, points: points.filter((p) => Number.isFinite(p.y)) }));
  const all = drawn.flatMap(({ points }) => points);
  if (all.length === 0) return "";
  const x = axis(all.map((p) => p.x));
  const y = axis([0, ...all.map((p) => p.y)]);
  const place = (p: { x: number; y: number }): string => `${toX(p.x, x).toFixed(1)},${toY(p.y, y).toFixed(1)}`;
  const marks = drawn.map(({ name, points }, i) => {
    const color = i === 0 ? "first" : "second";
    const line = points.length > 1 ? `<polyline class="line ${color}" points="${points.map(place).join(" ")}"/>` : "";
    const dots =
      points.length > 40
        ? ""
        : points
            .map((p) => {
              const [cx, cy] = place(p).split(",");
              const tip = escapeHtml(`${name}, step ${p.x}: ${shortNumber(p.y)}`);
              return `<circle class="dot ${color}" cx="${cx}" cy="${cy}" r="3"><title>${tip}</title></circle>`;
            })
            .join("");
    return line + dots;
  });
  const key =
    drawn.length < 2
      ? ""
      : `<div class="key">${drawn.map(({ name }, i) => `<b class="${i === 0 ? "first" : "second"}">—</b> ${escapeHtml(name)}`).join(" &nbsp; ")}</div>`;
  return figure(title, `${frame(x, y)}${marks.join("")}`, key);
}

/** Accuracy against confidence; a calibrated model lies on the dashed diagonal. Dots are as large as their bins are full. */
export function calibrationPlot(bins: readonly CalibrationBin[], error: number): string {
  const unit = { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1] };
  const most = Math.max(1, ...bins.map((bin) => bin.rows));
  const dots = bins
    .filter((bin) => bin.rows > 0)
    .map((bin) => {
      const tip = `rows: ${bin.rows}, mean confidence ${shortNumber(bin.confidence)}, accuracy ${shortNumber(bin.accuracy)}`;
      const [cx, cy] = [toX(bin.confidence, unit).toFixed(1), toY(bin.accuracy, unit).toFixed(1)];
      return `<circle class="dot first" cx="${cx}" cy="${cy}" r="${(3 + 6 * Math.sqrt(bin.rows / most)).toFixed(1)}"><title>${escapeHtml(tip)}</title></circle>`;
    });
  const diagonal = `<line class="dashed" x1="${toX(0, unit)}" y1="${toY(0, unit)}" x2="${toX(1, unit)}" y2="${toY(1, unit)}"/>`;
  return figure(
    `Accuracy by confidence (expected calibration error ${shortNumber(error)})`,
    frame(unit, unit) + diagonal + dots.join(""),
  );
}

/** One bar for each name, with its interval. Values are shares from 0 to 1. */
export function barPlot(title: string, bars: readonly { name: string; value: number; interval?: Interval }[]): string {
  const unit = { low: 0, high: 1, ticks: [0, 0.25, 0.5, 0.75, 1] };
  const row = (HEIGHT - TOP - BOTTOM) / Math.max(1, bars.length);
  const marks = bars.map(({ name, value, interval }, i) => {
    const top = TOP + i * row;
    const middle = top + row / 2;
    const whisker =
      interval === undefined
        ? ""
        : `<line class="whisker" x1="${toX(interval[0], unit)}" y1="${middle}" x2="${toX(interval[1], unit)}" y2="${middle}"/>`;
    const width = Math.max(0, toX(value, unit) - LEFT);
    return `<rect class="bar first" x="${LEFT}" y="${top + row * 0.2}" width="${width}" height="${row * 0.6}"><title>${escapeHtml(`${name}: ${shortNumber(value)}`)}</title></rect>${whisker}<text x="${LEFT - 6}" y="${middle + 4}" text-anchor="end">${escapeHtml(name)}</text>`;
  });
  const ticks = unit.ticks.map((tick) => verticalTick(tick, unit, `${100 * tick} %`)).join("");
  return figure(title, ticks + marks.join(""));
}

/** Counts, darker where more of the actual class's rows lie. */
export function confusionTable(confusion: ConfusionMatrix, names: readonly string[]): string {
  const head = names.map((name) => `<th>${escapeHtml(name)}</th>`).join("");
  const rows = confusion.map((counts, actual) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const cells = counts.map((count) => {
      const share = total === 0 ? 0 : Math.round((60 * count) / total);
      return `<td style="background: color-mix(in srgb, var(--first) ${share}%, var(--panel))">${count}</td>`;
    });
    return `<tr><th>${escapeHtml(names[actual] ?? actual)}</th>${cells.join("")}</tr>`;
  });
  return `<div class="scroll"><table class="confusion"><thead><tr><th>actual \\ predicted</th>${head}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

/** Four significant digits; powers of ten where that is shorter. */
export function shortNumber(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

interface Axis {
  low: number;
  high: number;
  ticks: number[];
}

/** Ends and about five round ticks that hold all values. */
function axis(values: readonly number[]): Axis {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low === high) high = low + (low === 0 ? 1 : Math.abs(low));
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? 10 * power;
  const ticks: number[] = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) ticks.push(k * step);
  return { low, high, ticks };
}

function toX(value: number, x: Pick<Axis, "low" | "high">): number {
  return LEFT + ((value - x.low) / (x.high - x.low)) * (WIDTH - LEFT - RIGHT);
}

function toY(value: number, y: Pick<Axis, "low" | "high">): number {
  return HEIGHT - BOTTOM - ((value - y.low) / (y.high - y.low)) * (HEIGHT - TOP - BOTTOM);
}

function frame(x: Axis, y: Axis): string {
  const horizontal = y.ticks.map((tick) => {
    const at = toY(tick, y).toFixed(1);
    return `<line class="grid" x1="${LEFT}" y1="${at}" x2="${WIDTH - RIGHT}" y2="${at}"/><text x="${LEFT - 6}" y="${Number(at) + 4}" text-anchor="end">${shortNumber(tick)}</text>`;
  });
  return horizontal.join("") + x.ticks.map((tick) => verticalTick(tick, x, shortNumber(tick), false)).join("");
}

function verticalTick(tick: number, x: Axis, label: string, line = true): string {
  const at = toX(tick, x).toFixed(1);
  const mark = line ? `<line class="grid" x1="${at}" y1="${TOP}" x2="${at}" y2="${HEIGHT - BOTTOM}"/>` : "";
  return `${mark}<text x="${at}" y="${HEIGHT - 8}" text-anchor="middle">${escapeHtml(label)}</text>`;
}

function figure(title: string, marks: string, key = ""): string {
  return `<figure><figcaption>${escapeHtml(title)}</figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">${marks}</svg>${key}</figure>`;
}
