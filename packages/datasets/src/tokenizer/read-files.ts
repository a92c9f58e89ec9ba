// From tokenizer.json, or vocab.txt, and tokenizer_config.json to a definition. What is not BERT's is refused by name.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { TokenizerError } from "../errors.js";
import type { AddedToken } from "./added-tokens.js";
import { BERT_SPECIAL_TOKENS, type SpecialTokens, type TokenizerDefinition } from "./definition.js";
import { scanVocabulary } from "./scan-vocabulary.js";
import { bertTemplate, readTemplate } from "./template.js";
import { Vocabulary } from "./vocabulary.js";

/** Larger values of model_max_length say "none", as transformers writes them. */
const LARGEST_MAX_LENGTH = 1e9;

/** Fields of tokenizer_config.json and special_tokens_map.json that matter here. */
type Config = Record<string, unknown>;

/**
 * Reads a folder's tokenizer.
 * @throws TokenizerError TOKENIZER_NOT_FOUND, BAD_TOKENIZER_FILE, TOKENIZER_UNSUPPORTED
 */
export async function readTokenizerFolder(folder: string): Promise<TokenizerDefinition> {
  const path = join(folder, "tokenizer.json");
  const [special, own, bytes] = await Promise.all([
    readJsonFile(join(folder, "special_tokens_map.json")),
    readJsonFile(join(folder, "tokenizer_config.json")),
    readIfThere(path),
  ]);
  const config = { ...special, ...own };
  if (bytes !== undefined) {
    const scanned = scanVocabulary(bytes);
    const json = parseJson(scanned?.json ?? bytes.toString("utf8"), path);
    return definitionFromJson(json, config, path, scanned?.vocabulary);
  }
  const vocabPath = join(folder, "vocab.txt");
  const text = (await readIfThere(vocabPath))?.toString("utf8");
  if (text === undefined) {
    throw new TokenizerError(
      "TOKENIZER_NOT_FOUND",
      `${folder}: neither tokenizer.json nor vocab.txt. Expected the folder of a BERT model as Hugging Face saves it.`,
    );
  }
  return definitionFromVocabulary(splitVocabulary(text), config, vocabPath);
}

/** Lines of a vocab.txt: cut at "\n" alone, as some vocabularies hold U+2028 as a token; a "\r" before it belongs to it. */
export function splitVocabulary(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
}

/** A tokenizer made of a vocabulary alone, and what a tokenizer_config.json says. */
export function definitionFromVocabulary(
  tokens: readonly string[],
  config: Config,
  where: string,
): TokenizerDefinition {
  const vocabulary = Vocabulary.from(tokens);
  const specialTokens = readSpecialTokens(config);
  const idOf = (token: string) => requireToken(vocabulary, token, where);
  idOf(specialTokens.unk);
  const addedTokens = Object.values(specialTokens).map((content) => ({ ...SPECIAL, id: 0, content }));
  return {
    vocabulary: vocabulary.arrays,
    wordPiece: { unkToken: specialTokens.unk, continuingSubwordPrefix: "##", maxInputCharsPerWord: 100 },
    normalizer: {
      cleanText: true,
      ...readNormalizerConfig(config, { handleChineseChars: true, stripAccents: undefined, lowercase: true }),
    },
    addedTokens: mergeAddedTokens(addedTokens, config, vocabulary, where),
    template: bertTemplate(
      { token: specialTokens.cls, id: idOf(specialTokens.cls) },
      { token: specialTokens.sep, id: idOf(specialTokens.sep) },
    ),
    decoder: { prefix: "##", cleanup: true },
    specialTokens,
    ...readLimits(config),
  };
}

const SPECIAL = { singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true };

/**
 * A tokenizer from a parsed tokenizer.json; a tokenizer_config.json's switches win over it, as in transformers.
 * @param scanned the vocabulary, where it was taken out of the JSON before.
 */
export function definitionFromJson(
  json: Config,
  config: Config,
  where: string,
  scanned?: Vocabulary,
): TokenizerDefinition {
  const model = section(json, "model", ["WordPiece"], where);
  const vocabulary = scanned ?? vocabularyOf(model, where);
  const normalizer = json.normalizer == null ? {} : section(json, "normalizer", ["BertNormalizer"], where);
  section(json, "pre_tokenizer", ["BertPreTokenizer"], where);
  const decoder = json.decoder == null ? {} : section(json, "decoder", ["WordPiece"], where);
  const addedTokens = (Array.isArray(json.added_tokens) ? json.added_tokens : []).map((token: Config) =>
    readAddedToken(token, token?.id, where),
  );
  const specialTokens = readSpecialTokens({ unk_token: model.unk_token, ...config });
  const wordPiece = {
    unkToken: stringOr(model.unk_token, "[UNK]"),
    continuingSubwordPrefix: stringOr(model.continuing_subword_prefix, "##"),
    maxInputCharsPerWord: numberOr(model.max_input_chars_per_word, 100),
  };
  requireToken(vocabulary, wordPiece.unkToken, where);
  const isOn = (value: unknown) => (json.normalizer == null ? false : booleanOr(value, true));
  return {
    vocabulary: vocabulary.arrays,
    wordPiece,
    normalizer: {
      cleanText: isOn(normalizer.clean_text),
      ...readNormalizerConfig(config, {
        handleChineseChars: isOn(normalizer.handle_chinese_chars),
        stripAccents: typeof normalizer.strip_accents === "boolean" ? normalizer.strip_accents : undefined,
        lowercase: isOn(normalizer.lowercase),
      }),
    },
    addedTokens: mergeAddedTokens(addedTokens, config, vocabulary, where),
    template: readTemplate(json.post_processor, where),
    decoder: { prefix: stringOr(decoder.prefix, "##"), cleanup: booleanOr(decoder.cleanup, true) },
    specialTokens,
    ...readLimits(config),
  };
}

