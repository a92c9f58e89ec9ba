// Writes src/tokenizer/unicode-data.ts: what the reference tokenizer (npm `tokenizers`, Hugging Face's Rust library)
// thinks of every code point, found by asking it. Its tables are of several Unicode versions (character classes of one,
// decompositions of another, lower case of a third) and Node's are of yet another, so neither `\p{…}` nor `toLowerCase`
// can stand in for them. Run after an update of `tokenizers`: node scripts/generate-tokenizer-tables.mjs

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  AddedToken,
  bertNormalizer,
  bertPreTokenizer,
  lowercase,
  nfdNormalizer,
  Tokenizer,
  WordPiece,
} from "tokenizers";

const off = { cleanText: false, handleChineseChars: false, stripAccents: false, lowercase: false };
const clean = bertNormalizer({ ...off, cleanText: true });
const strip = bertNormalizer({ ...off, stripAccents: true });
const chinese = bertNormalizer({ ...off, handleChineseChars: true });
const lower = lowercase();
const nfd = nfdNormalizer();
const preTokenizer = bertPreTokenizer();

const codePoints = [];
for (let c = 0; c < 0x110000; c++) if (c < 0xd800 || c > 0xdfff) codePoints.push(c);

/** Ranges of the code points that fulfil `test`, as [first, count] pairs. */
function rangesWhere(test) {
  const ranges = [];
  for (const c of codePoints) {
    if (!test(c, String.fromCodePoint(c))) continue;
    const last = ranges.at(-1);
    if (last && last[0] + last[1] === c) last[1]++;
    else ranges.push([c, 1]);
  }
  return ranges;
}

const pieces = (character) => preTokenizer.preTokenizeString(`a${character}b`).length;
const removed = rangesWhere((_, s) => clean.normalizeString(`a${s}b`) === "ab");
const white = rangesWhere((_, s) => pieces(s) === 2);
const punctuation = rangesWhere((_, s) => pieces(s) === 3);
const spaced = rangesWhere((_, s) => chinese.normalizeString(s) === ` ${s} `);
const isHangul = (c) => c >= 0xac00 && c <= 0xd7a3;
const decomposed = rangesWhere((c, s) => !isHangul(c) && nfd.normalizeString(s) !== s);
const marks = rangesWhere((_, s) => nfd.normalizeString(s) === s && strip.normalizeString(`a${s}`) === "a");
for (const [first, count] of decomposed) {
  for (let c = first; c < first + count; c++) {
    const s = String.fromCodePoint(c);
    if (s.normalize("NFD") !== nfd.normalizeString(s)) throw new Error(`decomposition of ${c.toString(16)} differs`);
  }
}

// Lower case: runs of [first, count, step, difference] where the lower case is one character; U+0130 has two.
const lowerRuns = [];
for (const c of codePoints) {
  const result = Array.from(lower.normalizeString(String.fromCodePoint(c)), (s) => s.codePointAt(0));
  if (result.length > 1) {
    if (c !== 0x130 || result.join() !== "105,775") throw new Error(`unexpected lower case of ${c.toString(16)}`);
    continue;
  }
  const difference = result[0] - c;
  if (difference === 0) continue;
  const run = lowerRuns.findLast((r) => r.difference === difference);
  const step = run === undefined ? 0 : c - run.last;
  if (run && (run.count === 1 ? step <= 2 : step === run.step)) {
    run.step = step;
    run.count++;
    run.last = c;
  } else lowerRuns.push({ first: c, last: c, count: 1, step: 1, difference });
}

// The order in which combining characters are sorted: a character's rank is that of its combining class.
const isCombining = (_, s) =>
  nfd.normalizeString(`${s}\u0334`) === `\u0334${s}` ||
  nfd.normalizeString(`\u0345${s}`) === `${s}\u0345` ||
  s === "\u0334" ||
  s === "\u0345";
