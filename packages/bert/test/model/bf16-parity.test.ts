// bf16 against Hugging Face's own bf16 autocast: at most twice its error, both measured against float64.
import { Tape } from "@node-bert/core-native";
import test from "ava";
import { difference } from "../../../core-native/src/self-test/compare.js";
import { BertForMaskedLM, BertForSequenceClassification } from "../../src/index.js";
import { valuesOf } from "../support/close.js";
import { quiet, testDevice } from "../support/devices.js";
import { modelFolder, readJson, readReference } from "../support/fixture.js";

const FACTOR = 2;

interface Errors {
  autocastErrors: { sdpa: Record<string, number> };
}

for (const name of ["tiny", "odd", "head-width-32", "head-width-64", "masked-lm"])
  test(`${name} in bf16`, async (t) => {
    const device = testDevice("cpu");
    const expected = await readReference(`${name}/bf16.safetensors`);
    const { sdpa } = (readJson(`${name}/bf16.json`) as unknown as Errors).autocastErrors;
    const Model = name === "masked-lm" ? BertForMaskedLM : BertForSequenceClassification;
    using model = await Model.fromPretrained(modelFolder(name), { device, precision: "bf16", ...quiet });
    t.is(model.precision, "bf16");
    const { logits } = model.forward(expected.input);
    const error = difference(await valuesOf(logits), expected.floats("logits")).normalized;
    t.log(
      `${name}: logits off by ${error.toExponential(2)}, Hugging Face's autocast by ${sdpa.logits.toExponential(2)}`,
    );
    t.true(error <= FACTOR * sdpa.logits, `logits: ${error} > ${FACTOR} × ${sdpa.logits}`);
    t.true(error > 1e-5, "it was bf16 that computed");
    logits.dispose();
  });

test("gradients in bf16 are within twice the error of Hugging Face's autocast, all together", async (t) => {
  const device = testDevice("cpu");
  const { sdpa } = (readJson("tiny/bf16.json") as unknown as Errors).autocastErrors;
  const expected = await readReference("tiny/bf16.safetensors");
  const gradients = async (precision: "fp32" | "bf16") => {
    using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), {
      device,
      precision,
      ...quiet,
    });
    model.train();
    device.scope(() => {
      const tape = new Tape();
      tape.backward(tape.record(() => model.loss({ ...expected.input, labels: expected.labels })).loss);
    });
    const entries = [...model.parameters].map(async ({ name, gradient }) => [name, await valuesOf(gradient!)] as const);
    return new Map(await Promise.all(entries));
  };
  const [exact, rounded] = [await gradients("fp32"), await gradients("bf16")];
  // Errors of single small tensors are a matter of luck: the root mean square over all tensors is compared.
  let [ours, theirs] = [0, 0];
  for (const [name, values] of exact) {
    if (name.endsWith("key.bias")) continue;
    ours += difference(rounded.get(name)!, values).normalized ** 2;
    theirs += sdpa[`grad.${name}`] ** 2;
  }
  const ratio = Math.sqrt(ours / theirs);
  t.log(`gradients: ${ratio.toFixed(2)} times the error of Hugging Face's autocast`);
  t.true(ratio <= FACTOR, `${ratio} times the error`);
});
