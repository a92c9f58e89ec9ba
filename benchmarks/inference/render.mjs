// The section of an inference result in benchmarks/README.md.
import { fastest, timesTheRate } from "../lib/ratios.mjs";

/** @param tools `{ table, spread, machine, placeOf, triedTables }` of benchmarks/render.mjs. */
export function renderInference(
  { name, date, fingerprint, loadBefore, workload, check, contenders },
  { table, spread, machine, placeOf, triedTables },
) {
  const measured = table(
    ["contender", "settings", "sequences/s", "ms a batch (one call)", "peak memory", "difference", "rounds"],
    contenders.map((contender) => [
      contender.name,
      contender.settings.join("; "),
      spread(contender.samplesPerSecond),
      spread(inMilliseconds(contender.secondsPerBatch)),
      `${(contender.peakMemoryBytes / 2 ** 30).toFixed(2)} GiB`,
      check.worst[contender.name].toExponential(1),
      contender.samplesPerSecond.n,
    ]),
  );
  const best = fastest(contenders, /^pytorch/);
  const compared = contenders
    .filter((contender) => best !== undefined && contender.name.startsWith("node-bert"))
    .map((ours) => `- **${ours.name}: ${spread(timesTheRate(ours, best))}× the rate of ${best.name}.**`);
  return [
    `## Inference ${workload.batchSize} × ${workload.length}, ${workload.layers} layers × ${workload.hiddenSize}${fingerprint.gpu === undefined ? `, ${workload.threads} thread${workload.threads > 1 ? "s" : ""}` : ""}, ${placeOf(fingerprint)}`,
    `${workload.model}, ${workload.rows}; rounds of ${workload.secondsPerRound} s.`,
    `![sequences a second](plots/${name}.svg)`,
    measured,
    compared.join("\n"),
    `Checked first: ${check.what}.`,
    ...triedTables(contenders, "fastest batch, s"),
    `${machine(fingerprint)} Load before the rounds ${loadBefore.toFixed(2)}. Measured ${date}; \`results/${name}.json\`.`,
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

const inMilliseconds = ({ median, p10, p90 }) => ({ median: 1000 * median, p10: 1000 * p10, p90: 1000 * p90 });
