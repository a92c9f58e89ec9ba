// From tokens back to text. Mirrors tokenizers/src/decoders/wordpiece.rs of huggingface/tokenizers, and transformers'
// clean_up_tokenization for whole texts.

/** What a token adds to a text. A continuation loses its prefix, any other is set off by a blank unless it is the first. */
export function decodedToken(token: string, isFirst: boolean, prefix: string, cleanup: boolean): string {
  let text = token;
  if (!isFirst) text = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
  return cleanup ? cleanUpSpaces(text).replaceAll(" do not", " don't") : text;
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
