// Real pretrained weights (MiniLM: 6 layers × 384) under a new classifier, against Hugging Face on the same folder, which we saved.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { difference } from "../../../core-native/src/self-test/compare.js";
import { BertForSequenceClassification } from "../../src/index.js";
import { valuesOf } from "../support/close.js";
import { quiet, testDevice } from "../support/devices.js";
import { hasPython } from "../support/python.js";
import { assertParity, computeWithPython } from "../support/python-parity.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const MINILM = fileURLToPath(new URL("../../../../.models/minilm", import.meta.url));

test("MiniLM: logits, hidden states and gradients in fp32, logits in bf16", async (t) => {
  if (!existsSync(MINILM)) {
    console.warn("SKIPPED: MiniLM is not there; bring it with: node scripts/fetch-minilm.mjs");
    return t.pass();
  }
  if (!hasPython(t)) return;
  const device = testDevice("cpu");
  const folder = temporaryFolder(t);
  using model = await BertForSequenceClassification.fromPretrained(MINILM, { device, dropout: 0, seed: 1, ...quiet });
  const reference = await computeWithPython(model, folder, [40, 1, 128, 77, 512, 16], 1);
  await assertParity(t, model, reference);

  const { expected, errors } = reference;
  using rounded = await BertForSequenceClassification.fromPretrained(folder, { device, precision: "bf16", ...quiet });
  const error = difference(
    await valuesOf(rounded.forward(expected.input).logits),
    expected.floats("logits"),
  ).normalized;
  t.log(`logits in bf16: ${error.toExponential(2)}; Hugging Face's autocast: ${errors.bf16.logits.toExponential(2)}`);
  t.true(error <= 2 * errors.bf16.logits, `${error} > 2 × ${errors.bf16.logits}`);
});
