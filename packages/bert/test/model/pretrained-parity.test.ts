// Real pretrained weights (MiniLM: 6 layers × 384) under a new classifier, against Hugging Face on the same folder, which we saved.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Tape } from "@node-bert/core-native";
import test from "ava";
import { difference } from "../../../core-native/src/self-test/compare.js";
import { BertForSequenceClassification } from "../../src/index.js";
import { assertClose, magnitude, valuesOf } from "../support/close.js";
import { quiet, TOLERANCE, testDevice } from "../support/devices.js";
import { readReference } from "../support/fixture.js";
import { hasPython, PYTHON, PYTHON_SCRIPTS } from "../support/python.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const MINILM = fileURLToPath(new URL("../../../../.models/minilm", import.meta.url));
const device = testDevice("cpu");

test("MiniLM: logits, hidden states and gradients in fp32, logits in bf16", async (t) => {
  if (!existsSync(MINILM)) {
    console.warn("SKIPPED: MiniLM is not there; bring it with: node scripts/fetch-minilm.mjs");
    return t.pass();
  }
  if (!hasPython(t)) return;
  const folder = temporaryFolder(t);
  using model = await BertForSequenceClassification.fromPretrained(MINILM, { device, dropout: 0, seed: 1, ...quiet });
  await model.savePretrained(folder);
  const lengths = ["--lengths", "40", "1", "128", "77", "512", "16"];
  const script = `${PYTHON_SCRIPTS}compute_reference.py`;
  const { status, stderr } = spawnSync(PYTHON, [script, folder, join(folder, "out"), ...lengths], { encoding: "utf8" });
  t.is(status, 0, stderr);
  const expected = await readReference(join(folder, "out", "reference.safetensors"));
  const { errors } = JSON.parse(readFileSync(join(folder, "out", "reference.json"), "utf8")) as {
    errors: Record<"float32" | "bf16", Record<string, number>>;
  };

  const { logits, hiddenStates } = model.forward(expected.input, { hiddenStates: true });
  const found: [string, number][] = [];
  const check = async (name: string, tensor: Parameters<typeof valuesOf>[0], tolerance: number, terms = 0) => {
    const [actual, exact] = [await valuesOf(tensor), expected.floats(name)];
    assertClose(t, name, actual, exact, tolerance, terms);
    found.push([name, difference(actual, exact, terms).normalized]);
  };
  await check("logits", logits, TOLERANCE.cpu.forward);
  for (const [i, hidden] of hiddenStates!.entries()) await check(`hidden_states.${i}`, hidden, TOLERANCE.cpu.forward);
  model.train();
  device.scope(() => {
    const tape = new Tape();
    tape.backward(tape.record(() => model.loss({ ...expected.input, labels: expected.labels })).loss);
  });
  for (const { name, gradient } of model.parameters) {
    const query = name.endsWith("key.bias") ? name.replace("key.bias", "query.bias") : undefined;
    const terms = query === undefined ? 0 : magnitude(expected.floats(`grad.${query}`));
    await check(`grad.${name}`, gradient!, TOLERANCE.cpu.gradient, terms);
  }
  const worst = (prefix: string) =>
    found.filter(([name]) => name.startsWith(prefix)).reduce((a, b) => (b[1] > a[1] ? b : a));
  for (const prefix of ["logits", "hidden_states", "grad"]) {
    const [name, error] = worst(prefix);
    t.log(`${name}: ${error.toExponential(2)}; Hugging Face's float32: ${errors.float32[name].toExponential(2)}`);
  }

  using rounded = await BertForSequenceClassification.fromPretrained(folder, { device, precision: "bf16", ...quiet });
  const bf16 = difference(await valuesOf(rounded.forward(expected.input).logits), expected.floats("logits")).normalized;
  t.log(`logits in bf16: ${bf16.toExponential(2)}; Hugging Face's autocast: ${errors.bf16.logits.toExponential(2)}`);
  t.true(bf16 <= 2 * errors.bf16.logits, `${bf16} > 2 × ${errors.bf16.logits}`);
});
