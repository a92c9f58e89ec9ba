// The sections of tokenizer results in benchmarks/README.md.

/** Rates. @param tools `{ table, spread, machine }` of benchmarks/render.mjs. */
export function renderTokenizer(
  { name, date, fingerprint, loadBefore, workload, check, contenders },
  { table, spread, machine },
) {
  const measured = table(
    ["contender", "threads", "MB/s", "of tokenizers' rate", "of one thread's", "texts/s", "rounds"],
    contenders.map(({ name: who, threads, megabytesPerSecond, ratio, scaling, samplesPerSecond }) => [
      who,
      threads,
      spread(megabytesPerSecond, 1),
      `${spread(ratio, 1)}×`,
      threads === 1 ? "" : `${spread(scaling, 2)}×`,
      samplesPerSecond.median.toFixed(0),
      samplesPerSecond.n,
    ]),
  );
  const { corpus, texts, megabytes, model, loadMilliseconds } = workload;
  return [
    `## Tokenization: ${corpus}`,
    `${texts} texts, ${megabytes.toFixed(1)} MB of UTF-8, ${model}, no truncation; slower contenders get some of the texts. "Of tokenizers' rate" compares with as many threads; "a process each" is as far as work that shares nothing scales on this machine. ` +
      `Loading the tokenizer from its folder takes us ${spread(loadMilliseconds, 0)} ms, in ${loadMilliseconds.n} new processes.`,
    measured,
    `Checked first: ${check.what} (${check.different} differ).`,
    `${machine(fingerprint)} Load before the rounds ${loadBefore.toFixed(2)}. Measured ${date}; \`results/${name}.json\`.`,
  ].join("\n\n");
}

/** Counts of texts on which the reference was met. */
export function renderExactness({ name, date, fingerprint, workload, check, compared }, { table, machine }) {
  const total = compared.reduce((sum, { count }) => sum + count, 0);
  const rows = compared.map(({ tokenizer, texts, count, different }) => [tokenizer, texts, count, different]);
  return [
    "## Tokenization: exactness",
    `Compared with \`tokenizers\` (Rust): ${check.what}. ${total} texts and pairs, seed ${workload.seed}; **${check.different} differ**.`,
    table(["tokenizer", "texts", "compared", "different"], rows),
    `${machine(fingerprint)} Run ${date} by \`pnpm --filter @node-bert/datasets test:exact --save\`; \`results/${name}.json\`.`,
  ].join("\n\n");
}
