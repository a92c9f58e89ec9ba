// Conventions: every tensor here is flat, a range of an arena; moments exist for what is trained and for nothing else.
import { adamw, type Device, sumOfSquares, type Tensor, updateLossScale } from "@node-bert/core-native";
import type { TrainableRange } from "../parameters/ranges.js";

type SweptRange = Pick<TrainableRange, "parameter" | "gradient" | "copy" | "decay">;

export interface AdamWSettings {
  beta1: number;
  beta2: number;
  epsilon: number;
  weightDecay: number;
  /** 0: no clipping. */
  maxGradientNorm: number;
  /** For f16: the loss is multiplied by {@link AdamW.lossScale} before backward. */
  scalesLoss?: boolean;
}

/** As torch.amp.GradScaler's. */
const FIRST_LOSS_SCALE = 65536;

/**
 * AdamW (Loshchilov & Hutter 2019) over ranges of arenas, equal to `torch.optim.AdamW` after `clip_grad_norm_`. One pass computes the norm of
 * all gradients, a second clips, decays, updates, writes 16-bit copies and clears the gradients. The norm never leaves the device in between.
 */
export class AdamW implements Disposable {
  /** First and second moments of all ranges, one after another, (n). */
  readonly firstMoment: Tensor;
  readonly secondMoment: Tensor;
  /** Squared norm of the last step's gradients before clipping, (1). */
  readonly normSquared: Tensor;
  /**
   * For f16, (2): the scale of the loss and a count. A step whose gradients overflow changes nothing but halves the scale; 2000 without
   * one double it. (It still counts as a step for schedule and bias correction.)
   */
  readonly lossScale: Tensor | undefined;
  /** Steps taken. */
  steps = 0;
  readonly #device: Device;
  readonly #ranges: readonly (SweptRange & { m: Tensor; v: Tensor })[];
  readonly #settings: AdamWSettings;

  /** @param ranges at least one */
  constructor(ranges: readonly SweptRange[], settings: AdamWSettings) {
    const size = ranges.reduce((sum, range) => sum + range.parameter.size, 0);
    this.#device = ranges[0].parameter.device;
    this.#settings = settings;
    this.firstMoment = this.#device.zeros([size]);
    this.secondMoment = this.#device.zeros([size]);
    this.normSquared = this.#device.zeros([1]);
    if (settings.scalesLoss) this.lossScale = this.#device.tensor(new Float32Array([FIRST_LOSS_SCALE, 0]));
    let offset = 0;
    this.#ranges = ranges.map((range) => {
      const { size: n } = range.parameter;
      const placed = { ...range, m: this.firstMoment.view([n], offset), v: this.secondMoment.view([n], offset) };
      offset += n;
      return placed;
    });
  }

  /** Enqueues one step with the gradients gathered so far, and clears them. */
  step(learningRate: number): void {
    const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = this.#settings;
    this.steps++;
    this.#device.run("fill", [this.normSquared], [0]);
    for (const { gradient } of this.#ranges) sumOfSquares(gradient, this.normSquared);
    for (const { parameter, gradient, m, v, copy, decay } of this.#ranges)
      adamw(parameter, gradient, m, v, {
        learningRate,
        beta1,
        beta2,
        eps: epsilon,
        weightDecay: decay ? weightDecay : 0,
        step: this.steps,
        normSquared: this.normSquared,
        maxNorm: maxGradientNorm,
        copy,
        lossScale: this.lossScale,
      });
    if (this.lossScale !== undefined) updateLossScale(this.lossScale, this.normSquared);
  }

  dispose(): void {
    for (const { m, v } of this.#ranges) {
      m.dispose();
      v.dispose();
    }
    this.firstMoment.dispose();
    this.secondMoment.dispose();
    this.normSquared.dispose();
    this.lossScale?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
