// The section of a startup result in benchmarks/README.md.
import { processorClass } from "../lib/fingerprint.mjs";

/** @param tools `{ table, spread, machine }` of benchmarks/render.mjs. */
export function renderStartup(
  { name, date, fingerprint, loadBefore, workload, check, contenders },
  { table, spread, machine },
) {
  const measured = table(
    ["process", "wall clock, s", "processor time, s", "rounds"],
    contenders.map(({ name: what, wallSeconds, processorSeconds }) => [
      what,
      spread(wallSeconds, 3),
      spread(processorSeconds, 3),
      wallSeconds.n,
    ]),
  );
  return [
    `## From the shell to the first answer, processor class ${processorClass(fingerprint)}`,
    `\`bert predict\` of one text with ${workload.model}, its folder in the page cache; the whole life of the process, a new one each round.`,
    measured,
    `Checked: ${check.what}.`,
    `${machine(fingerprint)} Load before the rounds ${loadBefore.toFixed(2)}. Measured ${date}; \`results/${name}.json\`.`,
  ].join("\n\n");
}
