// The cases of benchmarks/tiny, and what is written of their results.
const READING = { "max-length": 192, truncation: "head-tail", precision: "bf16" };
const FINE_TUNING = { ...READING, "batch-size": 16, "learning-rate": 3e-4, "warmup-ratio": 0.1, seed: 1 };
const LONG = { ...FINE_TUNING, epochs: 1 };
const SHORT = { ...FINE_TUNING, epochs: 3 };

/** Two starts, the same rows and settings. */
export const CASES = {
  "probe-25000": { method: "probe", start: "tiny", rows: 25_000, settings: READING },
  "tiny-2000": { method: "full", start: "tiny", rows: 2000, settings: SHORT },
  "random-2000": { method: "full", start: "random", rows: 2000, settings: SHORT },
  "tiny-25000": { method: "full", start: "tiny", rows: 25_000, settings: LONG },
  "random-25000": { method: "full", start: "random", rows: 25_000, settings: LONG },
};

const METHOD = { probe: "linear probe (mean of the last layer)", full: "full fine-tuning" };
const START = { tiny: "tiny, pretrained", random: "the same architecture, random values" };
const [BEGIN, END] = ["<!-- benchmarks/tiny: begin -->", "<!-- benchmarks/tiny: end -->"];

function table(cases) {
  const rows = Object.entries(CASES).map(([name, { method, start, rows, settings }]) => {
    const found = cases.find((known) => known.name === name);
    const percent = (share) => (100 * share).toFixed(1);
    const accuracy =
      found === undefined ? "not measured" : `${percent(found.accuracy)} (${found.interval.map(percent).join("–")})`;
    const time =
      found === undefined
        ? ""
        : `${found.trainingSeconds.toFixed(0)} s + evaluation, ${found.seconds.toFixed(0)} s in all, ${found.threads} thread${found.threads > 1 ? "s" : ""}`;
    const epochs =
      settings.epochs === undefined ? "" : `, ${settings.epochs} ${settings.epochs === 1 ? "epoch" : "epochs"}`;
    return `| ${METHOD[method]}${epochs} | ${START[start]} | ${rows.toLocaleString("en-US")} | ${accuracy} | ${time} |`;
  });
  return [
    "| method | start | training reviews | accuracy on 25,000 test reviews, % (95 % interval) | time |",
    "| --- | --- | --- | --- | --- |",
    ...rows,
  ].join("\n");
}

/** Where the figures come from. */
function machines(cases) {
  const all = cases.map(
    ({ fingerprint: { cpu, instructionSets, cores, commit } }) =>
      `${cpu} (${instructionSets.join(", ")}), ${cores} cores, commit ${commit}`,
  );
  return [...new Set(all)].join("; ");
}

function section(cases) {
  const measured = cases.length === 0 ? "" : `\n\nMeasured on ${machines(cases)}.`;
  return `${table(cases)}\n\nOf longer reviews the first and last ${READING["max-length"] / 2} tokens are kept; batch ${FINE_TUNING["batch-size"]}, peak learning rate ${FINE_TUNING["learning-rate"]}, bf16; the same rows, order and seed for both starts. Times are of one run each, on a machine that did other work, too.${measured}`;
}

export function renderPage(cases) {
  return `<!-- Written by benchmarks/tiny/run.mjs from results.json: do not edit. -->
# What pretraining is worth: the model tiny on IMDb

    NODE_BERT_DATA=… node benchmarks/tiny/run.mjs

${section(cases)}
`;
}

/** Puts the table between the marks of the model card. */
export function renderModelCard(card, cases) {
  const [before, rest] = card.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`the model card has no ${BEGIN} and ${END}`);
  return `${before}${BEGIN}\n${section(cases)}\n${END}${after}`;
}
