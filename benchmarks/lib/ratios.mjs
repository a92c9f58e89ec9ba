// How contenders of one result compare: always in the same round, so that a disturbance of the machine meets both.
import { summarize } from "./statistics.mjs";

/** How many times the rate of `theirs` the rate of `ours` is. Both have the seconds of a step or batch in `rounds`. */
export function timesTheRate(ours, theirs) {
  return summarize(ours.rounds.map((seconds, round) => theirs.rounds[round] / seconds));
}

/** The contender with the highest median rate among those whose names the pattern matches; undefined when there is none. */
export function fastest(contenders, pattern) {
  const found = contenders.filter(({ name }) => pattern.test(name));
  if (found.length === 0) return undefined;
  return found.reduce((a, b) => (a.samplesPerSecond.median >= b.samplesPerSecond.median ? a : b));
}
