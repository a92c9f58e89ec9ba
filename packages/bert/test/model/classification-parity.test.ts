// Whole models against Hugging Face, computed in float64: logits, every hidden state, every parameter's gradient.
import { Tape } from "@node-bert/core-native";
import test from "ava";
import { BertForSequenceClassification, InputError, padSequences } from "../../src/index.js";
import { assertClose, magnitude, valuesOf } from "../support/close.js";
import { DEVICES, quiet, TOLERANCE, testDevice } from "../support/devices.js";
import { modelFolder, padRows, readReference } from "../support/fixture.js";

/** Folder of the model, folder of its reference. */
const CASES = [
  ["tiny", "tiny"],
  ["odd", "odd"],
  ["head-width-32", "head-width-32"],
  ["head-width-64", "head-width-64"],
  ["mini", "mini"],
  ["mini-sharded", "mini"],
  ["mini-old-names", "mini"],
] as const;

for (const deviceName of DEVICES)
  for (const [folder, reference] of CASES) {
    const device = testDevice(deviceName);
    const tolerance = TOLERANCE[deviceName];

    test(`${folder} on ${deviceName}: logits, hidden states and features`, async (t) => {
      const expected = await readReference(`${reference}/reference.safetensors`);
      using model = await BertForSequenceClassification.fromPretrained(modelFolder(folder), { device, ...quiet });
      const { logits, hiddenStates } = model.forward(expected.input, { hiddenStates: true });
      assertClose(t, "logits", await valuesOf(logits), expected.floats("logits"), tolerance.forward);
      t.is(hiddenStates?.length, model.config.numHiddenLayers + 1);
      for (const [i, hidden] of hiddenStates!.entries())
        assertClose(
          t,
          `hidden state ${i}`,
          await valuesOf(hidden),
          expected.floats(`hidden_states.${i}`),
          tolerance.forward,
        );
      const pooled = model.pool(expected.input, "pooler");
      assertClose(t, "pooler", await valuesOf(pooled), expected.floats("pooler_output"), tolerance.forward);
      for (const tensor of [logits, pooled, ...hiddenStates!]) tensor.dispose();
    });

    test(`${folder} on ${deviceName}: loss and every parameter's gradient`, async (t) => {
      const expected = await readReference(`${reference}/reference.safetensors`);
      using model = await BertForSequenceClassification.fromPretrained(modelFolder(folder), { device, ...quiet });
      model.train();
      const loss = device.scope(() => {
        const tape = new Tape();
        const output = tape.record(() => model.loss({ ...expected.input, labels: expected.labels }));
        tape.backward(output.loss);
        return output.loss;
      });
      assertClose(t, "loss", await valuesOf(loss), expected.floats("loss"), tolerance.forward);
      loss.dispose();
      const names = expected.names.filter((name) => name.startsWith("grad.")).map((name) => name.slice(5));
      t.deepEqual([...model.parameters.names()].sort(), names.sort(), "the same parameters as Hugging Face");
      for (const { name, gradient } of model.parameters) {
        // A key bias has no effect, its gradient is 0: rounding noise is measured against the query bias's.
        const isKeyBias = name.endsWith("attention.self.key.bias");
        const terms = isKeyBias ? magnitude(expected.floats(`grad.${name.replace("key.bias", "query.bias")}`)) : 0;
        assertClose(t, name, await valuesOf(gradient!), expected.floats(`grad.${name}`), tolerance.gradient, terms);
      }
    });
  }

for (const deviceName of DEVICES)
  test(`padded arrays give what packed ones give, on ${deviceName}`, async (t) => {
    const device = testDevice(deviceName);
    const expected = await readReference("tiny/reference.safetensors");
    using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), { device, ...quiet });
    const { inputIds, tokenTypeIds, cuSeqlens } = expected.input;
    const columns = expected.ints("padded.input_ids").length / (cuSeqlens.length - 1);
    const padded = {
      inputIds: padRows(inputIds, cuSeqlens, columns),
      attentionMask: padRows(new Int32Array(inputIds.length).fill(1), cuSeqlens, columns),
      tokenTypeIds: padRows(tokenTypeIds, cuSeqlens, columns),
    };
    t.deepEqual(padded.inputIds.flat(), [...expected.ints("padded.input_ids")]);
    t.deepEqual(padded.attentionMask.flat(), [...expected.ints("padded.attention_mask")]);
    const { logits, hiddenStates, cuSeqlens: starts } = model.forward(padded, { hiddenStates: true });
    assertClose(t, "logits", await valuesOf(logits), expected.floats("logits"), TOLERANCE[deviceName].forward);
    logits.dispose();

    const output = padSequences(await hiddenStates![2].read(), starts);
    t.deepEqual(output.shape, [cuSeqlens.length - 1, columns, model.config.hiddenSize]);
    t.deepEqual([...output.attentionMask], padded.attentionMask.flat());
    const packed = output.data.filter((_, i) => output.attentionMask[Math.floor(i / model.config.hiddenSize)] === 1);
    const last = expected.floats("hidden_states.2");
    assertClose(t, "hidden state", { shape: last.shape, data: packed }, last, TOLERANCE[deviceName].forward);
    t.true(output.data.every((x, i) => output.attentionMask[Math.floor(i / model.config.hiddenSize)] === 1 || x === 0));
    t.throws(() => padSequences(new Float32Array(7), Int32Array.of(0, 3)), { instanceOf: InputError });
  });
