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
    const reads = this.#device.scope(() => {
      const { losses, scale } = this.#device.step(() => {
        const made = batches.map((batch) => this.#accumulate(batch, batch.terms / terms));
        const before = this.#lossScale();
        this.#optimizer.step(learningRate);
        return { losses: made, scale: before };
      });
      // After the step: reading would split it.
      return {
        losses: losses.map((each) => each.read()),
        norm: this.#optimizer.normSquared.item(),
        scale: scale?.item(),
      };
    });
    const outcome = this.#read(planned, batches, reads);
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
  #accumulate(batch: ObjectiveBatch, share: number): Tensor {
    return this.#device.scope(() => {
      const tape = new Tape();
      const { loss, losses } = tape.record(() => batch.loss());
      tape.backward(loss, this.#gradientOfLoss(share), { keep: [losses] });
      return losses;
    });
  }

  /** What backward starts from; undefined stands for 1. */
  #gradientOfLoss(share: number): Tensor | undefined {
    const weight = share === 1 ? undefined : this.#device.full([1], share);
    const scale = this.#optimizer.lossScale?.view([1, 1]);
    if (scale === undefined) return weight;
    return (weight === undefined ? scale : linear(scale, weight.view([1, 1]))).view([1]);
  }

  /** The present scale of the loss, (1), to be read when the step is through. */
  #lossScale(): Tensor | undefined {
    const { lossScale } = this.#optimizer;
    if (lossScale === undefined) return undefined;
    const copy = this.#device.empty([1]);
    this.#device.run("convert", [lossScale.view([1]), copy], []);
    return copy;
  }

  async #read(
    planned: PlannedStep,
    batches: readonly ObjectiveBatch[],
    reads: { losses: Promise<ArrayLike<number>>[]; norm: Promise<number>; scale: Promise<number> | undefined },
  ): Promise<{ loss: number; gradientNorm: number }> {
    const [values, squared, scale] = await Promise.all([Promise.all(reads.losses), reads.norm, reads.scale]);
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
    const gradientNorm = Math.sqrt(squared) / (scale ?? 1);
    // With a scaled loss an overflow is no failure: the optimizer skipped the step and the scale falls. Below 1 scaling is not what is wrong.
    const overflowed = scale !== undefined && scale >= 1;
    if (!Number.isFinite(loss) || !(Number.isFinite(gradientNorm) || overflowed))
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
