// Tokenizers beyond the four models: every combination of the normalizer's switches, and added tokens with every switch.

import { addedToken, type Both, both, readTokenizerJson } from "./reference.js";

type Json = Record<string, unknown>;

/** The sixteen normalizers, and those that leave `strip_accents` to `lowercase`. */
export function switchVariants(): Both[] {
  const json = readTokenizerJson("bert-base-uncased");
  const variants: Both[] = [];
  for (let bits = 0; bits < 16; bits++) {
    const [clean_text, handle_chinese_chars, strip_accents, lowercase] = [1, 2, 4, 8].map((bit) => (bits & bit) !== 0);
    const normalizer = { type: "BertNormalizer", clean_text, handle_chinese_chars, strip_accents, lowercase };
    variants.push(both(`switches ${bits}`, { ...json, normalizer }));
  }
  return variants;
}

/** Added tokens: in the text and in the normalized text, that strip, that are single words, that overlap. */
export function addedTokenVariants(): Both[] {
  const json = readTokenizerJson("bert-base-uncased");
  const special = (json.added_tokens as Json[]).slice(0, 5);
  const lists: Record<string, Json[]> = {
    "stripping specials": [
      addedToken(101, "[CLS]", { special: true, rstrip: true }),
      addedToken(102, "[SEP]", { special: true, lstrip: true }),
      addedToken(103, "[MASK]", { special: true, lstrip: true, rstrip: true }),
      addedToken(30522, "<new>", { lstrip: true, rstrip: true }),
    ],
    normalized: [
      ...special,
      addedToken(30522, "<new>", { normalized: true }),
      addedToken(30523, "Ünï", { normalized: true }),
      addedToken(30524, "foo", { normalized: true, lstrip: true, rstrip: true }),
      addedToken(30525, "日本", { normalized: true }),
      addedToken(30526, "ab c", { normalized: true, special: true }),
    ],
    "single words": [
      ...special,
      addedToken(30522, "foo", { single_word: true }),
      addedToken(30523, "<new>", { single_word: true }),
      addedToken(30524, "Ünï", { single_word: true, normalized: true }),
      addedToken(30525, "ab c", { single_word: true, lstrip: true, rstrip: true }),
      addedToken(30526, "ing", { single_word: true, normalized: true, rstrip: true }),
    ],
    overlapping: [
      ...special,
      addedToken(30522, "f"),
      addedToken(30523, "fo"),
      addedToken(30524, "foo"),
      addedToken(30525, "oo", { normalized: true }),
      addedToken(30526, "[mask]", { normalized: true }),
      addedToken(30527, "##ing"),
      addedToken(30528, "日"),
      addedToken(30529, "e"),
    ],
  };
  return Object.entries(lists).map(([name, added_tokens]) => both(name, { ...json, added_tokens }));
}
