// What stands around the texts: [CLS] A [SEP] B [SEP], from tokenizer.json's post-processor.
// Mirrors tokenizers/src/processors/{template,bert}.rs of huggingface/tokenizers.

import { TokenizerError } from "../errors.js";

/** A piece of a template: special tokens, or the place of the first (0) or second (1) text. */
export type TemplatePiece =
  | { sequence: 0 | 1; typeId: number }
  | { sequence: undefined; typeId: number; ids: number[]; tokens: string[] };

export interface Template {
  single: TemplatePiece[];
  pair: TemplatePiece[];
}

export interface SpecialToken {
  token: string;
  id: number;
}

/** BERT's own template. */
export function bertTemplate(cls: SpecialToken, sep: SpecialToken): Template {
  const special = ({ token, id }: SpecialToken, typeId: number): TemplatePiece => ({
    sequence: undefined,
    typeId,
    ids: [id],
    tokens: [token],
  });
  const single: TemplatePiece[] = [special(cls, 0), { sequence: 0, typeId: 0 }, special(sep, 0)];
  return { single, pair: [...single, { sequence: 1, typeId: 1 }, special(sep, 1)] };
}

/** The pieces for one text or two; without special tokens only the texts remain. */
export function piecesOf(template: Template, isPair: boolean, addSpecialTokens: boolean): TemplatePiece[] {
  const pieces = isPair ? template.pair : template.single;
  return addSpecialTokens ? pieces : pieces.filter((piece) => piece.sequence !== undefined);
}

export function countSpecialTokens(pieces: readonly TemplatePiece[]): number {
  return pieces.reduce((sum, piece) => sum + (piece.sequence === undefined ? piece.ids.length : 0), 0);
}

/** Reads the `post_processor` of a tokenizer.json; `where` is named in errors. */
export function readTemplate(processor: unknown, where: string): Template {
  const bad = (what: string) =>
    new TokenizerError(
      "BAD_TOKENIZER_FILE",
      `${where}: post_processor ${what}. Save the tokenizer again with Hugging Face.`,
    );
  if (processor === null || processor === undefined) {
    const first: TemplatePiece = { sequence: 0, typeId: 0 };
    return { single: [first], pair: [first, { sequence: 1, typeId: 1 }] };
  }
  const { type } = processor as { type?: unknown };
  if (type === "BertProcessing") {
    const { cls, sep } = processor as { cls?: unknown; sep?: unknown };
    const read = (value: unknown, name: string): SpecialToken => {
      if (!Array.isArray(value) || typeof value[0] !== "string" || !isId(value[1])) {
        throw bad(`has no ${name} like ["[CLS]", 101]`);
      }
      return { token: value[0], id: value[1] };
    };
    return bertTemplate(read(cls, "cls"), read(sep, "sep"));
  }
  if (type !== "TemplateProcessing") {
    throw new TokenizerError(
      "TOKENIZER_UNSUPPORTED",
      `${where}: post_processor ${JSON.stringify(type)} is not supported; BERT has TemplateProcessing or BertProcessing.`,
    );
  }
  const { single, pair, special_tokens: specials } = processor as Record<string, unknown>;
  const readPieces = (list: unknown, name: string): TemplatePiece[] => {
    if (!Array.isArray(list)) throw bad(`has no list ${name}`);
    return list.map((item: Record<string, { id?: unknown; type_id?: unknown } | undefined>) => {
      const { Sequence: sequence, SpecialToken: special } = item ?? {};
      const typeId = (sequence ?? special)?.type_id ?? 0;
      if (!isId(typeId)) throw bad(`${name} has a piece with the type_id ${JSON.stringify(typeId)}, expected a number`);
      if (sequence?.id === "A" || sequence?.id === "B") return { sequence: sequence.id === "A" ? 0 : 1, typeId };
      const entry = (specials as Record<string, { ids?: unknown; tokens?: unknown } | undefined> | undefined)?.[
        String(special?.id)
      ];
      const { ids, tokens } = entry ?? {};
      if (!Array.isArray(ids) || !ids.every(isId) || !Array.isArray(tokens) || tokens.length !== ids.length) {
        throw bad(
          `${name} has the piece ${JSON.stringify(item)}, which is neither a sequence nor one of its special_tokens`,
        );
      }
      return { sequence: undefined, typeId, ids, tokens: tokens.map(String) };
    });
  };
  return { single: readPieces(single, "single"), pair: readPieces(pair, "pair") };
}

function isId(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}

/** The post-processor as tokenizer.json has it. */
export function writeTemplate({ single, pair }: Template): unknown {
  const specials: Record<string, unknown> = {};
  const write = (pieces: TemplatePiece[]) =>
    pieces.map((piece) => {
      if (piece.sequence !== undefined)
        return { Sequence: { id: piece.sequence === 0 ? "A" : "B", type_id: piece.typeId } };
      const id = piece.tokens.join(" ");
      specials[id] = { id, ids: piece.ids, tokens: piece.tokens };
      return { SpecialToken: { id, type_id: piece.typeId } };
    });
  return { type: "TemplateProcessing", single: write(single), pair: write(pair), special_tokens: specials };
}
