import { thinOut } from "./report.js";

const WIDTH = 60;
const HEIGHT = 12;

/**
 * A curve as lines of text, for a terminal: each column is the mean of the points that fall there.
 * @param points in the order of x
 */
export function textPlot(title: string, points: readonly { x: number; y: number }[]): string {
  const columns = thinOut(points, WIDTH);
  if (columns.length === 0) return title;
  const values = columns.map(({ y }) => y);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const rowOf = (y: number): number => (high === low ? 0 : Math.round(((y - low) / (high - low)) * (HEIGHT - 1)));
  const lines: string[] = [];
  for (let row = HEIGHT - 1; row >= 0; row--) {
    const label = row === HEIGHT - 1 ? high.toFixed(3) : row === 0 ? low.toFixed(3) : "";
    lines.push(`${label.padStart(8)} │${values.map((y) => (rowOf(y) === row ? "•" : " ")).join("")}`.trimEnd());
  }
  const last = String(columns[columns.length - 1].x);
  lines.push(`${" ".repeat(9)}└${"─".repeat(columns.length)}`, `${" ".repeat(10)}${last.padStart(columns.length)}`);
  return [title, ...lines].join("\n");
}
