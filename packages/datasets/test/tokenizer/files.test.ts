// Tokenizers from files and to files.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { Tokenizer } from "tokenizers";
import { BertTokenizer } from "../../src/tokenizer/bert-tokenizer.js";
import { scanVocabulary } from "../../src/tokenizer/scan-vocabulary.js";
import { bothOfModel, compare, dataFolder, hasData, MODELS, readTokenizerJson, skipNotice } from "./reference.js";

const serial = hasData ? test.serial : test.serial.skip;
if (!hasData) skipNotice("the models' own tokenizer files");

const VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "##s", "!"];
const TEXTS = ["Hello worlds!", "ÉTÉ 中文 don't", "[MASK] x [SEP]", "", "\u2028 naïve"];

async function folder(t: ExecutionContext, files: Record<string, string>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "tokenizer-"));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

for (const model of MODELS) {
  serial(`${model}: vocab.txt says the same as tokenizer.json, and what is saved as what was loaded`, async (t) => {
    const source = join(dataFolder, "vocab", model);
    const fromJson = await BertTokenizer.fromPretrained(source);
    const vocabOnly = await folder(t, {
      "vocab.txt": await readFile(join(source, "vocab.txt"), "utf8"),
      "tokenizer_config.json": await readFile(join(source, "tokenizer_config.json"), "utf8"),
    });
    const fromVocab = await BertTokenizer.fromPretrained(vocabOnly);
    const saved = await folder(t, {});
    const paths = await fromJson.save(saved);
    t.is(paths.length, 4);
    const reloaded = await BertTokenizer.fromPretrained(saved);
    const ids = (tokenizer: BertTokenizer) => TEXTS.map((text) => tokenizer.encode(text));
    t.deepEqual(ids(fromVocab), ids(fromJson));
    t.deepEqual(ids(reloaded), ids(fromJson));
    t.is(reloaded.modelMaxLength, 512);
    t.is(reloaded.vocabSize, fromJson.vocabSize);
    t.is(await readFile(join(saved, "vocab.txt"), "utf8"), await readFile(join(source, "vocab.txt"), "utf8"));
    const both = {
      ...bothOfModel(model),
      ours: reloaded,
      reference: Tokenizer.fromFile(join(saved, "tokenizer.json")),
    };
    t.deepEqual(await compare(both, TEXTS, { tokens: true }), []);
  });

  serial(`${model}: the vocabulary is read from the bytes as JSON.parse reads it`, (t) => {
    const json = readTokenizerJson(model) as { model: { vocab: Record<string, number> } };
    const entries = Object.entries(json.model.vocab);
    for (const indent of [undefined, 2, "\t"]) {
      const scanned = scanVocabulary(Buffer.from(JSON.stringify(json, null, indent)))!;
      t.is(scanned.vocabulary.size, entries.length);
      t.true(
        entries.every(
          ([token, id]) => scanned.vocabulary.tokenToId(token) === id && scanned.vocabulary.idToToken(id) === token,
        ),
      );
      t.deepEqual(JSON.parse(scanned.json), { ...json, model: { ...json.model, vocab: {} } });
    }
  });
}

test("odd JSON is left to JSON.parse, escapes are not odd", (t) => {
  const scan = (text: string) => scanVocabulary(Buffer.from(text))?.vocabulary;
  const scanned = scan('{"a":[{"vocab":{"no":1}}],"model":{"x":"}","vocab":{"\\u00e9\\"":0,"é\\\\":1,"𝒜" : 2,"":3}}}')!;
  t.deepEqual(
    [scanned.tokenToId('é"'), scanned.tokenToId("é\\"), scanned.tokenToId("𝒜"), scanned.tokenToId("")],
    [0, 1, 2, 3],
  );
  for (const odd of [
    '{"model":{"vocab":[]}}',
    '{"model":{"vocab":{"a":1.5}}}',
    '{"model":{"vocab":{"a":-1}}}',
    '{"model":{"vocab":{"a":1',
    "[]",
    "",
    '{"model":{"vocab":{"a":1e3}}}',
    '{"model":{"vocab":{"\\q":1}}}',
    '{"model":{"vocab":{}}}',
    '{"mod',
    '{"model":{"vocab":{"a',
  ]) {
    t.is(scan(odd), undefined, odd);
  }
});

test("special tokens and vocabulary", (t) => {
  const tokenizer = BertTokenizer.fromVocabulary(VOCABULARY.join("\n"), { modelMaxLength: 128 });
  const { padTokenId, unkTokenId, clsTokenId, sepTokenId, maskTokenId, vocabSize, modelMaxLength } = tokenizer;
  t.deepEqual(
    [padTokenId, unkTokenId, clsTokenId, sepTokenId, maskTokenId, vocabSize, modelMaxLength],
    [0, 1, 2, 3, 4, 9, 128],
  );
  t.deepEqual([tokenizer.tokenToId("##s"), tokenizer.tokenToId("nothing")], [7, undefined]);
  t.deepEqual(
    [tokenizer.idToToken(5), tokenizer.idToToken(99), tokenizer.idToToken(-1)],
    ["hello", undefined, undefined],
  );
  t.is(BertTokenizer.fromVocabulary(VOCABULARY).modelMaxLength, Infinity);
  const crlf = BertTokenizer.fromVocabulary(`${VOCABULARY.join("\r\n")}\r\n`);
  t.is(crlf.tokenToId("world"), 6);
});

