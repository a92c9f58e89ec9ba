// Decides, before any memory is taken, which tensor of a checkpoint goes into which parameter, and what does not fit.
import type { ParameterBlock } from "../parameters/layout.js";
import type { Checkpoint } from "../safetensors/checkpoint.js";

export interface LoadingPlan {
  /** From parameter to the tensor's name in the checkpoint. */
  sources: Map<string, string>;
  /** Parameters that the checkpoint lacks, by part. */
  missing: { name: string; part: ParameterBlock["part"] }[];
  /** Parameters whose tensor has another shape. */
  mismatched: { name: string; part: ParameterBlock["part"]; found: readonly number[]; expected: readonly number[] }[];
  /** Tensors of the checkpoint that no parameter takes. */
  unused: string[];
}

/** Buffers that old versions of transformers saved; they follow from the configuration. */
const IGNORED = /(^|\.)embeddings\.(position_ids|token_type_ids)$/;

/** Names that stand for a parameter stored under another: a decoder tied to the word embeddings is saved by some versions, and not by others. */
const TIED: Readonly<Record<string, string>> = { "cls.predictions.bias": "cls.predictions.decoder.bias" };
const TIED_COPIES = new Set(["cls.predictions.decoder.weight", "cls.predictions.decoder.bias"]);

/** @param blocks the model's parameters */
export function planLoading(blocks: readonly ParameterBlock[], tensors: Checkpoint["tensors"]): LoadingPlan {
  const byPlainName = new Map<string, string>();
  for (const name of tensors.keys()) byPlainName.set(plainName(name), name);
  const plan: LoadingPlan = { sources: new Map(), missing: [], mismatched: [], unused: [] };
  const used = new Set<string>();
  const hasDecoder = blocks.some(({ key }) => key === "cls.predictions.bias");
  for (const { names, shape: expected, part } of blocks)
    for (const name of names) {
      const source = byPlainName.get(plainName(name)) ?? byPlainName.get(TIED[name] ?? "");
      if (source === undefined) {
        plan.missing.push({ name, part });
        continue;
      }
      used.add(source);
      const found = tensors.get(source)!.shape;
      if (found.length === expected.length && found.every((dim, i) => dim === expected[i]))
        plan.sources.set(name, source);
      else plan.mismatched.push({ name, part, found, expected });
    }
  for (const name of tensors.keys()) {
    const ignored = IGNORED.test(name) || (hasDecoder && TIED_COPIES.has(name));
    if (!used.has(name) && !ignored) plan.unused.push(name);
  }
  return plan;
}

/** Without the prefix `bert.`, and with today's names of LayerNorm's parameters. */
function plainName(name: string): string {
  return name
    .replace(/^bert\./, "")
    .replace(/LayerNorm\.gamma$/, "LayerNorm.weight")
    .replace(/LayerNorm\.beta$/, "LayerNorm.bias");
}
