// The section of a loading result in benchmarks/README.md.

const number = (value, digits = 2) => value.toFixed(digits);

/** @param tools `{ table, spread, machine }` of benchmarks/render.mjs. */
export function renderLoading(
  { name, date, fingerprint, loadBefore, workload, check, contenders },
  { table, spread, machine },
) {
  const measured = table(
    ["contender", "rows/s", "all, s", "load, s", "tokenize, s", "batches, s", "peak memory", "rounds"],
    contenders.map(({ name: who, samplesPerSecond, seconds, peakMemoryBytes }) => [
      who,
      spread(samplesPerSecond, 0),
      ...["all", "load", "tokenize", "batches"].map((part) => number(seconds[part].median)),
      `${number(peakMemoryBytes / 2 ** 20, 0)} MiB`,
      samplesPerSecond.n,
    ]),
  );
  return [
    "## Loading: from parquet to packed batches",
    `${workload.rows}; ${workload.vocabulary}, maximum length ${workload.maxLength}, batches of ${workload.batchSize}, ${workload.threads} thread. ` +
      "Each measurement is a process of its own; peak memory is that of the whole process.",
    measured,
    `Checked: ${check.what} (${check.tokens} tokens).`,
    `${machine(fingerprint)} Load before the rounds ${number(loadBefore)}. Measured ${date}; \`results/${name}.json\`.`,
  ].join("\n\n");
}
