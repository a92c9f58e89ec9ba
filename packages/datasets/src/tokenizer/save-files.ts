// The files that Hugging Face Python loads. Each is written beside its name and then renamed, so nothing half-written is
// ever found under it.

import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TokenizerError } from "../errors.js";
import type { TokenizerDefinition } from "./definition.js";
import { writeTemplate } from "./template.js";
import { Vocabulary } from "./vocabulary.js";

/** Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json; returns their paths. */
export async function writeTokenizerFiles(folder: string, definition: TokenizerDefinition): Promise<string[]> {
  const vocabulary = new Vocabulary(definition.vocabulary);
  const tokens = Array.from({ length: vocabulary.idLimit }, (_, id) => vocabulary.idToToken(id));
  const special = Object.fromEntries(
    Object.entries(definition.specialTokens).map(([name, token]) => [`${name}_token`, token]),
  );
  const files: [string, string][] = [];
  // A vocab.txt has an id for each line: where ids are missing only tokenizer.json can say it.
  if (!tokens.includes(undefined)) files.push(["vocab.txt", `${tokens.join("\n")}\n`]);
  files.push(
    ["tokenizer.json", JSON.stringify(tokenizerJson(definition, tokens))],
    ["tokenizer_config.json", `${JSON.stringify(tokenizerConfig(definition, special), null, 2)}\n`],
    ["special_tokens_map.json", `${JSON.stringify(special, null, 2)}\n`],
  );
  await mkdir(folder, { recursive: true });
  const paths: string[] = [];
  for (const [name, text] of files) {
    const path = join(folder, name);
    const beside = `${path}.${process.pid}.tmp`;
    try {
      await writeFile(beside, text);
      await rename(beside, path);
    } catch (cause) {
      await rm(beside, { force: true });
      throw new TokenizerError("BAD_TOKENIZER_FILE", `${path}: cannot be written (${(cause as Error).message}).`, {
        cause,
      });
    }
    paths.push(path);
  }
  return paths;
}

function tokenizerJson(definition: TokenizerDefinition, tokens: (string | undefined)[]): unknown {
  const { wordPiece, normalizer, decoder } = definition;
  const vocab = Object.fromEntries(tokens.flatMap((token, id) => (token === undefined ? [] : [[token, id]])));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: definition.addedTokens.map(({ singleWord, ...token }) => ({ ...token, single_word: singleWord })),
    normalizer: {
      type: "BertNormalizer",
      clean_text: normalizer.cleanText,
      handle_chinese_chars: normalizer.handleChineseChars,
      strip_accents: normalizer.stripAccents ?? null,
      lowercase: normalizer.lowercase,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: writeTemplate(definition.template),
    decoder: { type: "WordPiece", ...decoder },
    model: {
      type: "WordPiece",
      unk_token: wordPiece.unkToken,
      continuing_subword_prefix: wordPiece.continuingSubwordPrefix,
      max_input_chars_per_word: wordPiece.maxInputCharsPerWord,
      vocab,
    },
  };
}

function tokenizerConfig(definition: TokenizerDefinition, special: Record<string, string>): unknown {
  const { normalizer, modelMaxLength } = definition;
  return {
    tokenizer_class: "BertTokenizer",
    do_lower_case: normalizer.lowercase,
    tokenize_chinese_chars: normalizer.handleChineseChars,
    strip_accents: normalizer.stripAccents ?? null,
    ...(Number.isFinite(modelMaxLength) ? { model_max_length: modelMaxLength } : {}),
    clean_up_tokenization_spaces: definition.cleanUpTokenizationSpaces,
    ...special,
  };
}
