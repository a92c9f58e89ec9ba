import type { Scores, TrainingCallbacks, TrainingEvent } from "./events.js";

const HANDLER = {
  started: "onStarted",
  notice: "onNotice",
  step: "onStep",
  log: "onLog",
  evaluated: "onEvaluated",
  epochEnd: "onEpochEnd",
  saved: "onSaved",
  finished: "onFinished",
} as const;

/** Hands an event to the callback of its kind; notices and logs that nobody takes are written to stderr, so that a run is never silent. */
export async function dispatch<E extends Scores>(
  event: TrainingEvent<E>,
  callbacks: TrainingCallbacks<E>,
): Promise<void> {
  const handler = callbacks[HANDLER[event.type]] as ((event: TrainingEvent<E>) => unknown) | undefined;
  if (handler !== undefined) await handler.call(callbacks, event);
  else if (event.type === "notice")
    process.stderr.write(`${event.level === "warning" ? "Warning: " : ""}${event.message}\n`);
  else if (event.type === "log")
    process.stderr.write(
      `step ${event.step}/${event.steps}  epoch ${event.epoch.toFixed(2)}  loss ${event.loss.toFixed(4)}  ` +
        `learning rate ${event.learningRate.toExponential(2)}  gradient norm ${event.gradientNorm.toFixed(3)}\n`,
    );
  else if (event.type === "evaluated")
    process.stderr.write(
      `step ${event.step}  validation accuracy ${(100 * event.evaluation.accuracy).toFixed(1)} %  loss ${event.evaluation.loss.toFixed(4)}\n`,
    );
}
