import type { ComparedMethod } from "../compare/methods.js";
import { METHOD_HEAD, methodCells } from "../compare/table.js";
import type { Evaluation } from "../metrics/evaluate.js";
import type { MaskedLMEvaluation } from "../pretraining/evaluate-masked-lm.js";
import type { LogEntry, Scores, TrainingEvent, TrainingResult } from "../training/events.js";
import type { Environment } from "./environment.js";
import { escapeHtml, htmlPage, htmlTable } from "./html.js";
import { barPlot, calibrationPlot, confusionTable, linePlot, shortNumber } from "./plots.js";

/** What happened, and in which method's training when several are compared. */
export interface RecordedEvent {
  event: TrainingEvent<Scores>;
  method?: string;
}

const MOST_POINTS = 300;

export interface ReportContent {
  title: string;
  /** ISO 8601. */
  started: string;
  configuration: object;
  environment: Environment;
  labelNames?: readonly string[];
  events: readonly RecordedEvent[];
  train?: TrainingResult;
  evaluation?: Evaluation;
  methods?: readonly ComparedMethod[];
  heldOut?: MaskedLMEvaluation;
}

/** A self-contained page: plots are inline, nothing is loaded from anywhere, light and dark as the reader has it. */
export function renderReport(content: ReportContent): string {
  const { events, train, evaluation, methods, heldOut, configuration, environment } = content;
  const sections = [
    section("Warnings", warnings(events)),
    section("Methods compared", methods === undefined ? "" : methodsSection(methods)),
    section("Test rows", evaluation === undefined ? "" : evaluationSection(evaluation, content.labelNames)),
    section("Held-out texts", heldOut === undefined ? "" : heldOutTable(heldOut)),
    section("Training", trainingPlots(events, train?.log) + (train === undefined ? "" : trainingTable(train))),
    section("Configuration", settingsTable(configuration)),
    section("Environment", settingsTable(environment)),
  ];
  return htmlPage(content.title, `Started ${content.started}`, sections.join("\n"));
}

function section(title: string, body: string): string {
  return body === "" ? "" : `<h2>${escapeHtml(title)}</h2>\n${body}`;
}

function warnings(events: readonly RecordedEvent[]): string {
  const items = events.flatMap(({ event }) =>
    event.type === "notice" && event.level === "warning" ? [event.message] : [],
  );
  if (items.length === 0) return "";
  return `<ul class="warning">${[...new Set(items)].map((message) => `<li>${escapeHtml(message)}</li>`).join("")}</ul>`;
}

function methodsSection(methods: readonly ComparedMethod[]): string {
  const bars = methods.map(({ name, eval: { accuracy, accuracyInterval } }) => ({
    name,
    value: accuracy,
    interval: accuracyInterval,
  }));
  return `${htmlTable(METHOD_HEAD, methods.map(methodCells))}<div class="plots">${barPlot("Accuracy with its 95 % interval", bars)}</div>`;
}

function evaluationSection(evaluation: Evaluation, labelNames: readonly string[] | undefined): string {
  const { rows, accuracy, accuracyInterval, f1, f1Interval, mcc, rocAuc, loss, confusion } = evaluation;
  const names = labelNames ?? confusion.map((_, label) => String(label));
  const table = htmlTable(
    ["metric", "value", "95 % interval"],
    [
      ["rows", rows, ""],
      ["accuracy", shortNumber(accuracy), accuracyInterval.map(shortNumber).join(" – ")],
      ["F1", shortNumber(f1), f1Interval.map(shortNumber).join(" – ")],
      ["Matthews correlation", shortNumber(mcc), ""],
      ["ROC-AUC", rocAuc === null ? "not defined" : shortNumber(rocAuc), ""],
      ["loss", shortNumber(loss), ""],
    ],
  );
  const plot = calibrationPlot(evaluation.calibration, evaluation.calibrationError);
  return `${table}<div class="plots"><figure><figcaption>Confusion matrix</figcaption>${confusionTable(confusion, names)}</figure>${plot}</div>`;
}

