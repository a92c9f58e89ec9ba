// The section of a frozen result in benchmarks/README.md.
import { processorClass } from "../lib/fingerprint.mjs";

/** @param tools `{ table, spread, machine, triedTables }` of benchmarks/render.mjs. */
export function renderFrozen(
  { name, date, fingerprint, loadBefore, workload, check, contenders },
  { table, spread, machine, triedTables },
) {
  const notebook = contenders.find(({ name: who }) => who.startsWith("pytorch"));
  return [
    `## A classifier on a frozen encoder, processor class ${processorClass(fingerprint)}`,
    `${workload.rows} at length ${workload.length}; ${workload.layers} layers × ${workload.hiddenSize}, ${workload.threads} threads. The notebook passes them through the encoder in ` +
      `each of ${workload.epochs} epochs, padded to ${workload.length}; a probe needs their features once.`,
    table(
      ["contender", "settings", "seconds", "times as fast", "rounds"],
      contenders.map(({ name: who, settings, seconds, samplesPerSecond }) => [
        who,
        settings.join("; "),
        spread(seconds, 1),
        `${(notebook.seconds.median / seconds.median).toFixed(1)}×`,
        samplesPerSecond.n,
      ]),
    ),
    ...triedTables(contenders, "fastest step, s"),
    `Checked: ${check.what}.`,
    `${machine(fingerprint)} Load before ${loadBefore.toFixed(2)}. Measured ${date}; \`results/${name}.json\`.`,
  ].join("\n\n");
}
