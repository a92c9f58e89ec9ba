import type { ComparedMethod } from "./methods.js";

export const METHOD_HEAD: readonly string[] = [
  "method",
  "accuracy (95 % interval)",
  "F1",
  "loss",
  "trainable parameters",
  "seconds",
  "peak memory",
];

const SHOWN_NAMES: Readonly<Partial<Record<string, string>>> = { untrained: "untrained head", probe: "linear probe" };

/** The cells of a method's row, under {@link METHOD_HEAD}. */
export function methodCells(method: ComparedMethod): string[] {
  const { accuracy, accuracyInterval, f1, loss } = method.eval;
  const percent = (share: number): string => (100 * share).toFixed(1);
  const spread = method.seeds?.accuracy;
  const shownAccuracy =
    spread === undefined
      ? `${percent(accuracy)} % (${accuracyInterval.map(percent).join(" – ")})`
      : `${percent(spread.mean)} ± ${percent(spread.deviation)} % (${spread.values.length} seeds)`;
  return [
    SHOWN_NAMES[method.name] ?? method.name,
    shownAccuracy,
    percent(method.seeds?.f1.mean ?? f1),
    (method.seeds?.loss.mean ?? loss).toFixed(3),
    method.trainableParameters.toLocaleString("en-US"),
    method.seconds.toFixed(1),
    `${(method.peakMemoryBytes / 2 ** 20).toFixed(0)} MiB`,
  ];
}

/**
 * The comparison as a table of plain text for a terminal, one line a method.
 * @example
 * const methods = await compareMethods({
 *   loadModel: ({ seed }) => BertForSequenceClassification.fromPretrained("models/bert", { numLabels: 2, seed }),
 *   tokenizer,
 *   train,
 *   test,
 * });
 * process.stdout.write(renderMethods(methods));
 */
export function renderMethods(methods: readonly ComparedMethod[]): string {
  const lines = [METHOD_HEAD, ...methods.map(methodCells)];
  const widths = METHOD_HEAD.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const rendered = lines.map((line) =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join("  "),
  );
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  return `${[rendered[0], rule, ...rendered.slice(1)].join("\n")}\n`;
}
