// The best settings of a contender on this machine: one choice after another is tried while the others stay at the best so far, because the
// whole grid would take longer than the measurement.

/**
 * @param choices for each choice its options, `{ flags, environment, says }` with what applies of these; the first is where the search begins
 * @param build makes a contender's spec of the options taken, one of each choice
 * @param measure resolves to the seconds of one step or batch of a spec, lower is better, and what else is recorded of it
 * @returns the best spec with the options it has, and every one that was tried, best first
 */
export async function tune(choices, build, measure) {
  const tried = [];
  async function attempt(options) {
    const spec = build(options);
    tried.push({ options, spec, settings: spec.settings, ...(await measure(spec)) });
  }
  const best = () => tried.reduce((a, b) => (b.secondsPerStep < a.secondsPerStep ? b : a));
  await attempt(choices.map(([first]) => first));
  for (const [place, choice] of choices.entries())
    for (const option of choice.slice(1)) await attempt(best().options.with(place, option));
  tried.sort((a, b) => a.secondsPerStep - b.secondsPerStep);
  const [{ spec, options }] = tried;
  return { best: spec, options, tried: tried.map(({ options: _options, spec: _spec, ...kept }) => kept) };
}

/** The flags, environment and words of options taken together. */
export function together(options) {
  return {
    flags: options.flatMap(({ flags = [] }) => flags),
    environment: Object.assign({}, ...options.map(({ environment }) => environment)),
    settings: options.flatMap(({ says }) => (says === undefined ? [] : [says])),
  };
}
