// The training loop. A step is enqueued before what came of those before it is waited for, so the device is never idle. On the CPU two are in flight at
// most; on a GPU all up to the next that is logged.

import type { TextEncoder } from "../model/types.js";
import { AdamW } from "./adamw.js";
import type { TrainingArguments } from "./arguments.js";
import { BestWeights } from "./best-weights.js";
import { type CheckpointSubject, readCheckpoint, removeOldCheckpoints, writeCheckpoint } from "./checkpoint.js";
import { CheckpointError, TrainingArgumentError } from "./errors.js";
import type { LogEntry, Scores, StartedEvent, TrainingEvent, TrainingResult } from "./events.js";
import type { Objective } from "./objective.js";
import { type PlannedStep, plannedSteps, planTraining, type TrainingPlan } from "./plan.js";
import { peakResidentBytes } from "./process-memory.js";
import { scheduleFactor } from "./schedule.js";
import { type StepInFlight, StepRunner } from "./step-runner.js";

/** One training from its first step, or a checkpoint's, to its last. */
export class TrainingRun<E extends Scores> implements Disposable {
  readonly #objective: Objective<E>;
  readonly #tokenizer: TextEncoder | undefined;
  readonly #args: TrainingArguments;
  readonly #plan: TrainingPlan;
  readonly #optimizer: AdamW;
  readonly #runner: StepRunner;
  readonly #best: BestWeights | undefined;
  readonly #log: LogEntry[] = [];
  readonly #counts = { rows: 0, tokens: 0, paddedTokens: 0, seconds: 0 };
  #completed = 0;
  #failed = false;

