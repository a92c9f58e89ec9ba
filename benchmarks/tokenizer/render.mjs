// The section of a tokenizer result in benchmarks/README.md.

/** @param tools `{ table, spread, machine }` of benchmarks/render.mjs. */
export function renderTokenizer(
  { name, date, fingerprint, loadBefore, workload, check, contenders },
  { table, spread, machine },
) {
  const measured = table(
    ["contender", "MB/s", "of tokenizers' rate", "texts/s", "rounds"],
    contenders.map(({ name: who, megabytesPerSecond, ratio, samplesPerSecond }) => [
      who,
      spread(megabytesPerSecond, 1),
      `${spread(ratio, 1)}×`,
      samplesPerSecond.median.toFixed(0),
      samplesPerSecond.n,
    ]),
  );
  return [
    `## Tokenization, one thread: ${workload.corpus}`,
    `${workload.texts} texts, ${workload.megabytes.toFixed(1)} MB of UTF-8, ${workload.model}, no truncation. Loading the tokenizer from its folder took us ` +
      `${workload.loadMilliseconds.toFixed(0)} ms.`,
    measured,
    `Checked first: ${check.what} (${check.different} differ).`,
    `${machine(fingerprint)} Load before the rounds ${loadBefore.toFixed(2)}. Measured ${date}; \`results/${name}.json\`.`,
  ].join("\n\n");
}
