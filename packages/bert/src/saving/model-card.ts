import type { BertConfig } from "../config.js";

/** README.md of a saved model: front matter that the Hub reads, then what the model is and how to load it. */
export function modelCard(config: BertConfig, architecture: string, text: string | undefined): string {
  const classifies = architecture === "BertForSequenceClassification";
  const tag = classifies
    ? "text-classification"
    : architecture === "BertForMaskedLM"
      ? "fill-mask"
      : "feature-extraction";
  const frontMatter = ["---", "library_name: transformers", `pipeline_tag: ${tag}`, "tags: [bert, node-bert]", "---"];
  const labels = classifies
    ? [`Classes: ${(config.id2label ?? []).map((name, id) => `${id} ${name}`).join(", ")}.`, ""]
    : [];
  const body =
    text ??
    [
      `# ${architecture}`,
      "",
      `BERT with ${config.numHiddenLayers} layers of width ${config.hiddenSize}, ${config.numAttentionHeads} attention heads and a vocabulary of ` +
        `${config.vocabSize} word pieces, for up to ${config.maxPositionEmbeddings} tokens. Saved by node-bert.`,
      "",
      ...labels,
      "In TypeScript, with `@node-bert/bert`:",
      "",
      "```ts",
      `const model = await ${architecture}.fromPretrained(folder);`,
      "```",
      "",
      "In Python, with `transformers`:",
      "",
      "```python",
      `model = ${architecture}.from_pretrained(folder)`,
      "```",
    ].join("\n");
  return `${frontMatter.join("\n")}\n\n${body}\n`;
}