function vocabularyOf({ vocab }: Config, where: string): Vocabulary {
  if (typeof vocab !== "object" || vocab === null || Array.isArray(vocab)) {
    throw badFile(where, 'model.vocab is missing, expected an object like {"[PAD]": 0, …}');
  }
  const ids = Object.values(vocab as Record<string, number>);
  return Vocabulary.from(Object.keys(vocab), (i) => ids[i]!);
}

/** A part of tokenizer.json, whose type has to be one of ours. */
function section(json: Config, name: string, types: readonly string[], where: string): Config {
  const value = json[name];
  if (typeof value !== "object" || value === null) {
    throw badFile(where, `${name} is ${JSON.stringify(value)}, expected an object of type ${types.join(" or ")}`);
  }
  const { type } = value as Config;
  // Old files name no type of model.
  if (!types.includes(String(type)) && !(name === "model" && type === undefined)) {
    throw new TokenizerError(
      "TOKENIZER_UNSUPPORTED",
      `${where}: ${name} is of type ${JSON.stringify(type)}; BERT's is ${types.join(" or ")}, and only that is supported.`,
    );
  }
  return value as Config;
}

function readNormalizerConfig<
  T extends { handleChineseChars: boolean; stripAccents: boolean | undefined; lowercase: boolean },
>(config: Config, otherwise: T): T {
  return {
    ...otherwise,
    handleChineseChars: booleanOr(config.tokenize_chinese_chars, otherwise.handleChineseChars),
    stripAccents: typeof config.strip_accents === "boolean" ? config.strip_accents : otherwise.stripAccents,
    lowercase: booleanOr(config.do_lower_case, otherwise.lowercase),
  };
}

function readSpecialTokens(config: Config): SpecialTokens {
  const read = (name: keyof SpecialTokens) => {
    const value = config[`${name}_token`];
    if (typeof value === "object" && value !== null)
      return stringOr((value as Config).content, BERT_SPECIAL_TOKENS[name]);
    return stringOr(value, BERT_SPECIAL_TOKENS[name]);
  };
  return { unk: read("unk"), sep: read("sep"), pad: read("pad"), cls: read("cls"), mask: read("mask") };
}

/**
 * Adds the tokens of tokenizer_config.json's added_tokens_decoder that are not there yet. As in the reference, a file's ids of
 * added tokens say nothing: those of the vocabulary have its ids, the others the next ones after it.
 */
function mergeAddedTokens(
  tokens: readonly AddedToken[],
  config: Config,
  vocabulary: Vocabulary,
  where: string,
): AddedToken[] {
  const merged = new Map(tokens.map((token) => [token.content, token]));
  const more = config.added_tokens_decoder;
  if (typeof more === "object" && more !== null) {
    for (const [id, token] of Object.entries(more as Record<string, Config>)) {
      const read = readAddedToken(token, Number(id), where);
      if (!merged.has(read.content)) merged.set(read.content, read);
    }
  }
  let next = vocabulary.size;
  const numbered = [...merged.values()].map((token) => ({
    ...token,
    id: vocabulary.tokenToId(token.content) ?? next++,
  }));
  return numbered.sort((a, b) => a.id - b.id);
}

function readAddedToken(token: Config | undefined, id: unknown, where: string): AddedToken {
  const content = token?.content;
  if (typeof content !== "string" || content === "" || typeof id !== "number" || !Number.isInteger(id) || id < 0) {
    throw badFile(where, `the added token ${JSON.stringify(token)} has no content or no id`);
  }
  return {
    id,
    content,
    singleWord: booleanOr(token!.single_word, false),
    lstrip: booleanOr(token!.lstrip, false),
    rstrip: booleanOr(token!.rstrip, false),
    normalized: booleanOr(token!.normalized, token!.special !== true),
    special: booleanOr(token!.special, false),
  };
}

function readLimits(config: Config): Pick<TokenizerDefinition, "modelMaxLength" | "cleanUpTokenizationSpaces"> {
  const limit = numberOr(config.model_max_length, Infinity);
  return {
    modelMaxLength: limit > LARGEST_MAX_LENGTH ? Infinity : limit,
    cleanUpTokenizationSpaces: booleanOr(config.clean_up_tokenization_spaces, false),
  };
}

function requireToken(vocabulary: Vocabulary, token: string, where: string): number {
  const id = vocabulary.tokenToId(token);
  if (id === undefined) {
    throw badFile(
      where,
      `the vocabulary of ${vocabulary.size} tokens lacks the special token ${JSON.stringify(token)}`,
    );
  }
  return id;
}

async function readJsonFile(path: string): Promise<Config | undefined> {
  const bytes = await readIfThere(path);
  return bytes === undefined ? undefined : parseJson(bytes.toString("utf8"), path);
}

function parseJson(text: string, path: string): Config {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    const message = `${path}: not JSON (${(cause as Error).message}). Get the file again.`;
    throw new TokenizerError("BAD_TOKENIZER_FILE", message, { cause });
  }
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw badFile(path, "expected a JSON object");
  return json as Config;
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new TokenizerError("TOKENIZER_NOT_FOUND", `${path}: cannot be read (${(cause as Error).message}).`, {
      cause,
    });
  }
}

function badFile(where: string, what: string): TokenizerError {
  return new TokenizerError("BAD_TOKENIZER_FILE", `${where}: ${what}.`);
}

function stringOr(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}

function numberOr(value: unknown, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

function booleanOr(value: unknown, otherwise: boolean): boolean {
  return typeof value === "boolean" ? value : otherwise;
}