  /** @throws {TrainingArgumentError} when the model has nothing trainable */
  constructor(objective: Objective<E>, tokenizer: TextEncoder | undefined, args: TrainingArguments) {
    objective.model.train();
    const ranges = objective.model.parameters.trainableRanges();
    if (ranges.length === 0)
      throw new TrainingArgumentError(
        "Every parameter of the model is frozen, expected something to train. Unfreeze the head at least.",
      );
    this.#objective = objective;
    this.#tokenizer = tokenizer;
    this.#args = args;
    this.#plan = planTraining(args, objective.rows.cuSeqlens);
    this.#optimizer = new AdamW(ranges, {
      beta1: args.adamBeta1,
      beta2: args.adamBeta2,
      epsilon: args.adamEpsilon,
      weightDecay: args.weightDecay,
      maxGradientNorm: args.maxGradientNorm,
      scalesLoss: objective.model.parameters.activationType === "f16",
    });
    const { steps, stepsPerEpoch } = this.#plan;
    const mostUnread = Math.min(args.loggingSteps, steps, stepsPerEpoch);
    this.#runner = new StepRunner(objective, this.#optimizer, args.seed, args.gradientAccumulation, mostUnread);
    this.#best = args.loadBestModelAtEnd ? new BestWeights(ranges, args.metricForBestModel) : undefined;
  }

  async *events(signal?: AbortSignal): AsyncGenerator<TrainingEvent<E>, void, void> {
    yield this.#started();
    const remark = this.#objective.remark?.(this.#plan);
    if (remark !== undefined) yield { type: "notice", ...remark };
    const clock = new Clock(this.#counts);
    const flights: StepInFlight[] = []; // not told of yet
    clock.start();
    try {
      for (const planned of plannedSteps(this.#args, this.#plan, this.#completed + 1)) {
        if (signal?.aborted) break;
        const read = flights.filter(({ outcome }) => outcome !== undefined).length;
        flights.push(await this.#enqueue(planned));
        if (this.#isLogged(planned) || this.#pausesAfter(planned)) this.#runner.read();
        yield* this.#settle(flights, read, clock);
        if (!this.#pausesAfter(planned)) continue;

        // Evaluations and checkpoints see the model exactly as this step leaves it.
        yield* this.#settle(flights, flights.length, clock);
        clock.stop();
        yield* this.#pause(planned, signal);
        clock.start();
      }
      this.#runner.read();
      yield* this.#settle(flights, flights.length, clock);
    } finally {
      // Whoever left early gets a consistent state: the steps under way are done and counted.
      this.#runner.read();
      for (const flight of flights) await this.#complete(flight).catch(() => {});
      clock.stop();
      this.#objective.model.eval();
    }
    const interrupted = this.#completed < this.#plan.steps;
    if (interrupted) yield* this.#interrupted();
    else this.#best?.restore();
    yield { type: "finished", result: this.#result(interrupted) };
  }

  /** Goes on where a checkpoint stopped. */
  async resume(folder: string): Promise<void> {
    const state = await readCheckpoint(folder, this.#subject());
    this.#completed = state.step;
    this.#log.push(...state.log);
  }

  /** @throws {CheckpointError} after a step that failed: the weights are those of no step then */
  async saveCheckpoint(folder: string): Promise<void> {
    if (this.#failed)
      throw new CheckpointError(
        `${folder}: nothing was saved: a step after step ${this.#completed} failed, and its weights are not usable.`,
      );
    await writeCheckpoint(folder, this.#subject(), { step: this.#completed, log: this.#log });
  }

  #subject(): CheckpointSubject {
    return {
      objective: this.#objective,
      tokenizer: this.#tokenizer,
      optimizer: this.#optimizer,
      best: this.#best,
      args: this.#args,
    };
  }

  dispose(): void {
    this.#runner.dispose();
    this.#optimizer.dispose();
    this.#best?.dispose();
    this.#objective.model.parameters.releaseGradients();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #enqueue(planned: PlannedStep): Promise<StepInFlight> {
    const { scheduler, learningRate } = this.#args;
    const factor = scheduleFactor(scheduler, planned.step - 1, this.#plan.warmupSteps, this.#plan.steps);
    return this.#runner.enqueue(planned, learningRate * factor);
  }

  /** Waits for the first `count` of the steps under way and tells of each. */
  async *#settle(flights: StepInFlight[], count: number, clock: Clock): AsyncGenerator<TrainingEvent<E>, void, void> {
    for (let i = 0; i < count; i++) {
      const flight = flights.shift() as StepInFlight;
      const { planned, rows, tokens } = flight;
      const entry = await this.#complete(flight);
      const { step } = planned;
      const { steps } = this.#plan;
      const epoch = step / this.#plan.stepsPerEpoch;
      yield { type: "step", ...entry, steps, epoch, rows, tokens, seconds: clock.seconds() };
      if (this.#isLogged(planned)) yield { type: "log", ...entry, steps, epoch };
      if (planned.endsEpoch) yield { type: "epochEnd", step, epoch };
    }
  }

  /** Waits for a step whose results were asked for, and counts it. */
  async #complete(flight: StepInFlight): Promise<LogEntry> {
    const { planned, learningRate, rows, tokens, paddedTokens } = flight;
    const { loss, gradientNorm } = await (flight.outcome as NonNullable<typeof flight.outcome>).catch((error) => {
      this.#failed = true;
      throw error;
    });
    const entry: LogEntry = { step: planned.step, loss, learningRate, gradientNorm };
    this.#completed = planned.step;
    this.#counts.rows += rows;
    this.#counts.tokens += tokens;
    this.#counts.paddedTokens += paddedTokens;
    if (this.#isLogged(planned)) this.#log.push(entry);
    return entry;
  }

  #isLogged({ step, endsEpoch }: PlannedStep): boolean {
    return step === 1 || step === this.#plan.steps || endsEpoch || step % this.#args.loggingSteps === 0;
  }

  #pausesAfter(planned: PlannedStep): boolean {
    return this.#evaluatesAfter(planned) || this.#savesAfter(planned);
  }

  #evaluatesAfter({ step, endsEpoch }: PlannedStep): boolean {
    const { evalStrategy, evalSteps } = this.#args;
    return evalStrategy === "epoch" ? endsEpoch : evalStrategy === "steps" && step % (evalSteps as number) === 0;
  }

  #savesAfter({ step, endsEpoch }: PlannedStep): boolean {
    const { saveStrategy, saveSteps } = this.#args;
    return saveStrategy === "epoch" ? endsEpoch : saveStrategy === "steps" && step % saveSteps === 0;
  }

  async *#pause(planned: PlannedStep, signal?: AbortSignal): AsyncGenerator<TrainingEvent<E>, void, void> {
    const { step } = planned;
    if (this.#evaluatesAfter(planned) && this.#objective.evaluate !== undefined && !signal?.aborted) {
      const evaluation = await this.#objective.evaluate();
      this.#best?.consider(step, evaluation);
      yield { type: "evaluated", step, epoch: step / this.#plan.stepsPerEpoch, evaluation };
    }
    if (this.#savesAfter(planned)) yield* this.#save();
  }

  async *#save(): AsyncGenerator<TrainingEvent<E>, void, void> {
    const { outputDir, saveTotalLimit } = this.#args;
    if (outputDir === undefined) return;
    const folder = `${outputDir}/checkpoint-${this.#completed}`;
    await this.saveCheckpoint(folder);
    await removeOldCheckpoints(outputDir, saveTotalLimit);
    yield { type: "saved", step: this.#completed, folder };
  }

  async *#interrupted(): AsyncGenerator<TrainingEvent<E>, void, void> {
    const at = `Stopped after step ${this.#completed} of ${this.#plan.steps}`;
    if (this.#args.outputDir !== undefined && this.#completed > 0) yield* this.#save();
    const kept =
      this.#args.outputDir !== undefined && this.#completed > 0
        ? `everything needed to go on is in ${this.#args.outputDir}/checkpoint-${this.#completed}`
        : "the model has the weights of that step; no checkpoint was written, as outputDir is not set";
    yield { type: "notice", level: "warning", code: "INTERRUPTED", message: `${at}: ${kept}.` };
  }

  #started(): StartedEvent {
    const { steps, stepsPerEpoch, warmupSteps, rows } = this.#plan;
    const { total, trainable } = this.#objective.model.parameters.count();
    const completed = this.#completed;
    const args = this.#args;
    return {
      type: "started",
      args,
      rows,
      steps,
      stepsPerEpoch,
      warmupSteps,
      completed,
      parameters: total,
      trainableParameters: trainable,
    };
  }

  #result(interrupted: boolean): TrainingResult {
    const { rows, tokens, paddedTokens, seconds } = this.#counts;
    return {
      rows: this.#plan.rows,
      steps: this.#completed,
      epochs: this.#completed / this.#plan.stepsPerEpoch,
      tokens,
      paddedTokens,
      seconds,
      samplesPerSecond: seconds === 0 ? 0 : rows / seconds,
      tokensPerSecond: seconds === 0 ? 0 : tokens / seconds,
      peakMemoryBytes: peakResidentBytes(),
      log: [...this.#log],
      interrupted,
      ...(interrupted || this.#best?.best === undefined ? {} : { best: this.#best.best }),
    };
  }
}

/** Adds up the seconds between start and stop. */
class Clock {
  readonly #total: { seconds: number };
  #since: number | undefined;

  constructor(total: { seconds: number }) {
    this.#total = total;
  }

  start(): void {
    this.#since = performance.now();
  }

  stop(): void {
    this.#total.seconds = this.seconds();
    this.#since = undefined;
  }

  seconds(): number {
    return this.#total.seconds + (this.#since === undefined ? 0 : (performance.now() - this.#since) / 1000);
  }
}
