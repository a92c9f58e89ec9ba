// Which rows a step trains on is a function of the arguments, the seed and the step's number alone: that is what makes a resumed run
// continue exactly, with no generator to save.
import type { TrainingArguments } from "./arguments.js";
import { randomFrom, shuffle } from "./random.js";

export interface TrainingPlan {
  rows: number;
  batchesPerEpoch: number;
  stepsPerEpoch: number;
  /** Steps of the whole training. */
  steps: number;
  warmupSteps: number;
}

export interface PlannedStep {
  /** From 1. */
  step: number;
  /** From 0. */
  epoch: number;
  /** Row numbers of each batch whose gradients are summed; the last of an epoch may be shorter, and fewer, as in Hugging Face. */
  batches: Int32Array[];
  endsEpoch: boolean;
}

/** As Hugging Face's Trainer counts: an incomplete last batch and an incomplete last accumulation are steps too. */
export function planTraining(args: TrainingArguments, rows: number): TrainingPlan {
  const batchesPerEpoch = Math.ceil(rows / args.batchSize);
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / args.gradientAccumulation);
  const steps = args.maxSteps > 0 ? args.maxSteps : Math.ceil(args.epochs * stepsPerEpoch);
  const warmupSteps = args.warmupSteps > 0 ? args.warmupSteps : Math.ceil(steps * args.warmupRatio);
  return { rows, batchesPerEpoch, stepsPerEpoch, steps, warmupSteps };
}

/** The steps from `first` (from 1) to the last. */
export function* plannedSteps(args: TrainingArguments, plan: TrainingPlan, first = 1): Generator<PlannedStep> {
  let order: Int32Array | undefined;
  let orderOf = -1;
  for (let step = first; step <= plan.steps; step++) {
    const epoch = Math.floor((step - 1) / plan.stepsPerEpoch);
    if (orderOf !== epoch || order === undefined) {
      order = rowOrder(args, plan.rows, epoch);
      orderOf = epoch;
    }
    const position = (step - 1) % plan.stepsPerEpoch;
    const firstBatch = position * args.gradientAccumulation;
    const lastBatch = Math.min(firstBatch + args.gradientAccumulation, plan.batchesPerEpoch);
    const batches: Int32Array[] = [];
    for (let b = firstBatch; b < lastBatch; b++)
      batches.push(order.slice(b * args.batchSize, (b + 1) * args.batchSize));
    yield { step, epoch, batches, endsEpoch: position === plan.stepsPerEpoch - 1 || step === plan.steps };
  }
}

/** The order of rows in an epoch, (rows). */
export function rowOrder(args: Pick<TrainingArguments, "order" | "seed">, rows: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length: rows }, (_, row) => row);
  return args.order === "sequential" ? order : shuffle(order, randomFrom(args.seed, epoch));
}
