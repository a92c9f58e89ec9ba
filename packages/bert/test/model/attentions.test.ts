import test from "ava";
import { BertForSequenceClassification, BertModel } from "../../src/index.js";
import { assertClose, valuesOf } from "../support/close.js";
import { DEVICES, quiet, TOLERANCE, testDevice } from "../support/devices.js";
import { modelFolder, readReference } from "../support/fixture.js";

/** softmax(q kᵀ / √D) in float64 of one sequence and head, row after row. @param hidden (S, H) */
function probabilities(
  hidden: ArrayLike<number>,
  H: number,
  rows: [from: number, to: number],
  [first, D]: [number, number],
  weights: Record<"qw" | "qb" | "kw" | "kb", ArrayLike<number>>,
): number[] {
  const project = (n: number, d: number, weight: ArrayLike<number>, bias: ArrayLike<number>): number => {
    let sum = bias[first + d];
    for (let h = 0; h < H; h++) sum += weight[(first + d) * H + h] * hidden[n * H + h];
    return sum;
  };
  const result: number[] = [];
  for (let i = rows[0]; i < rows[1]; i++) {
    const scores: number[] = [];
    for (let j = rows[0]; j < rows[1]; j++) {
      let score = 0;
      for (let d = 0; d < D; d++)
        score += project(i, d, weights.qw, weights.qb) * project(j, d, weights.kw, weights.kb);
      scores.push(Math.exp(score / Math.sqrt(D)));
    }
    const sum = scores.reduce((a, b) => a + b);
    result.push(...scores.map((score) => score / sum));
  }
  return result;
}

for (const deviceName of DEVICES)
  test(`attention weights of every layer and head on ${deviceName}`, async (t) => {
    const device = testDevice(deviceName);
    const { input, floats } = await readReference("tiny/reference.safetensors");
    using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), { device, ...quiet });
    const { hiddenSize: H, numAttentionHeads: A } = model.config;
    const attentions = model.attentions(input);
    t.is(attentions.length, model.config.numHiddenLayers);
    const { cuSeqlens } = input;
    for (const [layer, found] of attentions.entries()) {
      const read = (name: string) =>
        model.parameters.get(`bert.encoder.layer.${layer}.attention.self.${name}`).tensor.read();
      const weights = {
        qw: await read("query.weight"),
        qb: await read("query.bias"),
        kw: await read("key.weight"),
        kb: await read("key.bias"),
      };
      const hidden = floats(`hidden_states.${layer}`).data;
      const expected: number[] = [];
      for (let head = 0; head < A; head++)
        for (let b = 0; b + 1 < cuSeqlens.length; b++) {
          const rows: [number, number] = [cuSeqlens[b], cuSeqlens[b + 1]];
          expected.push(...probabilities(hidden, H, rows, [(head * H) / A, H / A], weights));
        }
      const shape = [A, expected.length / A];
      assertClose(t, `${layer}`, await valuesOf(found), { shape, data: expected }, TOLERANCE[deviceName].forward);
      found.dispose();
    }
  });

test("a bare encoder gives the same", async (t) => {
  const device = testDevice("cpu");
  const { input } = await readReference("mini/reference.safetensors");
  using bare = await BertModel.fromPretrained(modelFolder("mini-bare"), { device, ...quiet });
  using whole = await BertForSequenceClassification.fromPretrained(modelFolder("mini"), { device, ...quiet });
  t.deepEqual(await bare.attentions(input)[1].read(), await whole.attentions(input)[1].read());
});
