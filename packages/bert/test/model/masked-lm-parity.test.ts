import { Tape } from "@node-bert/core-native";
import test from "ava";
import { BertForMaskedLM, BertModel, InputError } from "../../src/index.js";
import { assertClose, magnitude, valuesOf } from "../support/close.js";
import { DEVICES, quiet, TOLERANCE, testDevice } from "../support/devices.js";
import { modelFolder, readReference } from "../support/fixture.js";

for (const deviceName of DEVICES) {
  const device = testDevice(deviceName);
  const tolerance = TOLERANCE[deviceName];

  test(`masked language model on ${deviceName}: logits and hidden states`, async (t) => {
    const expected = await readReference("masked-lm/reference.safetensors");
    using model = await BertForMaskedLM.fromPretrained(modelFolder("masked-lm"), { device, ...quiet });
    const { logits, hiddenStates } = model.forward(expected.input, { hiddenStates: true });
    assertClose(t, "logits", await valuesOf(logits), expected.floats("logits"), tolerance.forward);
    for (const [i, hidden] of hiddenStates!.entries())
      assertClose(t, `${i}`, await valuesOf(hidden), expected.floats(`hidden_states.${i}`), tolerance.forward);
  });

  test(`masked language model on ${deviceName}: loss, and gradients with the tied decoder's`, async (t) => {
    const expected = await readReference("masked-lm/reference.safetensors");
    using model = await BertForMaskedLM.fromPretrained(modelFolder("masked-lm"), { device, ...quiet });
    model.train();
    const loss = device.scope(() => {
      const tape = new Tape();
      const output = tape.record(() => model.loss({ ...expected.input, labels: expected.labels }));
      t.is(
        output.logits.shape[0],
        expected.labels.filter((label) => label !== -100).length,
        "only masked ones decoded",
      );
      tape.backward(output.loss);
      return output.loss;
    });
    assertClose(t, "loss", await valuesOf(loss), expected.floats("loss"), tolerance.forward);
    for (const { name, gradient } of model.parameters) {
      const terms = name.endsWith("key.bias")
        ? magnitude(expected.floats(`grad.${name.replace("key.bias", "query.bias")}`))
        : 0;
      assertClose(t, name, await valuesOf(gradient!), expected.floats(`grad.${name}`), tolerance.gradient, terms);
    }
  });

  test(`bare encoder on ${deviceName}: pooler, [CLS] and mean`, async (t) => {
    const expected = await readReference("mini/reference.safetensors");
    using model = await BertModel.fromPretrained(modelFolder("mini-bare"), { device, ...quiet });
    const { lastHiddenState, poolerOutput } = model.forward(expected.input);
    const last = expected.floats(`hidden_states.${model.config.numHiddenLayers}`);
    assertClose(t, "last hidden state", await valuesOf(lastHiddenState), last, tolerance.forward);
    assertClose(t, "pooler", await valuesOf(poolerOutput), expected.floats("pooler_output"), tolerance.forward);

    const { cuSeqlens } = expected.input;
    const [B, H] = [cuSeqlens.length - 1, model.config.hiddenSize];
    const cls = new Float64Array(B * H);
    const mean = new Float64Array(B * H);
    for (let b = 0; b < B; b++)
      for (let h = 0; h < H; h++) {
        cls[b * H + h] = last.data[cuSeqlens[b] * H + h];
        for (let n = cuSeqlens[b]; n < cuSeqlens[b + 1]; n++)
          mean[b * H + h] += last.data[n * H + h] / (cuSeqlens[b + 1] - cuSeqlens[b]);
      }
    for (const [pooling, data] of Object.entries({ cls, mean })) {
      const pooled = model.pool(expected.input, pooling as "cls" | "mean");
      assertClose(t, pooling, await valuesOf(pooled), { shape: [B, H], data }, tolerance.forward);
    }
    t.throws(() => model.pool(expected.input, "max" as never), { instanceOf: InputError, message: /pooling is "max"/ });
  });
}

test("a pretraining checkpoint's encoder, and its language-model head", async (t) => {
  const device = testDevice("cpu");
  const expected = await readReference("mini-pretraining/reference.safetensors");
  const lines: string[] = [];
  const onNotice = ({ message }: { message: string }) => lines.push(message);
  using model = await BertForMaskedLM.fromPretrained(modelFolder("mini-pretraining"), { device, onNotice });
  const { logits } = model.forward(expected.input);
  assertClose(t, "logits", await valuesOf(logits), expected.floats("prediction_logits"), TOLERANCE.cpu.forward);
  using encoder = await BertModel.fromPretrained(modelFolder("mini-pretraining"), { device, onNotice });
  const { poolerOutput } = encoder.forward(expected.input);
  assertClose(t, "pooler", await valuesOf(poolerOutput), expected.floats("pooler_output"), TOLERANCE.cpu.forward);
  t.deepEqual(lines, [
    "encoder 37/37 loaded; language-model head loaded; 2 pretraining tensors unused; pooler unused",
    "encoder 39/39 loaded; 7 pretraining tensors unused",
  ]);
});

test("labels and positions of a masked language model are checked", async (t) => {
  const device = testDevice("cpu");
  const { input, labels } = await readReference("masked-lm/reference.safetensors");
  using model = await BertForMaskedLM.fromPretrained(modelFolder("masked-lm"), { device, ...quiet });
  const nothing = new Int32Array(labels.length).fill(-100);
  t.throws(() => model.loss({ ...input, labels: nothing }), { instanceOf: InputError, message: /All labels are -100/ });
  const wrong = nothing.slice();
  wrong[2] = 67;
  t.throws(() => model.loss({ ...input, labels: wrong }), {
    message: /Token 2: the label is 67, expected -100 or 0 to 66/,
  });
  t.throws(() => model.loss({ ...input, labels: labels.slice(1) }), { message: /one per token/ });
  t.throws(() => model.forward(input, { positions: Int32Array.of(0, 999) }), { message: /positions has 999/ });
  t.throws(() => model.forward(input, { positions: new Int32Array(0) }), { message: /positions has no entry/ });
});
