// The bars that node-bert is held to on CPUs, and what the results say of each: benchmarks/README.md begins with this table.
// A bar differs by what the processor has: "amx" with it, "other" without. Ratios are medians of one interleaved run against the best of the peer.
import { fastest, timesTheRate } from "./lib/ratios.mjs";

const OURS = /^node-bert-(fp32|bf16)$/;
const PYTORCH = /^pytorch-(fp32|bf16)$/;

const training = (name) => (results) => {
  const result = results(name);
  return result && ratioOfFastest(result.contenders, OURS, PYTORCH);
};

function ratioOfFastest(contenders, ours, theirs) {
  const [own, peer] = [fastest(contenders, ours), fastest(contenders, theirs)];
  return own && peer && timesTheRate(own, peer).median;
}

const inference = (name, ours, theirs) => (results) => {
  const result = results(name);
  return result && ratioOfFastest(result.contenders, ours, theirs);
};

/** Of single calls; the share of the peer's time, lower is better. */
const latency = (name) => (results) => {
  const contenders = results(name)?.contenders;
  if (contenders === undefined) return undefined;
  const median = (pattern) =>
    Math.min(
      ...contenders.filter(({ name: who }) => pattern.test(who)).map(({ secondsPerBatch }) => secondsPerBatch.median),
    );
  const share = median(OURS) / median(PYTORCH);
  return Number.isFinite(share) ? share : undefined;
};

/** The least of several figures, or the greatest where lower is better: a bar over several workloads holds only when it holds for each. */
const worstOf =
  (pick, ...figures) =>
  (results) => {
    const values = figures.map((figure) => figure(results));
    return values.includes(undefined) ? undefined : pick(...values);
  };

const times = (value) => `${value.toFixed(2)}×`;
const share = (value) => `${(100 * value).toFixed(0)} %`;
const part = (value) => value.toFixed(2);
const seconds = (value) => `${value.toFixed(2)} s`;

/** `[least or most for "amx", its aim], [the same for "other"]`, none where a figure is only reported; `lower`: it must be at most that. */
export const BARS = [
  {
    work: "fine-tuning BERT-base 8 × 128",
    bars: { amx: [3, 4], other: [1.15, 1.3] },
    say: times,
    figure: training("training-8x128"),
  },
  {
    work: "fine-tuning 8 × 512",
    bars: { amx: [7, 10], other: [2.2, 2.7] },
    say: times,
    figure: training("training-8x512"),
  },
  {
    work: "fine-tuning on IMDb at max length 512, batch 8; PyTorch pads to the longest row",
    bars: { amx: [10, 15], other: [3.5, 4.5] },
    say: times,
    figure: training("training-imdb-8x512"),
  },
  {
    work: "the same; PyTorch pads to 512",
    bars: { amx: [14, 20], other: [4, 5] },
    say: times,
    figure: inference("training-imdb-8x512", OURS, /^pytorch-to-512/),
  },
  {
    work: "inference 8 × 128, the faster of fp32 and bf16",
    bars: { amx: [1.8, 2.2], other: [1.1, 1.2] },
    say: times,
    figure: inference("inference-base-8x128", OURS, PYTORCH),
  },
  {
    work: "inference 32 × 128, the faster of fp32 and bf16",
    bars: { amx: [1.8, 2.2], other: [1.1, 1.2] },
    say: times,
    figure: inference("inference-base-32x128", OURS, PYTORCH),
  },
  {
    work: "inference int8 8 × 128, against PyTorch's best precision",
    bars: { amx: [2.5], other: [2.5] },
    say: times,
    figure: inference("inference-base-8x128", /^node-bert-int8$/, PYTORCH),
  },
  {
    work: "the same, against PyTorch's and onnxruntime-node's dynamic int8",
    bars: { amx: [1.2], other: [1.2] },
    say: times,
    figure: worstOf(
      Math.min,
      inference("inference-base-8x128", /^node-bert-int8$/, /^pytorch-int8$/),
      inference("inference-base-8x128", /^node-bert-int8$/, /^onnxruntime-int8$/),
    ),
  },
  {
    work: "points of accuracy that int8 loses on 2,000 IMDb reviews",
    bars: { amx: [0.5], other: [0.5] },
    lower: true,
    say: part,
    figure: (results) => results("int8")?.pointsLost.median,
  },
  {
    work: "latency 1 × 128 and 1 × 16 (p50), of PyTorch's time",
    bars: { amx: [0.5], other: [0.75] },
    lower: true,
    say: part,
    figure: worstOf(Math.max, latency("inference-base-1x128"), latency("inference-base-1x16")),
  },
  {
    work: "inference fp32 8 × 128, against onnxruntime-node",
    bars: { amx: [1, 1.1], other: [1, 1.1] },
    say: times,
    figure: inference("inference-base-8x128", /^node-bert-fp32$/, /^onnxruntime-fp32$/),
  },
  {
    work: "share of the GEMM limit of an 8 × 128 step, the better of fp32 and bf16",
    bars: { amx: [0.6, 0.75], other: [0.75, 0.85] },
    say: share,
    figure: (results) => greatest(results("limits-8x128")?.products),
  },
  {
    work: "AdamW sweep over 110 M parameters, share of memory bandwidth",
    bars: { amx: [0.8, 0.9], other: [0.8, 0.9] },
    say: share,
    figure: (results) => results("limits-8x128")?.sweeps[0].share.median,
  },
  {
    work: "peak memory of fine-tuning 8 × 128, of PyTorch's in the same precision, the worse of fp32 and bf16",
    bars: { amx: [0.6, 0.5], other: [0.7, 0.6] },
    lower: true,
    say: part,
    figure: (results) => peakMemory(results("training-8x128")?.ratios),
  },
  {
    work: "features once and a probe over 2,000 reviews, against PyTorch's forward pass in each of 3 epochs",
    say: times,
    figure: (results) =>
      timesFaster(results("frozen")?.contenders, "pytorch, every epoch", "node-bert, features once and a probe"),
  },
  {
    work: "bert predict, from the shell to the first answer",
    bars: { amx: [0.4, 0.25], other: [0.5] },
    lower: true,
    say: seconds,
    figure: (results) => results("startup")?.contenders.find(({ name }) => name === "bert predict")?.wallSeconds.median,
  },
];