test("a token that comes twice has its later id, as in the reference", (t) => {
  const tokenizer = BertTokenizer.fromVocabulary([...VOCABULARY, "hello"]);
  t.deepEqual([tokenizer.tokenToId("hello"), tokenizer.idToToken(5), tokenizer.idToToken(9)], [9, undefined, "hello"]);
});

test("decoding: special tokens, clean-up, unknown ids", (t) => {
  const tokenizer = BertTokenizer.fromVocabulary(VOCABULARY);
  const ids = [2, 5, 6, 7, 8, 3, 0, 77];
  t.is(tokenizer.decode(ids), "[CLS] hello worlds! [SEP] [PAD]");
  t.is(tokenizer.decode(Int32Array.from(ids), { skipSpecialTokens: true }), "hello worlds!");
  t.is(tokenizer.decode([7, 5]), "##s hello");
  t.is(tokenizer.decode([]), "");
});

test("tokenizer_config.json's switches win over tokenizer.json's", async (t) => {
  const path = await folder(t, {});
  await BertTokenizer.fromVocabulary(VOCABULARY, { doLowerCase: false }).save(path);
  t.deepEqual((await BertTokenizer.fromPretrained(path)).encode("Hello").tokens, ["[CLS]", "[UNK]", "[SEP]"]);
  await writeFile(
    join(path, "tokenizer_config.json"),
    '{"do_lower_case": true, "model_max_length": 1000000000000000019884624838656}',
  );
  const tokenizer = await BertTokenizer.fromPretrained(path);
  t.deepEqual(tokenizer.encode("Hello").tokens, ["[CLS]", "hello", "[SEP]"]);
  t.is(tokenizer.modelMaxLength, Infinity);
});

test("what is wrong with a folder is said", async (t) => {
  const refused = async (files: Record<string, string>, code: string, message: RegExp) => {
    const path = await folder(t, files);
    await t.throwsAsync(BertTokenizer.fromPretrained(path), { code, message }, JSON.stringify(files).slice(0, 80));
  };
  const json = (change: object) =>
    JSON.stringify({
      added_tokens: [],
      normalizer: { type: "BertNormalizer" },
      pre_tokenizer: { type: "BertPreTokenizer" },
      model: { type: "WordPiece", vocab: { "[UNK]": 0 } },
      ...change,
    });
  await refused({}, "TOKENIZER_NOT_FOUND", /neither tokenizer.json nor vocab.txt/);
  await refused({ "vocab.txt": "a\nb\n" }, "BAD_TOKENIZER_FILE", /vocab.txt.*"\[UNK\]"/);
  await refused({ "tokenizer.json": "{" }, "BAD_TOKENIZER_FILE", /tokenizer.json: not JSON/);
  await refused({ "tokenizer.json": "[]" }, "BAD_TOKENIZER_FILE", /expected a JSON object/);
  await refused(
    { "tokenizer.json": json({ model: { type: "BPE" } }) },
    "TOKENIZER_UNSUPPORTED",
    /model is of type "BPE"/,
  );
  await refused(
    { "tokenizer.json": json({ normalizer: { type: "NFC" } }) },
    "TOKENIZER_UNSUPPORTED",
    /normalizer.*"NFC"/,
  );
  await refused({ "tokenizer.json": json({ pre_tokenizer: null }) }, "BAD_TOKENIZER_FILE", /pre_tokenizer is null/);
  await refused(
    { "tokenizer.json": json({ post_processor: { type: "ByteLevel" } }) },
    "TOKENIZER_UNSUPPORTED",
    /"ByteLevel"/,
  );
  await refused(
    { "tokenizer.json": json({ model: { type: "WordPiece" } }) },
    "BAD_TOKENIZER_FILE",
    /model.vocab is missing/,
  );
  await refused({ "tokenizer.json": json({ model: { vocab: { "[UNK]": -3 } } }) }, "BAD_TOKENIZER_FILE", /has id -3/);
  await refused(
    { "tokenizer.json": json({ model: { vocab: { "[UNK]": 2 ** 40 } } }) },
    "BAD_TOKENIZER_FILE",
    /has id 1099511627776/,
  );
  await refused(
    { "tokenizer.json": json({ added_tokens: [{ id: 1 }] }) },
    "BAD_TOKENIZER_FILE",
    /has no content or no id/,
  );
});
