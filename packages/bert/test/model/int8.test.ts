// Precision int8: the same models, off by what 8 bits cost, and for inference only.
import test from "ava";
import { difference } from "../../../core-native/src/self-test/compare.js";
import { BertForMaskedLM, BertForSequenceClassification } from "../../src/index.js";
import { valuesOf } from "../support/close.js";
import { quiet, testDevice } from "../support/devices.js";
import { modelFolder, readReference } from "../support/fixture.js";

for (const name of ["tiny", "odd", "head-width-32", "head-width-64", "masked-lm"])
  test(`${name} in int8 is near fp32, and repeats itself`, async (t) => {
    const device = testDevice("cpu");
    const expected = await readReference(`${name}/bf16.safetensors`);
    const Model = name === "masked-lm" ? BertForMaskedLM : BertForSequenceClassification;
    using model = await Model.fromPretrained(modelFolder(name), { device, precision: "int8", ...quiet });
    t.is(model.precision, "int8");
    const [once, twice] = [model.forward(expected.input), model.forward(expected.input)];
    const error = difference(await valuesOf(once.logits), expected.floats("logits")).normalized;
    t.log(`${name}: logits off by ${error.toExponential(2)}`);
    t.true(error < 0.1, `logits: ${error}`);
    t.true(error > 1e-4, "it was int8 that computed");
    t.deepEqual(await twice.logits.read(), await once.logits.read());
    once.logits.dispose();
    twice.logits.dispose();
  });

test("a model in int8 cannot be trained", async (t) => {
  const options = { device: testDevice("cpu"), precision: "int8", ...quiet } as const;
  using model = await BertForSequenceClassification.fromPretrained(modelFolder("tiny"), options);
  t.throws(() => model.train(), { message: /"int8", which is for inference: load it with precision "fp32" or "bf16"/ });
});

test("int8 is refused where it does not exist", async (t) => {
  const options = { device: testDevice("reference"), precision: "int8", ...quiet } as const;
  await t.throwsAsync(BertForSequenceClassification.fromPretrained(modelFolder("tiny"), options), {
    message: /"int8", expected another: the device reference does not offer it/,
  });
});
