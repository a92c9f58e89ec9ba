// Tokens that are found in a text before it is cut into words: special tokens and those a user added.
// Mirrors tokenizers/src/tokenizer/added_vocabulary.rs of huggingface/tokenizers.

import { TokenizerError } from "../errors.js";
import { codePointAt, type NormalizerOptions, normalize } from "./normalizer.js";
import { characterFlags, SPACE, WORD } from "./unicode.js";
import { unitsOf } from "./vocabulary.js";

/** A token on top of the model's vocabulary, with Hugging Face's switches. */
export interface AddedToken {
  id: number;
  content: string;
  /** Matches only where no letter, digit or underscore is beside it. */
  singleWord: boolean;
  /** Takes the white space on its left along. */
  lstrip: boolean;
  /** Takes the white space on its right along. */
  rstrip: boolean;
  /** Is normalized itself, and looked for in the normalized text. */
  normalized: boolean;
  /** Left out by `decode(…, { skipSpecialTokens: true })`. */
  special: boolean;
}

/** Units `from` … `to`, which are an added token or, with `token` undefined, text between such tokens. */
export interface Span {
  from: number;
  to: number;
  token: AddedToken | undefined;
}

interface Pattern {
  units: Uint16Array;
  token: AddedToken;
}

/** Finds tokens: the leftmost first, the longest of those that begin at one place. */
export class AddedTokenMatcher {
  readonly size: number;
  /** Whether some pattern has a blank in it. */
  readonly hasBlank: boolean;
  /** Patterns by their first unit, longest first. */
  readonly #byFirst = new Map<number, Pattern[]>();

  /** @param patterns what to look for, as text, and the token it stands for. */
  constructor(patterns: readonly (readonly [string, AddedToken])[]) {
    this.size = patterns.length;
    this.hasBlank = patterns.some(([text]) => text.includes(" "));
    const seen = new Map<string, AddedToken>();
    for (const [text, token] of patterns) {
      const other = seen.get(text);
      if (other !== undefined || text === "") {
        throw new TokenizerError(
          "BAD_TOKENIZER_FILE",
          text === ""
            ? `added token ${JSON.stringify(token.content)}: nothing of it is left when it is normalized. Set normalized to false.`
            : `added tokens ${JSON.stringify(other!.content)} and ${JSON.stringify(token.content)} are the same when normalized. Remove one.`,
        );
      }
      seen.set(text, token);
      const units = unitsOf(text);
      const bucket = this.#byFirst.get(units[0]!) ?? [];
      bucket.push({ units, token });
      bucket.sort((a, b) => b.units.length - a.units.length);
      this.#byFirst.set(units[0]!, bucket);
    }
  }

  /** First units of all patterns. */
  firstUnits(): number[] {
    return [...this.#byFirst.keys()];
  }

  /** The patterns that begin with a unit, longest first. */
  patternsFrom(unit: number): readonly { units: Uint16Array }[] {
    return this.#byFirst.get(unit) ?? [];
  }

  /**
   * Cuts units `from` … `to` into tokens and what is between them. What lies outside is not looked at, not even to see
   * whether a single word goes on there.
   * @param ignoreSpecial leaves special tokens as text (`split_special_tokens`).
   */
  split(units: Uint16Array, from: number, to: number, ignoreSpecial: boolean): Span[] {
    const spans: Span[] = [];
    let done = from;
    for (let i = from; i < to; ) {
      const found = this.#matchAt(units, i, to);
      if (found === undefined) {
        i++;
        continue;
      }
      let start = i;
      let stop = i + found.units.length;
      i = stop;
      const { token } = found;
      if (ignoreSpecial && token.special) continue;
      if (token.singleWord && (isWordBefore(units, from, start) || isWordAfter(units, stop, to))) continue;
      if (token.lstrip) {
        while (start > from && isSpace(units[start - 1]!)) start--;
        if (start < done) start = done;
      }
      if (token.rstrip) while (stop < to && isSpace(units[stop]!)) stop++;
      if (done < start) spans.push({ from: done, to: start, token: undefined });
      spans.push({ from: start, to: stop, token });
      done = stop;
    }
    if (done < to) spans.push({ from: done, to, token: undefined });
    return spans;
  }

  #matchAt(units: Uint16Array, at: number, to: number): Pattern | undefined {
    return this.#byFirst.get(units[at]!)?.find((pattern) => {
      const { length } = pattern.units;
      if (at + length > to) return false;
      for (let k = 1; k < length; k++) if (units[at + k] !== pattern.units[k]) return false;
      return true;
    });
  }
}

/** The matchers of a tokenizer: for the text as it is, and for the normalized text. */
export function matchersOf(
  tokens: readonly AddedToken[],
  normalizer: NormalizerOptions,
): { raw: AddedTokenMatcher; normalized: AddedTokenMatcher } {
  const raw: [string, AddedToken][] = [];
  const normalized: [string, AddedToken][] = [];
  for (const token of tokens) {
    if (token.normalized) normalized.push([normalizeText(token.content, normalizer), token]);
    else raw.push([token.content, token]);
  }
  return { raw: new AddedTokenMatcher(raw), normalized: new AddedTokenMatcher(normalized) };
}

export function normalizeText(text: string, options: NormalizerOptions): string {
  const { units } = normalize(unitsOf(text), 0, text.length, options);
  return String.fromCharCode(...units);
}

/** All white space is in the basic plane. */
function isSpace(unit: number): boolean {
  return (characterFlags()[unit]! & SPACE) !== 0;
}

function isWordAfter(units: Uint16Array, at: number, to: number): boolean {
  return at < to && (characterFlags()[codePointAt(units, at, to)]! & WORD) !== 0;
}

function isWordBefore(units: Uint16Array, from: number, at: number): boolean {
  if (at <= from) return false;
  const low = (units[at - 1]! & 0xfc00) === 0xdc00;
  const isPair = low && at - 2 >= from && (units[at - 2]! & 0xfc00) === 0xd800;
  return (characterFlags()[codePointAt(units, isPair ? at - 2 : at - 1, at)]! & WORD) !== 0;
}
