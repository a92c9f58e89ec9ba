import { type Device, Tape } from "@node-bert/core-native";
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
  /** Waits for the device. @throws {NotFiniteError} */
  outcome: Promise<{ loss: number; gradientNorm: number }>;
}

/** Enqueues training steps and reads what came of them, without ever waiting in between. */
export class StepRunner {
  readonly #objective: Objective;
  readonly #device: Device;
  readonly #optimizer: AdamW;
  readonly #seed: number;

  constructor(objective: Objective, optimizer: AdamW, seed: number) {
    this.#objective = objective;
    this.#device = objective.model.device;
    this.#optimizer = optimizer;
    this.#seed = seed;
  }

  /** Enqueues forward and backward passes of the step's batches and the optimizer's sweep, and returns at once. */
  enqueue(planned: PlannedStep, learningRate: number): StepInFlight {
    // The masks depend on seed and step alone, so that evaluating in between or resuming changes nothing.
    this.#device.setDropoutState(this.#seed, planned.step);
    const batches = planned.batches.map((rows, i) => this.#objective.batch(rows, planned.step, i));
    const sum = (of: (batch: ObjectiveBatch) => number): number =>
      batches.reduce((total, batch) => total + of(batch), 0);
    const terms = sum((batch) => batch.terms);
    const losses = batches.map((batch) => this.#accumulate(batch, batch.terms / terms));
    this.#optimizer.step(learningRate);
    const outcome = this.#read(planned, batches, losses, this.#optimizer.normSquared.item());
    // Whoever stops early leaves the last step unread; its failure must not end the process.
    outcome.catch(() => {});
    return {
      planned,
      learningRate,
      rows: planned.batches.reduce((total, rows) => total + rows.length, 0),
      tokens: sum((batch) => batch.tokens),
      paddedTokens: sum((batch) => batch.paddedTokens),
      outcome,
    };
  }

  /** Adds the batch's gradients to the arena. @param share of the step's losses @returns each loss */
  #accumulate(batch: ObjectiveBatch, share: number): Promise<ArrayLike<number>> {
    return this.#device.scope(() => {
      const tape = new Tape();
      const { loss, losses } = tape.record(() => batch.loss());
      tape.backward(loss, share === 1 ? undefined : this.#device.full([1], share));
      return { reading: losses.read() };
    }).reading;
  }

  async #read(
    planned: PlannedStep,
    batches: readonly ObjectiveBatch[],
    losses: readonly Promise<ArrayLike<number>>[],
    normSquared: Promise<number>,
  ): Promise<{ loss: number; gradientNorm: number }> {
    const [values, squared] = await Promise.all([Promise.all(losses), normSquared]);
    let sum = 0;
    let count = 0;
    const bad = new Set<number>();
    values.forEach((each, b) => {
      for (let i = 0; i < each.length; i++) {
        sum += each[i];
        count++;
        if (!Number.isFinite(each[i])) bad.add(batches[b].rowOf(i));
      }
    });
    const loss = sum / count;
    const gradientNorm = Math.sqrt(squared);
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm))
      throw notFinite(planned, [...bad], loss, gradientNorm);
    return { loss, gradientNorm };
  }
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
