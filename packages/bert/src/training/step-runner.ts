import { type Device, linear, Tape, type Tensor } from "@node-bert/core-native";
import type { AdamW } from "./adamw.js";
import { NotFiniteError } from "./errors.js";
import type { Objective, ObjectiveBatch } from "./objective.js";
import type { PlannedStep } from "./plan.js";

/** A step that the device may still be working on. */
export interface StepInFlight {
  planned: PlannedStep;
  learningRate: number;
  rows: number;
  tokens: number;
  /** Σ B · S over its batches. */
  paddedTokens: number;
  /** From {@link StepRunner.read} on: waits for the device. @throws {NotFiniteError} */
  outcome: Promise<StepOutcome> | undefined;
}

interface StepOutcome {
  loss: number;
  gradientNorm: number;
}

interface UnreadStep {
  flight: StepInFlight;
  batches: readonly ObjectiveBatch[];
  /** The loss of each row, of each batch. */
  losses: readonly Tensor[];
}

/** Each unread step holds its batch and its losses: some kilobytes. */
const MOST_UNREAD = 1000;

/** Enqueues training steps, without ever waiting, and reads what came of several at once. */
export class StepRunner implements Disposable {
  readonly #objective: Objective;
  readonly #device: Device;
  readonly #optimizer: AdamW;
  readonly #seed: number;
  /** A row of each unread step: the mean loss of each batch, the squared norm, the scale of the loss. */
  readonly #results: Tensor;
  #unread: UnreadStep[] = [];
  /** Of the last step. */
  #handover: Promise<void> = Promise.resolve();

  /**
   * Each read makes a thread wait for the GPU, so there only those steps are read, together, whose results someone asks for. The CPU's steps are slow and a
   * read costs nothing: each is read.
   * @param mostBatches of a step
   * @param mostSteps between two reads
   */
  constructor(objective: Objective, optimizer: AdamW, seed: number, mostBatches: number, mostSteps: number) {
    this.#objective = objective;
    this.#device = objective.model.device;
    this.#optimizer = optimizer;
    this.#seed = seed;
    const rows = this.#device.name.startsWith("cuda") ? Math.min(mostSteps, MOST_UNREAD) : 1;
    this.#results = this.#device.zeros([rows, mostBatches + 2]);
  }

  /**
   * Enqueues forward and backward passes of the step's batches and the optimizer's sweep. Never waits for the device, but for its thread to have taken
   * the step before, so that the queue stays short and signals are heard.
   */
  async enqueue(planned: PlannedStep, learningRate: number): Promise<StepInFlight> {
    const before = this.#handover;
    const flight = this.#enqueue(planned, learningRate);
    if (this.#results.shape[0] > 1) this.#handover = this.#device.handover();
    await before;
    return flight;
  }

  #enqueue(planned: PlannedStep, learningRate: number): StepInFlight {
    // The masks depend on seed and step alone, so that evaluating in between or resuming changes nothing.
    this.#device.setDropoutState(this.#seed, planned.step);
    const batches = planned.batches.map((rows, i) => this.#objective.batch(rows, planned.step, i));
    const sum = (of: (batch: ObjectiveBatch) => number): number =>
      batches.reduce((total, batch) => total + of(batch), 0);
    const terms = sum((batch) => batch.terms);
    const [, width] = this.#results.shape;
    const losses = this.#device.scope(() =>
      this.#device.step(() => {
        const made = batches.map((batch, b) => {
          const { loss, losses } = this.#accumulate(batch, batch.terms / terms);
          this.#note(loss, b);
          return losses;
        });
        // Of this step: the optimizer changes it.
        if (this.#optimizer.lossScale !== undefined) this.#note(this.#optimizer.lossScale.view([1]), width - 1);
        this.#optimizer.step(learningRate);
        this.#note(this.#optimizer.normSquared, width - 2);
        return made;
      }),
    );
    const flight: StepInFlight = {
      planned,
      learningRate,
      rows: planned.batches.reduce((total, rows) => total + rows.length, 0),
      tokens: sum((batch) => batch.tokens),
      paddedTokens: sum((batch) => batch.paddedTokens),
      outcome: undefined,
    };
    this.#unread.push({ flight, batches, losses });
    if (this.#unread.length === this.#results.shape[0]) this.read();
    return flight;
  }

