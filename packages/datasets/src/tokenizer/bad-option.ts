import { TokenizerError } from "../errors.js";

/** The error for an option that is not what it should be. */
export function badOption(name: string, value: unknown, expected: string): TokenizerError {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  return new TokenizerError("BAD_TOKENIZER_OPTION", `${name} is ${shown}, expected ${expected}.`);
}
