// The tokenizer that users see. It holds what was read from files and a cache of words; all options are arguments.

import { type DownloadOptions, resolveModelFolder } from "@node-bert/hub";
import { TokenizerError } from "../errors.js";
import type { PackedEncoding } from "../packed-encoding.js";
import type { AddedToken } from "./added-tokens.js";
import { normalizeText } from "./added-tokens.js";
import { cleanUpSpaces, decodedToken } from "./decoder.js";
import { normalizerOf, type TokenizerDefinition } from "./definition.js";
import { encodeTexts, scanText, type Texts } from "./encode-texts.js";
import { assemble, type Encoding, pad, type TextTokens } from "./encoding.js";
import type { NormalizerOptions } from "./normalizer.js";
import type { PaddingOptions } from "./options.js";
import { type EncodeBatchOptions, type EncodeOptions, planTruncation } from "./options.js";
import {
  type BatchEncoding,
  type PackedBuilder,
  type PackedColumns,
  type PaddedEncoding,
  toPadded,
} from "./packed-encoding.js";
import { definitionFromVocabulary, readTokenizerFolder, splitVocabulary } from "./read-files.js";
import { writeTokenizerFiles } from "./save-files.js";
import { countSpecialTokens, piecesOf } from "./template.js";
import { scannerOf, type TextScanner } from "./text-scanner.js";
import { windowsOfTexts } from "./truncation.js";
import { Vocabulary } from "./vocabulary.js";

/** Options of `BertTokenizer.fromVocabulary`, named as in tokenizer_config.json. */
export interface VocabularyOptions {
  /** Default true. */
  doLowerCase?: boolean;
  /** Default true: every Chinese character is a word. */
  tokenizeChineseChars?: boolean;
  /** Default as `doLowerCase`. */
  stripAccents?: boolean;
  /** Default none. */
  modelMaxLength?: number;
}

const TOKENIZER_FILES = ["tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"];

/** Options of `BertTokenizer.decode`. */
export interface DecodeOptions {
  /** Leaves special tokens out; default false. */
  skipSpecialTokens?: boolean;
  /** Takes blanks before punctuation out of the whole text; default what tokenizer_config.json says, else false. */
  cleanUpTokenizationSpaces?: boolean;
}

/** A token in a decoded text: at its beginning, and later. */
interface ShownToken {
  first: string;
  later: string;
  isSpecial: boolean;
}

/**
 * BERT's tokenizer: equal to Hugging Face's `tokenizers` in ids, type ids, masks, offsets, word ids and decoded text.
 *
 * @example
 * const tokenizer = await BertTokenizer.fromPretrained("google-bert/bert-base-uncased");
 * tokenizer.encode("Hello world").tokens; // ["[CLS]", "hello", "world", "[SEP]"]
 */
export class BertTokenizer {
  readonly #definition: TokenizerDefinition;
  readonly #vocabulary: Vocabulary;
  readonly #normalizer: NormalizerOptions;
  readonly #addedById: Map<number, AddedToken>;
  readonly #addedByContent: Map<string, AddedToken>;
  readonly #scanner: TextScanner;
  readonly #shownTokens = new Map<number, ShownToken>();

  /** Most people want `fromPretrained` or `fromVocabulary`. */
  constructor(definition: TokenizerDefinition) {
    this.#definition = definition;
    this.#vocabulary = new Vocabulary(definition.vocabulary);
    const { addedTokens } = definition;
    this.#normalizer = normalizerOf(definition);
    this.#addedById = new Map(addedTokens.map((token) => [token.id, token]));
    this.#addedByContent = new Map(addedTokens.map((token) => [token.content, token]));
    this.#scanner = scannerOf(definition, this.#vocabulary);
  }

