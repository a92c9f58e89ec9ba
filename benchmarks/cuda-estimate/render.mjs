// The section of the CUDA estimate in benchmarks/README.md, from step.json.
import { estimate, GPUS, SECONDS_A_LAUNCH } from "./roofline.mjs";

const milliseconds = (seconds) => (seconds * 1e3).toFixed(2);
const sum = (operations, key) => operations.reduce((total, operation) => total + operation[key], 0);

/** What GPUs took for the step that the estimate is of. */
function measuredSteps({ batchSize, length, precision }, results) {
  return results
    .filter(({ benchmark, fingerprint, workload }) => {
      const isSame = workload.batchSize === batchSize && workload.length === length && workload.size === "base";
      return benchmark === "training" && fingerprint.gpu !== undefined && isSame;
    })
    .flatMap(({ fingerprint, contenders }) =>
      contenders
        .filter(({ name }) => name === `node-bert-${precision}`)
        .map(({ secondsPerStep }) => `${fingerprint.gpu} takes ${milliseconds(secondsPerStep.median)} ms`),
    );
}

/** @param table of benchmarks/render.mjs. */
export function renderCudaEstimate({ date, commit, workload, operations, synchronisations }, results, table) {
  const measured = measuredSteps(workload, results);
  const families = ["matrix products", "attention", "optimizer", "other kernels"];
  const rows = Object.entries(GPUS).map(([name, gpu]) => {
    const { seconds, total, launches } = estimate(operations, gpu);
    return [
      name,
      ...families.map((family) => milliseconds(seconds[family] ?? 0)),
      milliseconds(total),
      milliseconds(total + launches * SECONDS_A_LAUNCH),
      (workload.batchSize / (total + launches * SECONDS_A_LAUNCH)).toFixed(0),
    ];
  });
  const head = ["GPU", ...families, "together, ms", "with launches, ms", "sequences/s"];
  return [
    `## CUDA: an estimate, not a measurement (${workload.batchSize} × ${workload.length}, ${workload.precision})`,
    `**${measured.length === 0 ? "No GPU has run this." : `Measured: ${measured.join("; ")} (above).`}** ` +
      "The emulator executed the kernels of a training step and counted; the table is a roofline over these counts: what each " +
      "operation takes at the data sheet's memory rate and arithmetic rate, one after another, if no cache helps (gamma and beta count once a row). It is neither " +
      "a bound nor a forecast.",
    `A step of ${workload.model} (${workload.layers} layers × ${workload.hiddenSize}): ${sum(operations, "count")} launches, ` +
      `${(sum(operations, "bytes") / 1e9).toFixed(2)} GB, ${(sum(operations, "tensorFlops") / 1e9).toFixed(0)} GFLOP on tensor cores and ` +
      `${(sum(operations, "flops") / 1e9).toFixed(1)} GFLOP beside them, ${synchronisations} synchronisations. With launches: ${SECONDS_A_LAUNCH * 1e6} µs each is assumed.`,
    table(head, rows),
    `Counted on ${workload.counted}. Commit ${commit}, ${date}; \`cuda-estimate/step.json\`, made by \`node benchmarks/cuda-estimate/count.mjs\`.`,
  ].join("\n\n");
}