function heldOutTable({ loss, perplexity, accuracy, predictions, tokens }: MaskedLMEvaluation): string {
  return htmlTable(
    [],
    [
      ["loss at masked tokens", shortNumber(loss)],
      ["perplexity", shortNumber(perplexity)],
      ["accuracy at masked tokens", shortNumber(accuracy)],
      ["masked tokens", predictions],
      ["tokens", tokens],
    ],
  );
}

/**
 * Curves of each training: of the only one, or of each method and seed in turn.
 * @param log of the only one: what a run that was resumed knows of the steps before
 */
function trainingPlots(events: readonly RecordedEvent[], log: readonly LogEntry[] = []): string {
  const trainings: { method: string | undefined; events: TrainingEvent<Scores>[] }[] = [];
  for (const { event, method } of events) {
    if (event.type === "started") trainings.push({ method, events: [] });
    else trainings.at(-1)?.events.push(event);
  }
  return trainings
    .map((training) => {
      const title = training.method === undefined ? "" : `<h3>${escapeHtml(training.method)}</h3>`;
      return title + plotsOf(training.events, log);
    })
    .join("\n");
}

function plotsOf(events: readonly TrainingEvent<Scores>[], log: readonly LogEntry[]): string {
  const own = events.flatMap((event) => (event.type === "step" ? [event] : []));
  const steps = [...log.filter(({ step }) => step < (own[0]?.step ?? 0)), ...own];
  const evaluations = events.flatMap((event) => (event.type === "evaluated" ? [event] : []));
  const of = (name: string, key: "loss" | "learningRate" | "gradientNorm") => ({
    name,
    points: thinOut(steps.map((step) => ({ x: step.step, y: step[key] }))),
  });
  const validation = { name: "validation", points: evaluations.map((e) => ({ x: e.step, y: e.evaluation.loss })) };
  const losses = [of("training", "loss"), ...(evaluations.length === 0 ? [] : [validation])];
  return `<div class="plots">${linePlot("Loss by step", losses)}${linePlot("Learning rate by step", [of("learning rate", "learningRate")])}${linePlot("Gradient norm before clipping, by step", [of("gradient norm", "gradientNorm")])}</div>`;
}

/** Means of neighbours, so that a plot has no more points than it can show. */
export function thinOut(points: readonly { x: number; y: number }[], most = MOST_POINTS): { x: number; y: number }[] {
  const together = Math.ceil(points.length / most);
  if (together < 2) return [...points];
  const thinned: { x: number; y: number }[] = [];
  for (let from = 0; from < points.length; from += together) {
    const group = points.slice(from, from + together);
    const mean = group.reduce((sum, point) => sum + point.y, 0) / group.length;
    thinned.push({ x: group[group.length - 1].x, y: mean });
  }
  return thinned;
}

function trainingTable(train: TrainingResult): string {
  const padding = train.paddedTokens === 0 ? 0 : 1 - train.tokens / train.paddedTokens;
  return htmlTable(
    [],
    [
      ["rows", train.rows],
      ["steps", train.steps],
      ["epochs", shortNumber(train.epochs)],
      ["tokens", train.tokens],
      ["padding avoided", `${(100 * padding).toFixed(1)} %`],
      ["seconds", train.seconds.toFixed(1)],
      ["samples a second", shortNumber(train.samplesPerSecond)],
      ["tokens a second", shortNumber(train.tokensPerSecond)],
      ["peak memory of the process", `${(train.peakMemoryBytes / 2 ** 20).toFixed(0)} MiB`],
    ],
  );
}

function settingsTable(settings: object): string {
  const rows: (readonly [string, string])[] = [];
  const collect = (object: object, prefix: string): void => {
    for (const [key, value] of Object.entries(object)) {
      if (value === undefined) continue;
      if (value !== null && typeof value === "object" && !Array.isArray(value)) collect(value, `${prefix}${key}.`);
      else rows.push([prefix + key, Array.isArray(value) ? value.join(", ") : String(value)]);
    }
  };
  collect(settings, "");
  return htmlTable(["setting", "value"], rows);
}
