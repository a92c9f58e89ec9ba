// The cases of benchmarks/tiny, and what is written of their results.
const FINE_TUNING = { "max-length": 128, "batch-size": 16, precision: "bf16", "warmup-ratio": 0.1, seed: 1 };
const LONG = { ...FINE_TUNING, epochs: 2, "learning-rate": 3e-4 };
const SHORT = { ...FINE_TUNING, epochs: 4, "learning-rate": 3e-4 };

/** Two starts, the same rows and settings. */
export const CASES = {
  "probe-25000": { method: "probe", start: "tiny", rows: 25_000, settings: { "max-length": 128, precision: "bf16" } },
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
    const epochs = settings.epochs === undefined ? "" : `, ${settings.epochs} epochs`;
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
  return `${table(cases)}\n\nReviews are cut to 128 tokens; batch 16, peak learning rate 3e-4, bf16; the same rows, order and seed for both starts.${measured}`;
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
