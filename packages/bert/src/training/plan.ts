// Which rows a step trains on is a function of the arguments, the seed and the step's number alone: that is what makes a resumed run
// continue exactly, with no generator to save.
import type { TrainingArguments } from "./arguments.js";
import { randomFrom, shuffle } from "./random.js";

export interface TrainingPlan {
  rows: number;
  /** Where rows start among the tokens, (rows + 1); only when batches are counted in tokens. */
  cuSeqlens: Int32Array | undefined;
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

/**
 * As Hugging Face's Trainer counts: an incomplete last batch and an incomplete last accumulation are steps too.
 * @param cuSeqlens where rows start among the tokens, (rows + 1)
 */
export function planTraining(args: TrainingArguments, cuSeqlens: Int32Array): TrainingPlan {
  const rows = cuSeqlens.length - 1;
  const byTokens = args.tokensPerBatch !== undefined;
  const batchesPerEpoch = byTokens
    ? Math.min(rows, Math.ceil(cuSeqlens[rows] / args.tokensPerBatch!))
    : Math.ceil(rows / args.batchSize);
  const stepsPerEpoch = Math.ceil(batchesPerEpoch / args.gradientAccumulation);
  const steps = args.maxSteps > 0 ? args.maxSteps : Math.ceil(args.epochs * stepsPerEpoch);
  const warmupSteps = args.warmupSteps > 0 ? args.warmupSteps : Math.ceil(steps * args.warmupRatio);
  return { rows, cuSeqlens: byTokens ? cuSeqlens : undefined, batchesPerEpoch, stepsPerEpoch, steps, warmupSteps };
}

/** The steps from `first` (from 1) to the last. */
export function* plannedSteps(args: TrainingArguments, plan: TrainingPlan, first = 1): Generator<PlannedStep> {
  let order: Int32Array | undefined;
  let ends: Int32Array | undefined;
  let orderOf = -1;
  for (let step = first; step <= plan.steps; step++) {
    const epoch = Math.floor((step - 1) / plan.stepsPerEpoch);
    if (orderOf !== epoch || order === undefined || ends === undefined) {
      order = rowOrder(args, plan.rows, epoch);
      ends = batchEnds(args, plan, order);
      orderOf = epoch;
    }
    const position = (step - 1) % plan.stepsPerEpoch;
    const firstBatch = position * args.gradientAccumulation;
    const lastBatch = Math.min(firstBatch + args.gradientAccumulation, plan.batchesPerEpoch);
    const batches: Int32Array[] = [];
    for (let b = firstBatch; b < lastBatch; b++) batches.push(order.slice(b === 0 ? 0 : ends[b - 1], ends[b]));
    yield { step, epoch, batches, endsEpoch: position === plan.stepsPerEpoch - 1 || step === plan.steps };
  }
}

/** Where each batch ends in the order of an epoch's rows. Counted in tokens, all have as many, within a row's length; each has a row. */
function batchEnds(args: TrainingArguments, plan: TrainingPlan, order: Int32Array): Int32Array {
  const { rows, cuSeqlens, batchesPerEpoch } = plan;
  const ends = new Int32Array(batchesPerEpoch);
  if (cuSeqlens === undefined) return ends.map((_, b) => Math.min(rows, (b + 1) * args.batchSize));
  let tokens = 0;
  for (let i = 0, b = 0; b < batchesPerEpoch; b++) {
    const goal = ((b + 1) / batchesPerEpoch) * cuSeqlens[rows];
    const most = rows - (batchesPerEpoch - 1 - b);
    for (const first = i; i < most && (i === first || tokens < goal); i++)
      tokens += cuSeqlens[order[i] + 1] - cuSeqlens[order[i]];
    ends[b] = b === batchesPerEpoch - 1 ? rows : i;
  }
  return ends;
}

/** The order of rows in an epoch, (rows). */
export function rowOrder(args: Pick<TrainingArguments, "order" | "seed">, rows: number, epoch: number): Int32Array {
  const order = Int32Array.from({ length: rows }, (_, row) => row);
  return args.order === "sequential" ? order : shuffle(order, randomFrom(args.seed, epoch));
}
