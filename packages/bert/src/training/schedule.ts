export type SchedulerName = "linear" | "constant" | "cosine";

/**
 * The factor of the learning rate in the step after `completed` ones: transformers' `get_linear_schedule_with_warmup`,
 * `get_constant_schedule_with_warmup` and `get_cosine_schedule_with_warmup`. With warm-up the first step's rate is 0.
 * @param steps of the whole training
 * @example
 * scheduleFactor("linear", 5, 0, 10); // 0.5
 */
export function scheduleFactor(name: SchedulerName, completed: number, warmupSteps: number, steps: number): number {
  if (completed < warmupSteps) return completed / Math.max(1, warmupSteps);
  if (name === "constant") return 1;
  const rest = Math.max(1, steps - warmupSteps);
  if (name === "linear") return Math.max(0, (steps - completed) / rest);
  return Math.max(0, 0.5 * (1 + Math.cos((Math.PI * (completed - warmupSteps)) / rest)));
}
