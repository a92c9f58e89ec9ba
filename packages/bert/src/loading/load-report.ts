import { WeightsError } from "../errors.js";
import type { ParameterBlock } from "../parameters/layout.js";
import type { LoadingPlan } from "./plan-loading.js";

/** What came of loading a checkpoint into a model. */
export interface LoadReport {
  /** "warning" when something below the head is not pretrained without having been asked for. */
  level: "info" | "warning";
  /** One line for a person. */
  message: string;
  /** Parameters of the encoder, pooler included, and how many of them were loaded. */
  encoder: { loaded: number; total: number };
  /** Parameters with new, random values. */
  initialized: string[];
  /** Tensors of the checkpoint that the model has no use for. */
  unused: string[];
}

export interface ReportInput {
  plan: LoadingPlan;
  blocks: readonly ParameterBlock[];
  /** What to call the checkpoint. */
  path: string;
  /** The head may be of another shape: the caller asked for other labels. */
  newHead: boolean;
  /** Layers left out by `keepLayers`: those from this one on. */
  keptLayers: number | undefined;
  /** What `reinitialize` named, with the parameters it stands for. */
  reinitialized: { selector: string; names: ReadonlySet<string> } | undefined;
}

/**
 * Judges a plan.
 * @throws {WeightsError} with everything that does not fit in one block, when an encoder tensor is missing or a shape is wrong
 */
export function reportLoading(input: ReportInput): LoadReport {
  const { plan, blocks, reinitialized } = input;
  const dropped = plan.unused.filter((name) => isDroppedLayer(name, input.keptLayers));
  const unused = plan.unused.filter((name) => !dropped.includes(name));
  const replaced = new Set(reinitialized?.names);
  const wrongShapes = plan.mismatched.filter(
    ({ name, part }) => !replaced.has(name) && !(input.newHead && part === "head"),
  );
  const lacking = plan.missing.filter(({ name, part }) => !replaced.has(name) && part !== "head");
  // A model saved without its pooler (a masked language model) is whole otherwise.
  const broken = lacking.filter(({ part }) => part !== "pooler");
  if (wrongShapes.length > 0 || broken.length > 0)
    throw new WeightsError(describeMisfit(input.path, wrongShapes, lacking, unused));

  const heads = blocks.filter(({ part }) => part === "head").flatMap(({ names }) => names);
  const encoderNames = blocks.filter(({ part }) => part !== "head").flatMap(({ names }) => names);
  const isLoaded = (name: string): boolean => plan.sources.has(name) && !replaced.has(name);
  const loaded = encoderNames.filter(isLoaded).length;
  const parts = [`encoder ${loaded}/${encoderNames.length} loaded`];
  if (heads.length > 0) parts.push(describeHead(heads, isLoaded, plan, input.newHead));
  const pretraining = unused.filter((name) => name.startsWith("cls."));
  const isLanguageModel = pretraining.length > 0;
  if (lacking.length > 0)
    parts.push(
      `pooler new: ${isLanguageModel ? "a masked language model has none" : "the checkpoint was saved without one"}`,
    );
  if (reinitialized !== undefined) parts.push(`${reinitialized.selector} with pooler reinitialized, as asked`);
  if (input.keptLayers !== undefined)
    parts.push(
      input.keptLayers === 1
        ? "only layer 0 kept, as asked"
        : `only the first ${input.keptLayers} layers kept, as asked`,
    );
  if (isLanguageModel)
    parts.push(`${pretraining.length} pretraining tensor${pretraining.length === 1 ? "" : "s"} unused`);
  const pooler = unused.filter((name) => /^(bert\.)?pooler\./.test(name));
  if (pooler.length > 0) parts.push("pooler unused");
  const others = unused.filter((name) => !name.startsWith("cls.") && !pooler.includes(name));
  if (others.length > 0) parts.push(`${others.length} other unused: ${listNames(others)}`);
  return {
    level:
      (lacking.length > 0 && !isLanguageModel) || others.some((name) => name.includes("encoder.layer."))
        ? "warning"
        : "info",
    message: parts.join("; "),
    encoder: { loaded, total: encoderNames.length },
    initialized: [...encoderNames, ...heads].filter((name) => !isLoaded(name)),
    unused: [...unused, ...dropped],
  };
}

function isDroppedLayer(name: string, keptLayers: number | undefined): boolean {
  const layer = /(?:^|\.)encoder\.layer\.(\d+)\./.exec(name);
  return keptLayers !== undefined && layer !== null && Number(layer[1]) >= keptLayers;
}

function describeHead(
  heads: readonly string[],
  isLoaded: (name: string) => boolean,
  plan: LoadingPlan,
  newHead: boolean,
): string {
  const what = heads[0].startsWith("cls.") ? "language-model head" : heads[0].split(".")[0];
  if (heads.every(isLoaded)) return `${what} loaded`;
  const mismatch = plan.mismatched.find(({ part }) => part === "head");
  if (newHead && mismatch !== undefined)
    return `${what} new: the checkpoint's has ${mismatch.found[0]} labels, ${mismatch.expected[0]} were asked for`;
  const some = heads.filter((name) => !isLoaded(name));
  const which = some.length === heads.length ? what : listNames(some);
  return `${which} new, as expected for a new task`;
}

function describeMisfit(
  path: string,
  mismatched: LoadingPlan["mismatched"],
  missing: LoadingPlan["missing"],
  unused: readonly string[],
): string {
  const lines = [`${path} does not fit the configuration:`];
  for (const { name, found, expected } of mismatched.slice(0, 10))
    lines.push(`  wrong shape: ${name} is (${found.join(", ")}), expected (${expected.join(", ")})`);
  if (mismatched.length > 10) lines.push(`  wrong shape: ${mismatched.length - 10} more`);
  if (missing.length > 0) lines.push(`  missing, ${missing.length}: ${listNames(missing.map(({ name }) => name))}`);
  if (unused.length > 0) lines.push(`  not known to the model, ${unused.length}: ${listNames(unused)}`);
  lines.push("Do config.json and the weights belong to the same model?");
  return lines.join("\n");
}

function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 6).join(", ");
  return names.length > 6 ? `${shown} and ${names.length - 6} more` : shown;
}
