// The section of a growth result in benchmarks/README.md.
import { processorClass } from "../lib/fingerprint.mjs";

const TITLES = {
  batch: "with the batch, sequences of 128 tokens",
  length: "with the length, 8 sequences",
  rows: "with the number of rows, one pass in batches of 32",
  memory: "of memory with the steps",
};

/** @param tools `{ table, spread, machine }` of benchmarks/render.mjs. */
export function renderGrowth(
  { name, date, fingerprint, loadBefore, workload, check, contenders, grownBytes, memory },
  { table, spread, machine },
) {
  const grown =
    grownBytes === undefined
      ? ""
      : `Resident memory grew by ${(grownBytes / 2 ** 20).toFixed(1)} MiB from a tenth of the steps on, to ${(memory.at(-1).bytes / 2 ** 20).toFixed(0)} MiB.`;
  return [
    `## Growth ${TITLES[workload.what]}, processor class ${processorClass(fingerprint)}`,
    `${workload.layers} layers × ${workload.hiddenSize}, random weights, ${workload.precision}, ${workload.threads} threads.`,
    `![sequences or tokens a second, ${workload.what}](plots/${name}.svg)`,
    table(
      ["work", workload.what, "sequences/s", "tokens/s", "rounds"],
      contenders.map(({ series, value, samplesPerSecond, tokensPerSecond }) => [
        series,
        value,
        spread(samplesPerSecond),
        spread(tokensPerSecond, 0),
        samplesPerSecond.n,
      ]),
    ),
    grown,
    `Checked: ${check.what}.`,
    `${machine(fingerprint)} Load before ${loadBefore.toFixed(2)}. Measured ${date}; \`results/${name}.json\`.`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}
