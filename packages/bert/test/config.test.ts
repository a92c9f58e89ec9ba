import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "ava";
import { configFields } from "../src/config.js";
import { ConfigError, parseConfig, readConfig } from "../src/index.js";
import { FIXTURES, modelFolder, readJson } from "./support/fixture.js";
import { temporaryFolder } from "./support/temporary-folder.js";

test("an empty config is bert-base-uncased's", (t) => {
  const { otherFields, ...config } = parseConfig({});
  t.deepEqual(otherFields, {});
  t.deepEqual(config, {
    vocabSize: 30522,
    hiddenSize: 768,
    numHiddenLayers: 12,
    numAttentionHeads: 12,
    intermediateSize: 3072,
    hiddenAct: "gelu",
    hiddenDropoutProb: 0.1,
    attentionProbsDropoutProb: 0.1,
    classifierDropout: undefined,
    maxPositionEmbeddings: 512,
    typeVocabSize: 2,
    initializerRange: 0.02,
    layerNormEps: 1e-12,
    padTokenId: 0,
    id2label: undefined,
  });
});

test("a config of Hugging Face comes back with every field", async (t) => {
  for (const name of ["tiny", "odd", "masked-lm", "mini-bare"]) {
    const fields = readJson(`${name}/model/config.json`);
    const config = await readConfig(modelFolder(name));
    t.deepEqual(configFields(config, (fields.architectures as string[])[0]), fields, name);
  }
});

const REFUSED: [fields: object, message: string][] = [
  [{ model_type: "roberta" }, 'config: model_type is "roberta", expected bert.'],
  [{ hidden_act: "gelu_new" }, 'config: hidden_act is "gelu_new", expected gelu (the exact one, by erf) or relu.'],
  [{ hidden_act: 3 }, "config: hidden_act is 3, expected gelu (the exact one, by erf) or relu."],
  [
    { position_embedding_type: "relative_key" },
    'config: position_embedding_type is "relative_key", expected absolute.',
  ],
  [{ is_decoder: true }, "config: is_decoder is true, expected false (encoders only)."],
  [{ add_cross_attention: true }, "config: add_cross_attention is true, expected false (encoders only)."],
  [{ chunk_size_feed_forward: 64 }, "config: chunk_size_feed_forward is 64, expected 0 (no chunking)."],
  [{ tie_word_embeddings: false }, "config: tie_word_embeddings is false, expected true."],
  [
    { pruned_heads: { 0: [1] } },
    'config: pruned_heads is {"0":[1]}, expected none: every layer must have all its heads.',
  ],
  [
    { quantization_config: { bits: 8 } },
    'config: quantization_config is {"bits":8}, expected none: quantized weights are not supported.',
  ],
  [{ hidden_size: 100 }, "config: hidden_size is 100, expected a multiple of num_attention_heads (12)."],
  [{ hidden_size: 0 }, "config: hidden_size is 0, expected an integer from 1 to 16777216."],
  [{ hidden_size: 2 ** 60 }, "config: hidden_size is 1152921504606847000, expected an integer from 1 to 16777216."],
  [{ vocab_size: "many" }, 'config: vocab_size is "many", expected an integer from 1 to 16777216.'],
  [{ num_hidden_layers: 1.5 }, "config: num_hidden_layers is 1.5, expected an integer from 1 to 16777216."],
  [{ hidden_dropout_prob: 1 }, "config: hidden_dropout_prob is 1, expected a number from 0 to below 1."],
  [{ classifier_dropout: -1 }, "config: classifier_dropout is -1, expected a number from 0 to below 1."],
  [{ layer_norm_eps: 0 }, "config: layer_norm_eps is 0, expected a number between 0 and 1."],
  [{ pad_token_id: 30522 }, "config: pad_token_id is 30522, expected below vocab_size (30522)."],
  [{ id2label: { 1: "pos", 2: "neg" } }, 'config: id2label has the entry "2": "neg", expected names for 0 to 1.'],
  [{ id2label: { 0: 5 } }, 'config: id2label has the entry "0": 5, expected names for 0 to 0.'],
  [{ id2label: {} }, "config: id2label is {}, expected an object from class numbers to names."],
  [{ num_labels: 0 }, "config: num_labels is 0, expected an integer of at least 1."],
];

for (const [fields, message] of REFUSED)
  test(`refused: ${JSON.stringify(fields)}`, (t) => {
    t.throws(() => parseConfig(fields), { instanceOf: ConfigError, code: "ERR_CONFIG", message });
  });

test("not an object, not JSON, not there", async (t) => {
  t.throws(() => parseConfig([]), { message: "config: [], expected an object." });
  t.throws(() => parseConfig(null), { message: "config: null, expected an object." });
  const folder = temporaryFolder(t);
  await t.throwsAsync(readConfig(folder), {
    instanceOf: ConfigError,
    message: /config.json: not there, expected a folder/,
  });
  writeFileSync(join(folder, "config.json"), "{");
  await t.throwsAsync(readConfig(folder), { instanceOf: ConfigError, message: /config.json: not JSON/ });
  mkdirSync(join(folder, "sub", "config.json"), { recursive: true });
  await t.throwsAsync(readConfig(join(folder, "sub")), { instanceOf: ConfigError, message: /cannot be read/ });
  await t.throwsAsync(readConfig(FIXTURES), { instanceOf: ConfigError, message: /not there/ });
});

test("null stands for a default; old names of GELU and label counts are understood", (t) => {
  const config = parseConfig({ hidden_act: "gelu_python", num_labels: 3, classifier_dropout: null, vocab_size: null });
  t.is(config.hiddenAct, "gelu");
  t.deepEqual(config.id2label, ["LABEL_0", "LABEL_1", "LABEL_2"]);
  t.is(config.vocabSize, 30522);
  t.is(parseConfig({ classifier_dropout: 0.3 }).classifierDropout, 0.3);
});
