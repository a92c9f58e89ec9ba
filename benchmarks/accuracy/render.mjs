// Writes README.md from results.json (run.mjs) and probe.json (probe.mjs).
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spreadOf } from "@node-bert/bert";

const here = import.meta.dirname;
const read = (name) => (existsSync(join(here, name)) ? JSON.parse(readFileSync(join(here, name), "utf8")) : undefined);

export function render() {
  const sections = [fineTuning(read("results.json")), probe(read("probe.json"))];
  writeFileSync(
    join(here, "README.md"),
    `# Accuracy on IMDb, beside PyTorch\n\n${sections.filter(Boolean).join("\n")}`,
  );
}

/** Mean, standard deviation and each value. */
function spread(values) {
  const { mean, deviation } = spreadOf(values);
  const each = values.map((value) => value.toFixed(2)).join(", ");
  return `${mean.toFixed(1)} ± ${values.length > 1 ? deviation.toFixed(1) : "–"}: ${each}`;
}

function fineTuning(results) {
  if (results === undefined) return "";
  const groups = new Map();
  for (const { contender, learningRate, rows, accuracy } of results.runs) {
    const key = `${contender} | ${learningRate} | ${rows}`;
    groups.set(key, [...(groups.get(key) ?? []), 100 * accuracy]);
  }
  const lines = [...groups].sort().map(([key, values]) => `| ${key} | ${spread(values).replace(": ", " | ")} |`);
  return `MiniLM (6 × 384) fine-tuned on shuffled IMDb training reviews at length 256 (batch 8, one epoch, linear schedule, fp32, dropout on, Hugging Face's
defaults) and evaluated on as many test reviews; the same rows for both. Rendered by \`node benchmarks/accuracy/run.mjs\` from \`results.json\`.

| contender | learning rate | rows | accuracy, % | each seed |
| --- | --- | --- | --- | --- |
${lines.join("\n")}
`;
}

function probe(results) {
  if (results === undefined) return "";
  const { rows, maxLength, draws } = results;
  const lines = Object.keys(draws[0]["node-bert"]).map((pooling) => {
    const each = (contender) => draws.map((draw) => 100 * draw[contender][pooling]);
    return `| ${pooling} | ${spread(each("node-bert"))} | ${spread(each("scikit-learn"))} |`;
  });
  return `## Linear probe on frozen features

Trained on ${rows} balanced reviews at length ${maxLength}, evaluated on ${rows}, in ${draws.length} draws of rows: \`node benchmarks/accuracy/probe.mjs\`.

| pooling | node-bert, % | Hugging Face's features, scikit-learn, % |
| --- | --- | --- |
${lines.join("\n")}
`;
}