const combining = rangesWhere((c, s) => nfd.normalizeString(s) === s && isCombining(c, s)).flatMap(([first, count]) =>
  Array.from({ length: count }, (_, i) => String.fromCodePoint(first + i)),
);
const comesBefore = (a, b) => a !== b && nfd.normalizeString(b + a) === a + b;
const representatives = [];
for (const s of combining) {
  if (representatives.some((r) => !comesBefore(r, s) && !comesBefore(s, r))) continue;
  representatives.push(s);
}
representatives.sort((a, b) => (comesBefore(a, b) ? -1 : 1));
const rankRuns = [];
for (const s of combining) {
  const rank = 1 + representatives.findIndex((r) => !comesBefore(r, s) && !comesBefore(s, r));
  if (rank === 0) throw new Error(`no rank for ${s.codePointAt(0).toString(16)}`);
  const c = s.codePointAt(0);
  const last = rankRuns.at(-1);
  if (last && last.first + last.count === c && last.rank === rank) last.count++;
  else rankRuns.push({ first: c, count: 1, rank });
}

// Word characters of Rust's regular expressions (`\w`): an added token that is a single word does not match beside them.
// "£" stands for the added token: it is punctuation to nobody and is not a word character either.
const tokenizer = new Tokenizer(await WordPiece.init({ "[UNK]": 0 }, {}));
tokenizer.addAddedTokens([new AddedToken("£", false, { singleWord: true, normalized: false })]);
const isWord = new Map();
for (let from = 0; from < codePoints.length; from += 50000) {
  const batch = codePoints.slice(from, from + 50000);
  const encodings = await tokenizer.encodeBatch(batch.map((c) => `£${String.fromCodePoint(c)}`));
  for (const [i, encoding] of encodings.entries()) isWord.set(batch[i], encoding.getIds()[0] === 0);
}
const words = rangesWhere((c) => isWord.get(c));

const lines = (text) => {
  const parts = text.match(/.{1,110}(?: |$)/g);
  return parts.map((part, i) => `  ${JSON.stringify(part)}${i + 1 < parts.length ? " +" : ";"}`).join("\n");
};

/** What holds for a code point, as the bits of src/tokenizer/unicode.ts. */
const flags = new Uint8Array(0x110000);
for (const [bit, ranges] of [removed, white, punctuation, spaced, marks, decomposed, words].entries())
  for (const [first, count] of ranges) for (let c = first; c < first + count; c++) flags[c] |= 1 << bit;
const flagRuns = [];
for (let c = 0; c < flags.length; c++) {
  const last = flagRuns.at(-1);
  if (last?.flags === flags[c]) last.count++;
  else flagRuns.push({ count: 1, flags: flags[c] });
}

const base36 = (...numbers) => numbers.map((n) => n.toString(36)).join(" ");
const tables = [
  [
    "FLAGS",
    "Runs `count flags` over all code points. Flags: 1 what `clean_text` removes, 2 white space, 4 words of their own, 8 what\n * `handle_chinese_chars` puts spaces around, 16 what `strip_accents` removes, 32 what decomposes, Hangul aside, 64 `\\w`.",
    flagRuns.map((r) => base36(r.count, r.flags)).join(" "),
  ],
  [
    "LOWER_CASE",
    "Runs `first count step difference` of one-character lower case. (U+0130 alone has two characters.)",
    lowerRuns.map((r) => base36(r.first, r.count, r.step, r.difference)).join(" "),
  ],
  [
    "COMBINING_RANKS",
    "Runs `first count rank` of combining characters; ranks are in the order of combining classes.",
    rankRuns.map((r) => base36(r.first, r.count, r.rank)).join(" "),
  ],
];
const source = `// Generated by scripts/generate-tokenizer-tables.mjs from the behaviour of npm \`tokenizers\`. Do not edit.
// Numbers in base 36.

${tables.map(([name, comment, text]) => `/** ${comment} */\nexport const ${name} =\n${lines(text)}`).join("\n\n")}
`;
const target = fileURLToPath(new URL("../src/tokenizer/unicode-data.ts", import.meta.url));
writeFileSync(target, source);
console.log(
  `${target}: ${source.length} characters, ${lowerRuns.length} runs of lower case, ${representatives.length} ranks`,
);
