// Where only the first tokens' states are wanted, the last layer computes no others: with the same results.
import test from "ava";
import { BertForSequenceClassification, BertModel } from "../../src/index.js";
import { assertClose, valuesOf } from "../support/close.js";
import { quiet, testDevice } from "../support/devices.js";
import { modelFolder, readReference } from "../support/fixture.js";

for (const name of ["tiny", "odd"])
  test(`${name}: logits and pooled vectors are those of all states`, async (t) => {
    const { input } = await readReference(`${name}/bf16.safetensors`);
    const device = testDevice("cpu");
    using model = await BertForSequenceClassification.fromPretrained(modelFolder(name), { device, ...quiet });
    const products: number[] = [];
    const run = device.run.bind(device);
    device.run = (op, tensors, params) => {
      if (op === "linear_forward") products.push(tensors[0]!.shape[0]);
      return run(op, tensors, params);
    };
    const only = model.forward(input);
    const tokens = input.inputIds.length;
    const rows = products.splice(0);
    t.true(
      rows.slice(-5).every((count) => count < rows[0]),
      `rows of products: ${rows}`,
    ); // W_O, W_1, W_2, pooler, classifier
    const all = model.forward(input, { hiddenStates: true });
    t.true(
      products.slice(0, -2).every((count) => count === rows[0]),
      `rows of products: ${products}; ${tokens} tokens`,
    );
    device.run = run;
    assertClose(t, "logits", await valuesOf(only.logits), await valuesOf(all.logits), 2e-6);

    using encoder = await BertModel.fromPretrained(modelFolder(name), { device, ...quiet });
    const { poolerOutput } = encoder.forward(input);
    assertClose(t, "pooler", await valuesOf(encoder.pool(input, "pooler")), await valuesOf(poolerOutput), 2e-6);
  });
