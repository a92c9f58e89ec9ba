// A checkpoint is a Hugging Face folder of the model as it is, with two files beside: training.safetensors holds the trained parameters and
// AdamW's moments bit by bit, training.json where the training stands. Order and dropout are functions of seed and step: nothing to save.
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { NodeBertError } from "@node-bert/core-native";
import { SaveError } from "../errors.js";
import type { TextEncoder } from "../model/types.js";
import { writeFileSafely } from "../report/write-file.js";
import { SafetensorsFile } from "../safetensors/open-file.js";
import { writeSafetensors } from "../safetensors/write-file.js";
import type { AdamW } from "./adamw.js";
import type { TrainingArguments } from "./arguments.js";
import type { BestWeights } from "./best-weights.js";
import { CheckpointError } from "./errors.js";
import type { LogEntry } from "./events.js";
import { hashRows } from "./hash-rows.js";
import type { Objective } from "./objective.js";
import { flatSource } from "./tensor-source.js";

/** Where a training stands. */
export interface CheckpointState {
  /** Steps done. */
  step: number;
  log: readonly LogEntry[];
}

/** What a checkpoint is taken from or put into. */
export interface CheckpointSubject {
  objective: Pick<Objective, "model" | "rows" | "settings">;
  tokenizer: TextEncoder | undefined;
  optimizer: AdamW;
  best: BestWeights | undefined;
  args: TrainingArguments;
}

interface StateFile extends CheckpointState {
  format: 1;
  /** Arguments and the objective's settings. */
  args: Readonly<Record<string, unknown>>;
  rowsHash: string;
  best: { step: number; metric: number } | null;
}

const FORMAT = 1;

/** Arguments that may change between the runs: they do not touch what is computed. */
const FREE_ARGUMENTS: readonly string[] = [
  "evalBatchSize",
  "loggingSteps",
  "outputDir",
  "saveStrategy",
  "saveSteps",
  "saveTotalLimit",
  "strict",
  "maxLength",
  "truncation",
];

/** Writes a checkpoint beside `folder`, then renames it; one that was there before is replaced only then. @throws {SaveError} */
export async function writeCheckpoint(
  folder: string,
  subject: CheckpointSubject,
  state: CheckpointState,
): Promise<void> {
  const { objective, tokenizer, optimizer, best } = subject;
  const { model, rows } = objective;
  const beside = join(dirname(folder), `.${basename(folder)}.${process.pid}.partial`);
  await mkdir(dirname(folder), { recursive: true });
  try {
    await model.savePretrained(beside, { tokenizer });
    const tensors = [
      flatSource("adamw.m", optimizer.firstMoment),
      flatSource("adamw.v", optimizer.secondMoment),
      ...(optimizer.lossScale === undefined ? [] : [flatSource("adamw.loss_scale", optimizer.lossScale)]),
      ...model.parameters.trainableRanges().map(({ parameter }, i) => flatSource(`parameters.${i}`, parameter)),
      ...(best?.copies ?? []).map((copy, i) => flatSource(`best.${i}`, copy)),
    ];
    await writeSafetensors(join(beside, "training.safetensors"), tensors);
    const rowsHash = hashRows(rows, { labels: true });
    const args = settingsOf(subject);
    const file: StateFile = { format: FORMAT, ...state, args, rowsHash, best: best?.best ?? null };
    await writeFileSafely(join(beside, "training.json"), `${JSON.stringify(file, null, 2)}\n`);
    const replaced = `${beside}.replaced`;
    if (existsSync(folder)) await rename(folder, replaced);
    await rename(beside, folder);
    await rm(replaced, { recursive: true, force: true });
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    if (error instanceof NodeBertError) throw error;
    const { message } = error as Error;
    throw new SaveError(
      `${folder}: the checkpoint could not be written (${message}); what was there before is untouched.`,
      {
        cause: error,
      },
    );
  }
}

/**
 * Puts a checkpoint into the model and the optimizer.
 * @throws {CheckpointError} when it cannot be read, or is of another model, other rows or other arguments; nothing has changed then
 */
export async function readCheckpoint(folder: string, subject: CheckpointSubject): Promise<CheckpointState> {
  const { objective, optimizer, best } = subject;
  const { model, rows } = objective;
  const path = join(folder, "training.json");
  const state = await readState(path);
  const changed = changedArguments(state.args, settingsOf(subject));
  if (changed.length > 0)
    throw new CheckpointError(
      `${path}: the checkpoint was written with other arguments: ${changed.join("; ")}. Resume with the same ones.`,
    );
  if (state.rowsHash !== hashRows(rows, { labels: true }))
    throw new CheckpointError(
      `${path}: the checkpoint was written with other training rows. Resume with the same rows, tokenizer and maximum length.`,
    );
  const file = await openTensors(join(folder, "training.safetensors"));
  try {
    const ranges = model.parameters.trainableRanges();
    if (state.best !== null) best?.adopt(state.best);
    const targets = new Map([
      ["adamw.m", optimizer.firstMoment],
      ["adamw.v", optimizer.secondMoment],
      ...(optimizer.lossScale === undefined ? [] : [["adamw.loss_scale", optimizer.lossScale] as const]),
      ...ranges.map(({ parameter }, i) => [`parameters.${i}`, parameter] as const),
      ...(best?.copies ?? []).map((copy, i) => [`best.${i}`, copy] as const),
    ]);
    for (const [name, tensor] of targets)
      if (file.tensors.get(name)?.shape[0] !== tensor.size)
        throw new CheckpointError(
          `${file.path}: ${name} has ${file.tensors.get(name)?.shape[0] ?? 0} elements, expected ${tensor.size}: the checkpoint is of another model, or other parameters were trained.`,
        );
    for (const [name, tensor] of targets) file.readInto(name, tensor);
    model.parameters.refreshCopies();
    await model.device.synchronize();
    optimizer.steps = state.step;
  } finally {
    await file.close();
  }
  return state;
}

/** Keeps the newest checkpoints of a folder. */
export async function removeOldCheckpoints(outputDir: string, limit: number | undefined): Promise<void> {
  if (limit === undefined) return;
  const steps = (await readdir(outputDir)).flatMap((name) => {
    const match = /^checkpoint-(\d+)$/.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
  steps.sort((a, b) => b - a);
  for (const step of steps.slice(limit)) await rm(join(outputDir, `checkpoint-${step}`), { recursive: true });
}

async function readState(path: string): Promise<StateFile> {
  let state: StateFile;
  try {
    state = JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new CheckpointError(
      `${path}: cannot be read (${(cause as Error).message}), expected a folder that a Trainer saved as a checkpoint.`,
      { cause },
    );
  }
  if (state?.format !== FORMAT || !Number.isSafeInteger(state.step) || !Array.isArray(state.log))
    throw new CheckpointError(
      `${path}: not a checkpoint of this version, expected "format": ${FORMAT}, "step" and "log".`,
    );
  return state;
}

async function openTensors(path: string): Promise<SafetensorsFile> {
  try {
    return await SafetensorsFile.open(path);
  } catch (cause) {
    throw new CheckpointError((cause as Error).message, { cause });
  }
}

function settingsOf({ args, objective }: CheckpointSubject): Readonly<Record<string, unknown>> {
  return { ...args, ...objective.settings };
}

function changedArguments(saved: StateFile["args"], now: StateFile["args"]): string[] {
  return Object.keys(now)
    .filter((key) => !FREE_ARGUMENTS.includes(key) && saved?.[key] !== now[key])
    .map((key) => `${key} was ${saved?.[key]}, is ${now[key]}`);
}
