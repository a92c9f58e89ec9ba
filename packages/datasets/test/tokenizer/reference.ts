// The reference: npm `tokenizers`, Hugging Face's Rust library. Everything it says of a text is compared with what we say.

import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Tokenizer } from "tokenizers";
import { BertTokenizer } from "../../src/tokenizer/bert-tokenizer.js";
import { definitionFromJson } from "../../src/tokenizer/read-files.js";

const checkout = fileURLToPath(new URL("../../../..", import.meta.url));
/** Where real data is; see CONTRIBUTING.md. */
export const dataFolder = process.env.NODE_BERT_DATA ?? resolve(checkout, "../shared/data");
export const hasData = existsSync(join(dataFolder, "vocab/bert-base-uncased/tokenizer.json"));
export const MODELS = [
  "bert-base-uncased",
  "bert-base-cased",
  "bert-base-chinese",
  "bert-base-multilingual-cased",
] as const;

export function skipNotice(what: string): void {
  console.log(`SKIPPED: ${what} needs real data in ${dataFolder}, which is not there. Set NODE_BERT_DATA.`);
}

type Json = Record<string, unknown>;

/** Both libraries, made of one tokenizer.json. */
export interface Both {
  name: string;
  ours: BertTokenizer;
  reference: Tokenizer;
}

export function readTokenizerJson(model: string): Json {
  return JSON.parse(readFileSync(join(dataFolder, "vocab", model, "tokenizer.json"), "utf8")) as Json;
}

export function both(name: string, json: Json): Both {
  const ours = new BertTokenizer(definitionFromJson(json, { model_max_length: 512 }, name));
  return { name, ours, reference: Tokenizer.fromString(JSON.stringify(json)) };
}

export const bothOfModel = (model: string): Both => both(model, readTokenizerJson(model));

/** An added token as tokenizer.json has it. */
export function addedToken(id: number, content: string, switches: Json = {}): Json {
  return {
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: false,
    ...switches,
  };
}

/** Position in UTF-16 units of each character (code point), and of the end. */
function unitPositions(text: string): number[] {
  const positions = [0];
  for (const character of text) positions.push(positions.at(-1)! + character.length);
  return positions;
}

export interface Difference {
  tokenizer: string;
  /** A pair as JSON. */
  text: string;
  what: string;
  ours: unknown;
  reference: unknown;
}

/** Compares both on texts or pairs: ids (alone and with all else), type ids, masks, offsets, word ids, decodings. */
export async function compare(
  { name, ours, reference }: Both,
  texts: readonly (string | [string, string])[],
  { decodes = true, tokens = false }: { decodes?: boolean; tokens?: boolean } = {},
): Promise<Difference[]> {
  const differences: Difference[] = [];
  // Its batch call takes no pairs.
  const expected = texts.every((text) => typeof text === "string")
    ? await reference.encodeBatch([...texts])
    : await Promise.all(texts.map((text) => reference.encode(text[0]!, text[1])));
  const full = ours.encodeBatch(texts as string[], { returnOffsets: true, returnWordIds: true });
  const idsAlone = ours.encodeBatch(texts as string[]);
  const names = texts.map((text) => (typeof text === "string" ? text : JSON.stringify(text)));
  const allIds: number[][] = [];
  for (const [b, text] of names.entries()) {
    const [first, second] = [texts[b]!].flat() as [string, string?];
    const from = full.cuSeqlens[b]!;
    const to = full.cuSeqlens[b + 1]!;
    const add = (what: string, a: unknown, r: unknown) =>
      differences.push({ tokenizer: name, text, what, ours: a, reference: r });
    const encoding = expected[b]!;
    const ids = encoding.getIds();
    allIds.push(ids);
    if (!same(ids, full.inputIds.subarray(from, to))) add("ids", [...full.inputIds.subarray(from, to)], ids);
    if (!same(ids, idsAlone.inputIds.subarray(idsAlone.cuSeqlens[b]!, idsAlone.cuSeqlens[b + 1]!))) {
      add("ids alone", [...idsAlone.inputIds.subarray(idsAlone.cuSeqlens[b]!, idsAlone.cuSeqlens[b + 1]!)], ids);
    }
    const typeIds = encoding.getTypeIds();
    if (!same(typeIds, full.tokenTypeIds.subarray(from, to)))
      add("type ids", [...full.tokenTypeIds.subarray(from, to)], typeIds);
    const positions = [first, second ?? ""].map(unitPositions);
    const sequences = encoding.getSequenceIds();
    const offsets = encoding
      .getOffsets()
      .flatMap((range, n) => range.map((position) => positions[sequences[n] ?? 0]![position]!));
    if (!same(offsets, full.offsets!.subarray(2 * from, 2 * to)))
      add("offsets", [...full.offsets!.subarray(2 * from, 2 * to)], offsets);
    const wordIds = encoding.getWordIds().map((word) => word ?? -1);
    if (!same(wordIds, full.wordIds!.subarray(from, to)))
      add("word ids", [...full.wordIds!.subarray(from, to)], wordIds);
    if (tokens) {
      const one = ours.encode(first, { pair: second });
      const parts = [
        ["tokens", one.tokens, encoding.getTokens()],
        ["attention mask", one.attentionMask, encoding.getAttentionMask()],
        ["special tokens mask", one.specialTokensMask, encoding.getSpecialTokensMask()],
        ["sequence ids", one.sequenceIds, encoding.getSequenceIds().map((id) => id ?? null)],
        ["ids of encode", one.ids, ids],
        ["offsets of encode", one.offsets.flat(), offsets],
        ["word ids of encode", one.wordIds.map((id) => id ?? -1), wordIds],
      ] as const;
      for (const [what, a, r] of parts) if (!same(a, r)) add(what, a, r);
    }
  }
  if (decodes) {
    for (const skipSpecialTokens of [false, true]) {
      const decoded = await reference.decodeBatch(allIds, skipSpecialTokens);
      for (const [b, text] of names.entries()) {
        const mine = ours.decode(allIds[b]!, { skipSpecialTokens });
        if (mine !== decoded[b]) {
          differences.push({ tokenizer: name, text, what: "decoding", ours: mine, reference: decoded[b] });
        }
      }
    }
  }
  return differences;
}

function same(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