  /**
   * Loads a tokenizer.
   *
   * @param nameOrFolder a folder with tokenizer.json, or with vocab.txt and tokenizer_config.json; or a Hub id.
   * @param options of the download, when it is a Hub id.
   * @throws TokenizerError TOKENIZER_NOT_FOUND, BAD_TOKENIZER_FILE, TOKENIZER_UNSUPPORTED; HubError when it cannot be downloaded.
   * @example const tokenizer = await BertTokenizer.fromPretrained("./my-model");
   */
  static async fromPretrained(nameOrFolder: string, options: DownloadOptions = {}): Promise<BertTokenizer> {
    const folder = await resolveModelFolder(nameOrFolder, { ...options, files: TOKENIZER_FILES });
    return new BertTokenizer(await readTokenizerFolder(folder));
  }

  /**
   * A tokenizer of a vocabulary alone.
   *
   * @param vocab the text of a vocab.txt, or its lines; ids are the positions.
   * @throws TokenizerError BAD_TOKENIZER_FILE when [UNK], [CLS] or [SEP] is missing; [PAD] and [MASK] are added.
   * @example const tokenizer = BertTokenizer.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello"]);
   */
  static fromVocabulary(vocab: string | readonly string[], options: VocabularyOptions = {}): BertTokenizer {
    const tokens = typeof vocab === "string" ? splitVocabulary(vocab) : vocab;
    const config = {
      do_lower_case: options.doLowerCase,
      tokenize_chinese_chars: options.tokenizeChineseChars,
      strip_accents: options.stripAccents,
      model_max_length: options.modelMaxLength,
    };
    return new BertTokenizer(definitionFromVocabulary(tokens, config, "vocabulary"));
  }

  /** All that makes the tokenizer, as plain data. */
  get definition(): TokenizerDefinition {
    return this.#definition;
  }

