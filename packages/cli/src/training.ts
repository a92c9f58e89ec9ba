// Training options of a command line, as TrainingArguments, and the display of a training run.
import type { Scores, TrainingArguments, TrainingCallbacks, TrainingEvent } from "@node-bert/bert";
import { count, note } from "./output.js";
import { type Progress, startProgress } from "./progress.js";

export interface TrainingChoice {
  batchSize: number;
  epochs: number;
  maxSteps?: number;
  learningRate: number;
  weightDecay: number;
  maxGradientNorm: number;
  warmupSteps?: number;
  warmupRatio?: number;
  scheduler: "linear" | "constant" | "cosine";
  gradientAccumulation: number;
  order: "sequential" | "shuffled";
  logEvery: number;
  seed: number;
  maxLength?: number;
  truncation: "head" | "tail" | "head-tail";
  strict?: boolean;
}

export function trainingArguments(choice: TrainingChoice): Partial<TrainingArguments> {
  const { batchSize, epochs, maxSteps, learningRate, weightDecay, maxGradientNorm, warmupSteps, warmupRatio } = choice;
  const { scheduler, gradientAccumulation, order, logEvery, seed, maxLength, truncation, strict } = choice;
  return {
    batchSize,
    epochs,
    maxSteps,
    learningRate,
    weightDecay,
    maxGradientNorm,
    warmupSteps,
    warmupRatio,
    scheduler,
    gradientAccumulation,
    order,
    loggingSteps: logEvery,
    seed,
    maxLength,
    truncation,
    strict,
  };
}

/** Shows notices, and progress with the loss, on stderr. */
export function showTraining(label: string, quiet: boolean | undefined): TrainingCallbacks<Scores> {
  let progress: Progress | undefined;
  let done = 0;
  return {
    onNotice: ({ level, message }) => note(level === "warning" ? `Warning: ${message}` : message),
    onStarted: ({ steps, completed, parameters, trainableParameters }) => {
      note(
        `${label}: ${trainableParameters.toLocaleString("en-US")} of ${parameters.toLocaleString("en-US")} parameters are trained, ${steps - completed} steps`,
      );
      if (!quiet) progress = startProgress(label, steps, "steps", completed);
    },
    onStep: ({ step, loss, learningRate, tokens, seconds }) => {
      done += tokens;
      const rate = count(Math.round(done / Math.max(seconds, 1e-9)));
      progress?.update(
        step,
        `${rate} tokens/s, loss ${loss.toFixed(4)}, learning rate ${learningRate.toExponential(1)}`,
      );
    },
    onLog: () => {}, // the progress shows it
    onEvaluated: ({ step, evaluation }) =>
      note(
        `step ${step}: validation accuracy ${(100 * evaluation.accuracy).toFixed(1)} %, loss ${evaluation.loss.toFixed(4)}`,
      ),
    onFinished: () => progress?.stop(),
  };
}

/** Hands an event of `trainer.run()` to the display. */
export function showEvent(event: TrainingEvent<Scores>, display: TrainingCallbacks<Scores>): void {
  if (event.type === "started") display.onStarted?.(event);
  else if (event.type === "notice") display.onNotice?.(event);
  else if (event.type === "step") display.onStep?.(event);
  else if (event.type === "evaluated") display.onEvaluated?.(event);
  else if (event.type === "finished") display.onFinished?.(event);
}
