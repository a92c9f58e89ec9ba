import type { Tensor } from "@node-bert/core-native";
import type { TrainableRange } from "../parameters/ranges.js";
import type { TrainingArguments } from "./arguments.js";
import type { Scores } from "./events.js";

/** Keeps a copy, on the device, of the trained parameters as they were at the best evaluation. */
export class BestWeights implements Disposable {
  readonly #ranges: readonly TrainableRange[];
  readonly #metricName: TrainingArguments["metricForBestModel"];
  /** The parameters as they were then, one tensor a range. */
  copies: readonly Tensor[] | undefined;
  best: { step: number; metric: number } | undefined;

  constructor(ranges: readonly TrainableRange[], metricName: TrainingArguments["metricForBestModel"]) {
    this.#ranges = ranges;
    this.#metricName = metricName;
  }

  /** Copies the parameters when the evaluation is better than all before; of equals the first stays. */
  consider(step: number, evaluation: Scores & { f1?: number; mcc?: number }): void {
    const metric = evaluation[this.#metricName] as number;
    const better =
      this.best === undefined || (this.#metricName === "loss" ? metric < this.best.metric : metric > this.best.metric);
    if (!better) return;
    const copies = this.adopt({ step, metric });
    this.#ranges.forEach(({ parameter }, i) => {
      parameter.device.run("convert", [parameter, copies[i]], []);
    });
  }

  /** Makes room for parameters that were the best, at first undefined, to be written by the caller. */
  adopt(best: { step: number; metric: number }): readonly Tensor[] {
    this.best = best;
    this.copies ??= this.#ranges.map(({ parameter }) => parameter.device.empty(parameter.shape, parameter.dtype));
    return this.copies;
  }

  /** Puts the best parameters back. */
  restore(): void {
    this.#ranges.forEach(({ parameter, copy }, i) => {
      const kept = this.copies?.[i];
      if (kept === undefined) return;
      parameter.device.run("convert", [kept, parameter], []);
      if (copy !== undefined) parameter.device.run("convert", [kept, copy], []);
    });
  }

  dispose(): void {
    for (const copy of this.copies ?? []) copy.dispose();
    this.copies = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