const greatest = (products) => products && Math.max(...products.map(({ share: reached }) => reached.median));

function timesFaster(contenders, theirs, ours) {
  const secondsOf = (who) => contenders?.find(({ name }) => name === who)?.seconds.median;
  const ratio = secondsOf(theirs) / secondsOf(ours);
  return Number.isFinite(ratio) ? ratio : undefined;
}

function peakMemory(ratios) {
  const shares = ratios?.flatMap(({ peakMemoryInSamePrecision: of }) => (of === undefined ? [] : [of])) ?? [];
  return shares.length === 0 ? undefined : Math.max(...shares);
}

const barsFor = (processor) => (processor === "amx" ? "amx" : "other");

/**
 * What the results of a class of processors say of a bar.
 * @param find gives a result by its name, the class included
 * @returns `{ value, reached }`, or undefined where it was not measured; `reached` is undefined where there is no bar
 */
export function measureBar({ bars, lower, figure }, processor, find) {
  const value = figure((name) => find(`${name}-${processor}`));
  if (value === undefined) return undefined;
  if (bars === undefined) return { value };
  const [bar] = bars[barsFor(processor)];
  return { value, reached: lower ? value <= bar : value >= bar };
}

/** The table: a row for each bar, the figures of each class beside one another. */
export function renderBars(results, table) {
  const find = (name) => results.find((result) => result.name === name);
  const sign = ({ lower }) => (lower ? "≤" : "≥");
  const limit = (bar, which) => {
    if (bar.bars === undefined) return "reported";
    const [needed, aim] = bar.bars[which];
    return `${sign(bar)} ${bar.say(needed)}${aim === undefined ? "" : ` (${bar.say(aim)})`}`;
  };
  const cell = (bar, processor) => {
    const measured = measureBar(bar, processor, find);
    if (measured === undefined) return "not measured here";
    if (measured.reached === undefined) return bar.say(measured.value);
    return measured.reached ? `**${bar.say(measured.value)}**` : `${bar.say(measured.value)}, not reached`;
  };
  const head = ["work", "bar with AMX (aim)", "measured: amx", "bar without (aim)"];
  const rows = BARS.map((bar) => [
    bar.work,
    limit(bar, "amx"),
    cell(bar, "amx"),
    limit(bar, "other"),
    cell(bar, "avx512-bf16"),
    cell(bar, "avx512"),
  ]);
  return [
    "## The bars",
    "Ratios against the best PyTorch configuration in one interleaved run on the same machine; medians. Two cores. A figure that reaches its bar is bold; " +
      "classes of processors are told apart by what they have: AMX, AVX-512 with bf16 products, AVX-512 without.",
    table([...head, "measured: avx512-bf16", "measured: avx512"], rows),
  ].join("\n\n");
}
