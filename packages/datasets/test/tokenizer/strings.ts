// Strings that break tokenizers, from a seed.

/** Numbers from 0 to 1: mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Added tokens that the generated strings hold, inside words too; special ones of BERT are among them. */
export const TOKEN_TEXTS = [
  "[CLS]",
  "[SEP]",
  "[MASK]",
  "[UNK]",
  "[PAD]",
  "<new>",
  "Ünï",
  "foo",
  "ab c",
  "日本",
  "##ing",
  "[mask]",
];

const EMOJI = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪🇫🇷", "☺️", "1️⃣", "🫠", "❤️‍🔥"];
const ODD = [
  "\u0000",
  "\ufffd",
  "\u2028",
  "\u2029",
  "\u0085",
  "\u00a0",
  "\u3000",
  "\u200b",
  "\u200d",
  "\ufeff",
  "\u00ad",
  "\u180e",
  "\u1680",
  "\u0130",
  "\u0131",
  "ẞ",
  "Σ",
  "ς",
  "ǅ",
  "ﬁ",
  "\u0344",
  "\u0f73",
  "\u0f81",
  "\u302e",
  "\u{16ff0}",
  "\ud834\udd5e",
  "\u037e",
  "\u1fef",
  "\u226e",
  "\u{2f800}",
];

/** A string of up to some sixty characters. */
export function randomString(random: () => number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const between = (from: number, to: number) => String.fromCodePoint(from + Math.floor(random() * (to - from + 1)));
  const generators: (() => string)[] = [
    () => between(0x61, 0x7a),
    () => between(0x41, 0x5a),
    () => between(0x20, 0x7e),
    () => " ",
    () => between(0x00, 0x1f),
    () => between(0x7f, 0x9f),
    () => between(0xa0, 0x24f),
    () => between(0x300, 0x36f),
    () => between(0x370, 0x5ff),
    () => between(0x600, 0x1fff),
    () => between(0x1100, 0x11ff),
    () => between(0x1e00, 0x1fff),
    () => between(0x2000, 0x2bff),
    () => between(0x3000, 0x30ff),
    () => between(0x3400, 0x4dbf),
    () => between(0x4e00, 0x9fff),
    () => between(0xac00, 0xd7a3),
    () => between(0xd800, 0xdfff),
    () => between(0xe000, 0xffff),
    () => between(0x10000, 0x1ffff),
    () => between(0x1d100, 0x1d7ff),
    () => between(0x20000, 0x2ceaf),
    () => between(0x2cdb0, 0x323af),
    () => between(0xe0000, 0x10ffff),
    () => between(0, 0x10ffff),
    () => pick(EMOJI),
    () => pick(ODD),
    () => pick(TOKEN_TEXTS),
    () =>
      pick([
        "the",
        "Unaffable",
        "don't",
        "e\u0301t\u00e9",
        "ÉTÉ",
        "straße",
        "Ελλάς",
        "русский",
        "日本語",
        "한국어",
        "ไทย",
        "हिन्दी",
        "עִבְרִית",
      ]),
    () => pick("aé中𝒜".match(/./gu)!).repeat(97 + Math.floor(random() * 6)),
  ];
  // A string draws from a few of them, so that marks meet marks and letters meet letters.
  const few = Array.from({ length: 1 + Math.floor(random() * 5) }, () => pick(generators));
  let text = "";
  const length = Math.floor(random() * 24) + (random() < 0.1 ? 36 : 1);
  for (let i = 0; i < length; i++) text += pick(few)();
  return text;
}
