import { ParameterError } from "../errors.js";
import { nearestName } from "../training/nearest-name.js";
import type { ParameterBlock } from "./layout.js";

/**
 * Which parameters: "all", "none", "head" (all above the encoder), "last-2" (the last two layers with pooler and head), a parameter's name, a
 * module's path such as "bert.encoder.layer.11", or a regular expression over names, as RegExp or as a string.
 */
export type ParameterSelector = string | RegExp;

/**
 * The names that selectors stand for.
 * @throws {ParameterError} when one matches nothing
 */
export function selectParameters(
  blocks: readonly ParameterBlock[],
  selectors: readonly ParameterSelector[],
): Set<string> {
  const selected = new Set<string>();
  for (const selector of selectors) for (const name of selectOne(blocks, selector)) selected.add(name);
  return selected;
}

function selectOne(blocks: readonly ParameterBlock[], selector: ParameterSelector): string[] {
  const namesWhere = (holds: (block: ParameterBlock) => boolean): string[] =>
    blocks.filter(holds).flatMap((block) => block.names);
  const names = namesWhere(() => true);
  if (selector === "all") return names;
  if (selector === "none") return [];
  if (selector === "head") {
    const head = namesWhere((block) => block.part === "head");
    if (head.length === 0) throw new ParameterError('"head" selects nothing: this model is an encoder without a head.');
    return head;
  }
  const last = typeof selector === "string" ? /^last-(\d+)$/.exec(selector) : null;
  if (last !== null) return namesWhere(inLastLayers(blocks, Number(last[1])));
  if (typeof selector === "string") {
    const below = names.filter((name) => name === selector || name.startsWith(`${selector}.`));
    if (below.length > 0) return below;
  }
  const pattern = typeof selector === "string" ? compile(selector) : selector;
  const matching = names.filter((name) => name.search(pattern) >= 0);
  if (matching.length > 0) return matching;
  const near = typeof selector === "string" ? nearestName(selector, names) : undefined;
  throw new ParameterError(
    `No parameter matches ${String(selector)}: expected all, none, head, last-<k>, a name, a module's path or a regular expression over names. ` +
      (near === undefined ? `A name looks like ${names[0]}.` : `Did you mean ${near}?`),
  );
}

/** Whether a block is in the last k layers or above them. @throws {ParameterError} when there are fewer layers */
export function inLastLayers(blocks: readonly ParameterBlock[], count: number): (block: ParameterBlock) => boolean {
  const layers = new Set(blocks.map((block) => block.layer).filter((layer) => layer !== undefined)).size;
  if (count > layers)
    throw new ParameterError(
      `last-${count} asks for ${count} layers, expected at most ${layers}: the model has no more.`,
    );
  return ({ part, layer = 0 }) => part === "pooler" || part === "head" || (part === "layer" && layer >= layers - count);
}

function compile(source: string): RegExp {
  try {
    return new RegExp(source);
  } catch (error) {
    throw new ParameterError(`"${source}" is not a regular expression (${(error as Error).message}).`);
  }
}