  /**
   * Encodes one text, or a pair, with everything that is known of its tokens. For many texts `encodeBatch` is quicker.
   *
   * @throws TokenizerError BAD_TOKENIZER_OPTION, TRUNCATION_IMPOSSIBLE
   * @example tokenizer.encode("a question", { pair: "a text", maxLength: 384, truncation: "only_second", stride: 128 }).overflowing
   */
  encode(text: string, options: EncodeOptions = {}): Encoding {
    const texts = [this.#readText(text, options, "text")];
    if (options.pair !== undefined) texts.push(this.#readText(options.pair, options, "pair"));
    const pieces = piecesOf(this.#definition.template, texts.length === 2, options.addSpecialTokens ?? true);
    const plan = planTruncation(options, this.modelMaxLength);
    const lengths = texts.map((tokens) => tokens.ids.length);
    const stride = options.stride ?? 0;
    const all = windowsOfTexts(lengths, plan, countSpecialTokens(pieces), stride, plan?.side !== "head-tail");
    const [encoding, ...overflowing] = all.map((ranges) => assemble(pieces, texts, ranges));
    encoding!.overflowing = overflowing;
    return pad(
      encoding!,
      { id: this.padTokenId, token: this.#definition.specialTokens.pad },
      options,
      this.modelMaxLength,
    );
  }

  /**
   * Encodes many texts, or pairs, into packed typed arrays.
   *
   * @throws TokenizerError BAD_TOKENIZER_OPTION, TRUNCATION_IMPOSSIBLE
   * @example const { inputIds, cuSeqlens } = tokenizer.encodeBatch(["one text", "another"], { maxLength: 512 });
   */
  encodeBatch(texts: Texts, options: EncodeBatchOptions = {}): BatchEncoding {
    return this.encodeInto(undefined, texts, options).finish();
  }

  /** Encodes into columns, which are written over; for `BertTokenizerPool`. @internal */
  encodeInto(columns: PackedColumns | undefined, texts: Texts, options: EncodeBatchOptions): PackedBuilder {
    return encodeTexts(this.#scanner, this.#definition, texts, options, columns);
  }

  /** The padded (B, S) view of `encodeBatch`'s result; default `padding: "longest"`. @throws TokenizerError BAD_TOKENIZER_OPTION */
  pad(packed: PackedEncoding, options: PaddingOptions = {}): PaddedEncoding {
    return toPadded(packed, { padTokenId: this.padTokenId, modelMaxLength: this.modelMaxLength }, options);
  }

  /**
   * Text of ids. Ids that no token has are left out.
   * @example tokenizer.decode([101, 7592, 102], { skipSpecialTokens: true }) // "hello"
   */
  decode(ids: ArrayLike<number>, options: DecodeOptions = {}): string {
    const { skipSpecialTokens = false } = options;
    const { cleanUpTokenizationSpaces } = this.#definition;
    let text = "";
    let isFirst = true;
    for (let i = 0; i < ids.length; i++) {
      const shown = this.#shown(ids[i]!);
      if (shown === undefined || (skipSpecialTokens && shown.isSpecial)) continue;
      text += isFirst ? shown.first : shown.later;
      isFirst = false;
    }
    return (options.cleanUpTokenizationSpaces ?? cleanUpTokenizationSpaces) ? cleanUpSpaces(text) : text;
  }

  /** Writes vocab.txt, tokenizer.json, tokenizer_config.json and special_tokens_map.json, as Hugging Face Python loads them; returns their paths. */
  save(folder: string): Promise<string[]> {
    return writeTokenizerFiles(folder, this.#definition);
  }

  tokenToId(token: string): number | undefined {
    return this.#addedByContent.get(token)?.id ?? this.#vocabulary.tokenToId(token);
  }

  idToToken(id: number): string | undefined {
    return this.#addedById.get(id)?.content ?? this.#vocabulary.idToToken(id);
  }

  /** Tokens, added ones included. */
  get vocabSize(): number {
    let size = this.#vocabulary.size;
    for (const content of this.#addedByContent.keys()) if (this.#vocabulary.tokenToId(content) === undefined) size++;
    return size;
  }

  get unkTokenId(): number {
    return this.#roleId("unk");
  }

  get sepTokenId(): number {
    return this.#roleId("sep");
  }

  get padTokenId(): number {
    return this.#roleId("pad");
  }

  get clsTokenId(): number {
    return this.#roleId("cls");
  }

  get maskTokenId(): number {
    return this.#roleId("mask");
  }

  /** Most tokens that the model takes; Infinity where its files name no limit. */
  get modelMaxLength(): number {
    return this.#definition.modelMaxLength;
  }

  #roleId(role: keyof TokenizerDefinition["specialTokens"]): number {
    const token = this.#definition.specialTokens[role];
    const id = this.tokenToId(token);
    if (id !== undefined) return id;
    throw new TokenizerError(
      "BAD_TOKENIZER_FILE",
      `the vocabulary has no ${role} token ${JSON.stringify(token)}. Add it, or name another in tokenizer_config.json.`,
    );
  }

  /** What a token is in a decoded text; undefined for ids that no token has. */
  #shown(id: number): ShownToken | undefined {
    const known = this.#shownTokens.get(id);
    if (known !== undefined) return known;
    const added = this.#addedById.get(id);
    let token = this.idToToken(id);
    if (token === undefined) return undefined;
    // As the reference does: an added token is shown as it is looked for.
    if (added?.normalized) token = normalizeText(added.content, this.#normalizer);
    const { prefix, cleanup } = this.#definition.decoder;
    const shown = {
      first: decodedToken(token, true, prefix, cleanup),
      later: decodedToken(token, false, prefix, cleanup),
      isSpecial: this.#addedByContent.get(token)?.special === true,
    };
    this.#shownTokens.set(id, shown);
    return shown;
  }

  #readText(text: string, options: EncodeOptions, name: string): TextTokens {
    const { sink } = this.#scanner;
    scanText(this.#scanner, text, true, options.splitSpecialTokens ?? false, name);
    const tokens: TextTokens = { ids: [], tokens: [], offsets: [], wordIds: [] };
    for (let i = 0; i < sink.count; i++) {
      const id = sink.ids[i]!;
      tokens.ids.push(id);
      tokens.tokens.push(this.idToToken(id) ?? "");
      tokens.offsets.push([sink.offsets[2 * i]!, sink.offsets[2 * i + 1]!]);
      tokens.wordIds.push(sink.wordIds[i]!);
    }
    for (const { index, text: stretched } of sink.stretched) tokens.tokens[index] = stretched;
    return tokens;
  }
}
