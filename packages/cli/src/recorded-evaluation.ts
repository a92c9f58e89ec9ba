// What an evaluation in 8 bits lost, beside the one in floating point that a run folder's record holds.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Evaluation } from "@node-bert/bert";
import { percent } from "./output.js";

/** Which rows of which data set were evaluated, and how they were cut. */
export interface EvaluatedRows {
  dataset?: string;
  split: string;
  rows?: number;
  shuffle?: boolean;
  stratify?: boolean;
  seed: number;
  maxLength?: number;
  truncation: string;
}

export interface RecordedEvaluation {
  precision: string;
  accuracy: number;
  /** Share of the rows: 0.005 is half a point. */
  accuracyLost: number;
}

interface RunRecord {
  configuration?: Record<string, unknown>;
  evaluation?: Evaluation;
}

/**
 * The evaluation of the same rows that `bert finetune` recorded in the model's folder.
 * @returns undefined when there is none, or it is of other rows: figures of other rows say nothing of what was lost
 */
export async function findRecorded(
  folder: string,
  evaluated: EvaluatedRows,
  { accuracy, rows }: Evaluation,
): Promise<RecordedEvaluation | undefined> {
  const text = await readFile(join(folder, "run.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const { configuration, evaluation } = parseRecord(text);
  if (configuration === undefined || evaluation === undefined || evaluation.rows !== rows) return undefined;
  if (!sameRows(configuration, evaluated)) return undefined;
  return {
    precision: String(configuration.precision),
    accuracy: evaluation.accuracy,
    accuracyLost: evaluation.accuracy - accuracy,
  };
}

function parseRecord(text: string): RunRecord {
  try {
    return JSON.parse(text) as RunRecord;
  } catch {
    return {}; // of something else; what was evaluated now stands by itself
  }
}

/** Options that were not given are undefined here and absent there. */
function sameRows(recorded: Record<string, unknown>, evaluated: EvaluatedRows): boolean {
  const { dataset, split, rows, shuffle, stratify, seed, maxLength, truncation } = evaluated;
  const isChosen = shuffle || stratify;
  return (
    dataset !== undefined &&
    recorded.dataset === dataset &&
    (recorded.evalSplit ?? "test") === split &&
    recorded.evalRows === rows &&
    Boolean(recorded.shuffle) === Boolean(shuffle) &&
    Boolean(recorded.stratify) === Boolean(stratify) &&
    (!isChosen || recorded.seed === seed) &&
    (recorded.maxLength ?? undefined) === maxLength &&
    recorded.truncation === truncation
  );
}

/** @param precision of the evaluation just made */
export function describeRecorded(precision: string, accuracy: number, recorded: RecordedEvaluation): string {
  const points = 100 * recorded.accuracyLost;
  const lost = points < 0 ? `gains ${(-points).toFixed(2)}` : `loses ${points.toFixed(2)}`;
  return `${precision} ${lost} points of accuracy: ${percent(accuracy)} against ${percent(recorded.accuracy)} in ${recorded.precision} on the same rows (run.json)`;
}
