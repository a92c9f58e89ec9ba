// The section of a limits result in benchmarks/README.md.
import { processorClass } from "../lib/fingerprint.mjs";

const percent = ({ median, p10, p90 }) =>
  `${(100 * median).toFixed(0)} % (${(100 * p10).toFixed(0)}–${(100 * p90).toFixed(0)})`;

/** @param tools `{ table, spread, machine }` of benchmarks/render.mjs. */
export function renderLimits(
  { name, date, fingerprint, loadBefore, workload, check, contenders, bandwidth, products, sweeps },
  { table, spread, machine },
) {
  const steps = products.map(({ precision, productSeconds, flopsPerStep, flopsPerSecond, share }) => {
    const step = contenders.find((contender) => contender.name === `node-bert-${precision}`);
    const rate = `${(flopsPerStep / 1e12).toFixed(2)} TFLOP at ${(flopsPerSecond / 1e9).toFixed(0)} GFLOP/s: ${productSeconds.toFixed(3)} s`;
    return [`training step, ${precision}`, spread(step.secondsPerStep, 3), rate, percent(share), share.n];
  });
  const memory = sweeps.map(({ name: what, parameters, seconds, bytesPerSecond, share }) => {
    const rate = `${(bytesPerSecond.median / 1e9).toFixed(1)} GB/s of ${(bandwidth / 1e9).toFixed(1)} GB/s`;
    return [
      `${what}, ${(parameters / 1e6).toFixed(0)} M parameters`,
      spread(seconds, 3),
      rate,
      percent(share),
      share.n,
    ];
  });
  return [
    `## Share of the machine's limits, ${workload.batchSize} × ${workload.length}, processor class ${processorClass(fingerprint)}`,
    `${workload.model}, ${workload.layers} layers × ${workload.hiddenSize}, ${workload.threads} threads. The limit of a step is the time of its linear layers' products, each at the best ` +
      "rate that oneDNN reached for that shape in the same run; that of the sweep is the bandwidth of one large vector added to another, right after it.",
    table(["work", "seconds", "limit", "share of it", "rounds"], [...steps, ...memory]),
    `Checked: ${check.what}.`,
    `${machine(fingerprint)} Load before the rounds ${loadBefore.toFixed(2)}. Measured ${date}; \`results/${name}.json\`.`,
  ].join("\n\n");
}