  /** Asks for the outcome of the steps enqueued since the last call, all in one read. */
  read(): void {
    if (this.#unread.length === 0) return;
    const steps = this.#unread;
    this.#unread = [];
    const rows = this.#results.rows(0, steps.length);
    const reading = rows.read();
    rows.dispose();
    steps.forEach((step, i) => {
      step.flight.outcome = this.#judge(step, reading, i);
      // Whoever stops early leaves the last steps alone; their failure must not end the process.
      step.flight.outcome.catch(() => {});
    });
  }

  dispose(): void {
    this.#results.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Adds the batch's gradients to the arena. @param share of the step's losses */
  #accumulate(batch: ObjectiveBatch, share: number): { loss: Tensor; losses: Tensor } {
    return this.#device.scope(() => {
      const tape = new Tape();
      const { loss, losses } = tape.record(() => batch.loss());
      tape.backward(loss, this.#gradientOfLoss(share), { keep: [losses] });
      return { loss, losses };
    });
  }

  /** Keeps a number, (1), in the row of the step that is being enqueued. */
  #note(value: Tensor, column: number): void {
    const cell = this.#results.view([1], this.#unread.length * this.#results.shape[1] + column);
    this.#device.run("convert", [value, cell], []);
  }

  /** What backward starts from; undefined stands for 1. */
  #gradientOfLoss(share: number): Tensor | undefined {
    const weight = share === 1 ? undefined : this.#device.full([1], share);
    const scale = this.#optimizer.lossScale?.view([1, 1]);
    if (scale === undefined) return weight;
    return (weight === undefined ? scale : linear(scale, weight.view([1, 1]))).view([1]);
  }

  async #judge(step: UnreadStep, reading: Promise<ArrayLike<number>>, row: number): Promise<StepOutcome> {
    const { flight, batches, losses } = step;
    try {
      const results = await reading;
      const [, width] = this.#results.shape;
      const of = (column: number): number => results[row * width + column];
      const terms = batches.reduce((sum, batch) => sum + batch.terms, 0);
      const loss = batches.reduce((sum, batch, b) => sum + (of(b) * batch.terms) / terms, 0);
      const scale = this.#optimizer.lossScale === undefined ? undefined : of(width - 1);
      const gradientNorm = Math.sqrt(of(width - 2)) / (scale ?? 1);
      // With a scaled loss an overflow is no failure: the optimizer skipped the step and the scale falls. Below 1 scaling is not what is wrong.
      const overflowed = scale !== undefined && scale >= 1;
      if (!Number.isFinite(loss) || !(Number.isFinite(gradientNorm) || overflowed))
        throw notFinite(flight.planned, await badRows(step), loss, gradientNorm);
      return { loss, gradientNorm };
    } finally {
      for (const each of losses) each.dispose();
    }
  }
}

/** The rows whose loss is not a finite number. */
async function badRows({ batches, losses }: UnreadStep): Promise<number[]> {
  const values = await Promise.all(losses.map((each) => each.read()));
  const bad = values.flatMap((each, b) =>
    Array.from(each, (loss, term) => (Number.isFinite(loss) ? [] : [batches[b].rowOf(term)])).flat(),
  );
  return [...new Set(bad)];
}

function notFinite(planned: PlannedStep, bad: readonly number[], loss: number, gradientNorm: number): NotFiniteError {
  const rows = planned.batches.flatMap((batch) => [...batch]);
  const what = Number.isFinite(loss) ? `gradient norm became ${gradientNorm}` : `loss became ${loss}`;
  const whose = bad.length === 0 || bad.length === rows.length ? "" : `, first in ${bad.join(", ")}`;
  return new NotFiniteError(
    `Training stopped at step ${planned.step}: the ${what}. Training rows of that step: ${rows.join(", ")}${whose}. ` +
      "The weights are not usable any more: go back to a checkpoint or start again, with a lower learning rate, warm-up steps, or precision fp32.",
    planned.step,
    rows,
  );
}
