import test from "ava";
import { BertForSequenceClassification, parseConfig } from "../../src/index.js";
import { alignQueriesAndKeys, wavePositions } from "../../src/pretraining/informed-start.js";
import { cpu } from "../training/support.js";

const [P, H] = [256, 128];
const config = parseConfig({
  vocab_size: 40,
  hidden_size: H,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 64,
  max_position_embeddings: P,
  attention_probs_dropout_prob: 0,
  hidden_dropout_prob: 0,
});

test("positions are waves: of length about 1, alike when near, whatever the place", (t) => {
  const positions = wavePositions(P, H, 7);
  const product = (a: number, b: number) => {
    let sum = 0;
    for (let h = 0; h < H; h++) sum += positions[a * H + h] * positions[b * H + h];
    return sum;
  };
  for (const n of [0, 3, 100, 255]) t.true(Math.abs(product(n, n) - 1) < 0.3, `${n}: ${product(n, n)}`);
  for (const n of [0, 90, 180]) {
    t.true(product(n, n) > product(n, n + 2));
    t.true(product(n, n + 2) > product(n, n + 64), `${n}`);
  }
  t.deepEqual(wavePositions(P, H, 7), positions);
  t.notDeepEqual(wavePositions(P, H, 8), positions);
});

/** Share of the attention that goes to the tokens at most four places away, all tokens the same but for their places. */
async function nearShare(model: BertForSequenceClassification): Promise<number> {
  const S = 128;
  const input = {
    inputIds: new Int32Array(S).fill(9),
    tokenTypeIds: new Int32Array(S),
    cuSeqlens: Int32Array.of(0, S),
  };
  const [attention] = model.attentions(input);
  const values = await attention.read();
  let near = 0;
  for (let i = 0; i < S; i++) for (let j = 0; j < S; j++) if (Math.abs(i - j) <= 4) near += Number(values[i * S + j]);
  attention.dispose();
  return near / S;
}

test("attention begins at near tokens, in the same way for the same seed", async (t) => {
  const newModel = () => BertForSequenceClassification.fromConfig(config, { device: cpu, seed: 3 });
  const write = (model: BertForSequenceClassification) =>
    model.parameters.get("bert.embeddings.position_embeddings.weight").tensor.write(wavePositions(P, H, 7));
  using random = newModel();
  write(random);
  using informed = newModel();
  write(informed);
  await alignQueriesAndKeys(informed.parameters, config, 7);
  using again = newModel();
  await alignQueriesAndKeys(again.parameters, config, 7);
  const even = 9 / 128;
  t.true(Math.abs((await nearShare(random)) - even) < 0.03);
  const share = await nearShare(informed);
  t.true(share > 2 * even, `${share}`);
  const query = "bert.encoder.layer.0.attention.self.query.weight";
  const [one, other] = await Promise.all([informed, again].map((model) => model.parameters.get(query).tensor.read()));
  t.deepEqual(one, other);
});
