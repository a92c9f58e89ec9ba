// The section of an int8 result in benchmarks/README.md.
import { processorClass } from "../lib/fingerprint.mjs";

const percent = (share) => (100 * share).toFixed(2);

/** @param tools `{ table, spread, machine }` of benchmarks/render.mjs. */
export function renderInt8(
  { name, date, fingerprint, loadBefore, workload, check, pointsLost, runs },
  { table, spread, machine },
) {
  return [
    `## What int8 costs in accuracy, processor class ${processorClass(fingerprint)}`,
    `${workload.model}; ${workload.rows}, at length ${workload.maxLength}. **${spread(pointsLost)} points lost.**`,
    table(
      ["seed", "fp32, %", "int8, %", "points lost"],
      runs.map(({ seed, fp32, int8, pointsLost: lost }) => [seed, percent(fp32), percent(int8), lost.toFixed(2)]),
    ),
    `Checked: ${check.what}.`,
    `${machine(fingerprint)} Load before ${loadBefore.toFixed(2)}. Measured ${date}; \`results/${name}.json\`.`,
  ].join("\n\n");
}
