// Random configurations with random values in every parameter, biases and LayerNorm too, against Hugging Face.
import test from "ava";
import { BertForSequenceClassification, parseConfig } from "../../src/index.js";
import { normalValues } from "../../src/loading/initialize.js";
import { randomFrom } from "../../src/training/random.js";
import { testDevice } from "../support/devices.js";
import { hasPython } from "../support/python.js";
import { assertParity, computeWithPython } from "../support/python-parity.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const SEED = Number(process.env.TEST_SEED ?? 20241018);
console.log(`TEST_SEED=${SEED}`);

for (let i = 0; i < 3; i++)
  test.serial(`random configuration ${i}`, async (t) => {
    if (!hasPython(t)) return;
    const random = randomFrom(SEED, i);
    const between = (least: number, most: number) => least + random.below(most - least + 1);
    const heads = between(1, 5);
    const fields = {
      vocab_size: between(10, 300),
      hidden_size: heads * between(3, 40),
      num_attention_heads: heads,
      num_hidden_layers: between(1, 4),
      intermediate_size: between(1, 200),
      hidden_act: i % 2 === 0 ? "relu" : "gelu",
      max_position_embeddings: between(40, 160),
      type_vocab_size: between(1, 3),
      layer_norm_eps: [1e-12, 1e-5][random.below(2)],
      hidden_dropout_prob: 0,
      attention_probs_dropout_prob: 0,
      num_labels: between(2, 7),
    };
    t.log(JSON.stringify(fields));
    using model = BertForSequenceClassification.fromConfig(parseConfig(fields), { device: testDevice("cpu") });
    for (const { name, shape, size, tensor } of model.parameters) {
      const isScale = name.endsWith("LayerNorm.weight");
      const deviation = shape.length === 1 ? 0.2 : name.includes("embeddings") ? 0.5 : 1 / Math.sqrt(shape[1]);
      tensor.write(normalValues(SEED + i, name, 0, size, deviation).map((x) => (isScale ? 1 + x : x)));
    }
    const lengths = Array.from({ length: between(1, 6) }, () => between(1, fields.max_position_embeddings));
    await assertParity(t, model, await computeWithPython(model, temporaryFolder(t), lengths, SEED + i));
  });
