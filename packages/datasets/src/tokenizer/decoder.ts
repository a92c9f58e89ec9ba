// From tokens back to text. Mirrors tokenizers/src/decoders/wordpiece.rs of huggingface/tokenizers, and transformers'
// clean_up_tokenization for whole texts.

/** Joins tokens; continuations lose their prefix, the others are set off by a blank. Each is cleaned up by itself. */
export function joinTokens(tokens: readonly string[], prefix: string, cleanup: boolean): string {
  let text = "";
  for (let i = 0; i < tokens.length; i++) {
    let token = tokens[i]!;
    if (i > 0) token = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
    text += cleanup ? cleanUpSpaces(token).replaceAll(" do not", " don't") : token;
  }
  return text;
}

/** What transformers does to a whole decoded text with `clean_up_tokenization_spaces`. */
export function cleanUpSpaces(text: string): string {
  return text
    .replaceAll(" .", ".")
    .replaceAll(" ?", "?")
    .replaceAll(" !", "!")
    .replaceAll(" ,", ",")
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}
