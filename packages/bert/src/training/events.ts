import type { Evaluation } from "../metrics/evaluate.js";
import type { TrainingArguments } from "./arguments.js";

/** What every evaluation while training has, whatever is trained. */
export interface Scores {
  loss: number;
  /** From 0 to 1. */
  accuracy: number;
}

/** Something a person should read. */
export interface Notice {
  level: "info" | "warning";
  /** Stable, for programs. */
  code: string;
  message: string;
}

/** One step of a log, as in `metrics.jsonl` and `--json`. */
export interface LogEntry {
  /** From 1. */
  step: number;
  /** Mean over the rows of the step. */
  loss: number;
  /** What the step used. */
  learningRate: number;
  /** Before clipping. */
  gradientNorm: number;
}

/** What a training came to: the `train` object of `bert finetune --json`. */
export interface TrainingResult {
  rows: number;
  /** Steps of the whole training that are done, those before a resume included. */
  steps: number;
  /** Passes over the rows that are done. */
  epochs: number;
  /** Tokens trained on by this run, special tokens included. */
  tokens: number;
  /** Tokens that this run would have computed, had each batch been padded to its longest row: Σ B · S. `tokens` is what it did compute. */
  paddedTokens: number;
  /** Of the training loop alone: no loading, tokenizing, evaluating or saving. */
  seconds: number;
  samplesPerSecond: number;
  tokensPerSecond: number;
  /** Most memory the process ever had resident, weights and everything else included. */
  peakMemoryBytes: number;
  log: LogEntry[];
  /** Whether an AbortSignal ended it before its last step. */
  interrupted: boolean;
  /** The evaluation whose weights were kept, under `loadBestModelAtEnd`. */
  best?: { step: number; metric: number };
}

export interface StartedEvent {
  type: "started";
  args: TrainingArguments;
  rows: number;
  steps: number;
  stepsPerEpoch: number;
  warmupSteps: number;
  /** Steps done before, when resumed. */
  completed: number;
  parameters: number;
  trainableParameters: number;
}

/** On a GPU these come in groups, with the step that is logged those before it: the device is asked for results only then. */
export interface StepEvent extends LogEntry {
  type: "step";
  /** Steps of the whole training. */
  steps: number;
  /** Passes over the rows after this step, not necessarily whole. */
  epoch: number;
  rows: number;
  tokens: number;
  /** Of the training loop so far. */
  seconds: number;
}

export interface NoticeEvent extends Notice {
  type: "notice";
}

export interface LogEvent extends LogEntry {
  type: "log";
  steps: number;
  epoch: number;
}

export interface EvaluatedEvent<E extends Scores = Evaluation> {
  type: "evaluated";
  step: number;
  epoch: number;
  /** Of the validation rows. */
  evaluation: E;
}

export interface EpochEndEvent {
  type: "epochEnd";
  step: number;
  /** Epochs done. */
  epoch: number;
}

export interface SavedEvent {
  type: "saved";
  step: number;
  folder: string;
}

export interface FinishedEvent {
  type: "finished";
  result: TrainingResult;
}

/** What `trainer.run()` yields, in the order it happens. */
export type TrainingEvent<E extends Scores = Evaluation> =
  | StartedEvent
  | NoticeEvent
  | StepEvent
  | LogEvent
  | EvaluatedEvent<E>
  | EpochEndEvent
  | SavedEvent
  | FinishedEvent;

/** Called for events of their kind; a promise is waited for. Without `onNotice` and `onLog`, these lines go to stderr. */
export interface TrainingCallbacks<E extends Scores = Evaluation> {
  onStarted?(event: StartedEvent): unknown;
  onNotice?(event: NoticeEvent): unknown;
  onStep?(event: StepEvent): unknown;
  onLog?(event: LogEvent): unknown;
  onEvaluated?(event: EvaluatedEvent<E>): unknown;
  onEpochEnd?(event: EpochEndEvent): unknown;
  onSaved?(event: SavedEvent): unknown;
  onFinished?(event: FinishedEvent): unknown;
}
