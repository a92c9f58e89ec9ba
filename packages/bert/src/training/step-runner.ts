import { type Device, Tape, type Tensor } from "@node-bert/core-native";
import type { SequenceClassifier } from "../model/types.js";
import type { AdamW } from "./adamw.js";
import { NotFiniteError } from "./errors.js";
import type { PlannedStep } from "./plan.js";
import { type EncodedRows, takeRows } from "./rows.js";

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
export class StepRunner implements Disposable {
  readonly #model: SequenceClassifier;
  readonly #device: Device;
  readonly #optimizer: AdamW;
  readonly #rows: EncodedRows;
  readonly #seed: number;
  /** Gradients of a batch's mean loss by its share of the step's rows, (1) each. */
  readonly #weights = new Map<number, Tensor>();

  constructor(model: SequenceClassifier, optimizer: AdamW, rows: EncodedRows, seed: number) {
    this.#model = model;
    this.#device = model.device;
    this.#optimizer = optimizer;
    this.#rows = rows;
    this.#seed = seed;
  }

  /** Enqueues forward and backward passes of the step's batches and the optimizer's sweep, and returns at once. */
  enqueue(planned: PlannedStep, learningRate: number): StepInFlight {
    // The masks depend on seed and step alone, so that evaluating in between or resuming changes nothing.
    this.#device.setDropoutState(this.#seed, planned.step);
    const stepRows = planned.batches.reduce((sum, rows) => sum + rows.length, 0);
    const losses: Promise<ArrayLike<number>>[] = [];
    let tokens = 0;
    let paddedTokens = 0;
    for (const rows of planned.batches) {
      const batch = takeRows(this.#rows, rows);
      losses.push(this.#accumulate(batch, rows.length / stepRows));
      tokens += batch.inputIds.length;
      paddedTokens += rows.length * longest(batch.cuSeqlens);
    }
    this.#optimizer.step(learningRate);
    const outcome = this.#read(planned, losses, this.#optimizer.normSquared.item());
    // Whoever stops early leaves the last step unread; its failure must not end the process.
    outcome.catch(() => {});
    return { planned, learningRate, rows: stepRows, tokens, paddedTokens, outcome };
  }

  /** Adds the batch's gradients to the arena. @returns the loss of each row */
  #accumulate(batch: EncodedRows, share: number): Promise<ArrayLike<number>> {
    const weight = share === 1 ? undefined : this.#weight(share);
    return this.#device.scope(() => {
      const tape = new Tape();
      const { loss, losses } = tape.record(() => this.#model.loss(batch as EncodedRows & { labels: Int32Array }));
      tape.backward(loss, weight);
      return { reading: losses.read() };
    }).reading;
  }

  #weight(share: number): Tensor {
    let weight = this.#weights.get(share);
    if (weight === undefined) {
      weight = this.#device.full([1], share);
      this.#weights.set(share, weight);
    }
    return weight;
  }

  async #read(
    planned: PlannedStep,
    losses: readonly Promise<ArrayLike<number>>[],
    normSquared: Promise<number>,
  ): Promise<{ loss: number; gradientNorm: number }> {
    const [batches, squared] = await Promise.all([Promise.all(losses), normSquared]);
    let sum = 0;
    let count = 0;
    const bad: number[] = [];
    batches.forEach((values, b) => {
      for (let i = 0; i < values.length; i++) {
        sum += values[i];
        count++;
        if (!Number.isFinite(values[i])) bad.push(planned.batches[b][i]);
      }
    });
    const loss = sum / count;
    const gradientNorm = Math.sqrt(squared);
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) throw notFinite(planned, bad, loss, gradientNorm);
    return { loss, gradientNorm };
  }

  dispose(): void {
    for (const weight of this.#weights.values()) weight.dispose();
    this.#weights.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
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

function longest(cuSeqlens: Int32Array): number {
  let most = 0;
  for (let b = 1; b < cuSeqlens.length; b++) most = Math.max(most, cuSeqlens[b] - cuSeqlens[b - 1]);
  return most;
}
