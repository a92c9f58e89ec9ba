// Makes the model of packages/tiny, from texts to weights, and may be stopped and called again at any point:
//   NODE_BERT_DATA=… node scripts/make-tiny.mjs [--steps 14000] [--threads 2] [--work runs/tiny] [--output packages/tiny]
// A vocabulary and a masked language model of IMDb's training and unsupervised reviews, never of the test split; then the model card. What is finished
// is not done again, and pretraining goes on bit for bit from its newest checkpoint. About 22 million tokens an epoch. Afterwards
// node benchmarks/tiny/run.mjs measures what it is worth and writes that into the card.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const { values: options } = parseArgs({
  options: {
    dataset: { type: "string", default: "imdb" },
    split: { type: "string", default: "train+unsupervised" },
    steps: { type: "string", default: "14000" },
    threads: { type: "string" },
    work: { type: "string", default: join(root, "runs", "tiny") },
    output: { type: "string", default: join(root, "packages", "tiny") },
  },
});
const { dataset, split, steps, threads, work, output } = options;
const vocabulary = join(work, "vocabulary");
const model = join(work, "model");
const texts = ["--dataset", dataset, "--split", split];

const TOKENS_PER_BATCH = 2048;
/** What is run, as the card shows it: places on this machine left out. */
const COMMANDS = {
  vocabulary: ["vocabulary", ...texts, "--size", "8000", "--alphabet", "100"],
  pretrain: [
    ...["pretrain", ...texts, "--layers", "4", "--hidden", "256", "--heads", "4", "--positions", "256"],
    ...[
      "--start",
      "informed",
      "--dropout",
      "0",
      "--mask-probability",
      "0.2",
      "--tokens-per-batch",
      String(TOKENS_PER_BATCH),
    ],
    ...["--max-steps", steps, "--learning-rate", "1e-3", "--precision", "bf16", "--held-out", "0.004", "--seed", "42"],
    ...["--eval-steps", "2000", "--save-steps", "500", "--save-precision", "bf16"],
  ],
};

function bert(args) {
  const result = spawnSync(process.execPath, [join(root, "packages", "cli", "bin", "bert.js"), ...args], {
    stdio: "inherit",
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

function newestCheckpoint() {
  const steps = existsSync(model)
    ? readdirSync(model).flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.slice(1).map(Number) ?? [])
    : [];
  return steps.length === 0 ? undefined : join(model, `checkpoint-${Math.max(...steps)}`);
}

function isFinished() {
  const record = join(model, "run.json");
  return existsSync(record) && JSON.parse(readFileSync(record, "utf8")).heldOut !== undefined;
}

/** Files of the package that are the model. */
const FILES = [
  "config.json",
  "model.safetensors",
  "special_tokens_map.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "vocab.txt",
];

function modelCard({ train, heldOut, environment }) {
  const { steps: done, epochs: passes, tokensPerSecond } = train;
  const tokens = done * TOKENS_PER_BATCH; // a resumed run counts its own part only
  const count = (value) => Math.round(value).toLocaleString("en-US");
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const commands = Object.values(COMMANDS).map((args) => `    bert ${args.join(" ")}`);
  return `---
library_name: transformers
pipeline_tag: fill-mask
language: en
license: apache-2.0
tags: [bert, node-bert]
---

# tiny

A small BERT, pretrained from nothing by node-bert itself: 4 layers × 256, 4 heads, feed-forward 1,024, a vocabulary of 8,000 uncased word pieces of its
own, at most 256 tokens, weights in bf16. For a first minute without a download and for tests; for real work take a larger model.

    bert compare --model tiny --dataset reviews

In Python \`BertForMaskedLM.from_pretrained(folder)\` and \`BertTokenizerFast.from_pretrained(folder)\` load it.

- **Data**: the texts of ${dataset} ${split}. Nothing of the test split; 0.4 % of the texts were held out.
- **Recipe**: masked language model, 20 % of the tokens (80 % [MASK], 10 % random, 10 % as they are), masked anew in each step; an informed
  start; sequences within one text, batches of ${count(TOKENS_PER_BATCH)} tokens; AdamW, peak learning rate 1e-3, linear schedule, bf16; seed 42.
- **Seen**: about ${count(tokens)} tokens in ${count(done)} steps, ${passes.toFixed(1)} passes, at ${count(tokensPerSecond)} tokens a second: ${(tokens / tokensPerSecond / 3600).toFixed(1)} hours on
  ${environment.processor}.
- **Held-out texts**: loss ${heldOut.loss.toFixed(3)}, perplexity ${heldOut.perplexity.toFixed(1)}, accuracy ${percent(heldOut.accuracy)} at ${count(heldOut.predictions)} masked tokens.

## On IMDb

<!-- benchmarks/tiny: begin -->
Not measured yet.
<!-- benchmarks/tiny: end -->

## How it was made

\`node scripts/make-tiny.mjs\` runs these, with folders for what they give to each other:

${commands.join("\n")}

It knows English film reviews and little else, with their authors' views and prejudices.
`;
}

mkdirSync(work, { recursive: true });
if (!existsSync(join(vocabulary, "tokenizer.json"))) bert([...COMMANDS.vocabulary, "--output", vocabulary]);
if (!isFinished()) {
  const resumed = newestCheckpoint();
  const more = [
    ...(resumed === undefined ? [] : ["--resume", resumed]),
    ...(threads === undefined ? [] : ["--threads", threads]),
  ];
  bert([...COMMANDS.pretrain, "--vocabulary", vocabulary, "--output", model, ...more]);
}
mkdirSync(output, { recursive: true });
for (const file of FILES) copyFileSync(join(model, file), join(output, file));
// Pretrained without dropout, as it sees each text once or twice; who fine-tunes it on few rows wants BERT's.
const configuration = {
  ...JSON.parse(readFileSync(join(model, "config.json"), "utf8")),
  hidden_dropout_prob: 0.1,
  attention_probs_dropout_prob: 0.1,
};
writeFileSync(join(output, "config.json"), `${JSON.stringify(configuration, null, 2)}\n`);
writeFileSync(join(output, "README.md"), modelCard(JSON.parse(readFileSync(join(model, "run.json"), "utf8"))));
process.stderr.write(`make-tiny: ${output}\nNext: node benchmarks/tiny/run.mjs\n`);
