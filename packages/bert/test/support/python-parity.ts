import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Tape, type Tensor } from "@node-bert/core-native";
import type { ExecutionContext } from "ava";
import { difference } from "../../../core-native/src/self-test/compare.js";
import type { BertForSequenceClassification } from "../../src/index.js";
import { assertClose, magnitude, valuesOf } from "./close.js";
import { TOLERANCE } from "./devices.js";
import { type Reference, readReference } from "./fixture.js";
import { PYTHON, PYTHON_SCRIPTS } from "./python.js";

export interface PythonReference {
  expected: Reference;
  /** Normalised errors of Hugging Face's own float32 and bf16 autocast. */
  errors: Record<"float32" | "bf16", Record<string, number>>;
}

/** Saves the model and lets Hugging Face compute with it on random sequences. @param folder an empty one */
export async function computeWithPython(
  model: BertForSequenceClassification,
  folder: string,
  lengths: readonly number[],
  seed: number,
): Promise<PythonReference> {
  await model.savePretrained(folder);
  const flags = ["--lengths", ...lengths.map(String), "--seed", String(seed)];
  const program = [`${PYTHON_SCRIPTS}compute_reference.py`, folder, join(folder, "out"), ...flags];
  const { status, stderr } = spawnSync(PYTHON, program, { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  const expected = await readReference(join(folder, "out", "reference.safetensors"));
  const json = JSON.parse(readFileSync(join(folder, "out", "reference.json"), "utf8")) as PythonReference;
  return { expected, errors: json.errors };
}

/** Logits, every hidden state and every parameter's gradient, at the tolerance of fp32; logs the worst of each kind. Dropout must be 0. */
export async function assertParity(
  t: ExecutionContext,
  model: BertForSequenceClassification,
  { expected, errors }: PythonReference,
): Promise<void> {
  const found: [name: string, error: number][] = [];
  const check = async (name: string, tensor: Tensor, tolerance: number, terms = 0) => {
    const [actual, exact] = [await valuesOf(tensor), expected.floats(name)];
    assertClose(t, name, actual, exact, tolerance, terms);
    found.push([name, difference(actual, exact, terms).normalized]);
  };
  const { logits, hiddenStates } = model.forward(expected.input, { hiddenStates: true });
  await check("logits", logits, TOLERANCE.cpu.forward);
  for (const [i, hidden] of hiddenStates!.entries()) await check(`hidden_states.${i}`, hidden, TOLERANCE.cpu.forward);
  for (const tensor of [logits, ...hiddenStates!]) tensor.dispose();
  model.train();
  model.device.scope(() => {
    const tape = new Tape();
    tape.backward(tape.record(() => model.loss({ ...expected.input, labels: expected.labels })).loss);
  });
  for (const { name, gradient } of model.parameters) {
    // A key bias has no effect, its gradient is 0: rounding noise is measured against the query bias's.
    const query = name.endsWith("key.bias") ? name.replace("key.bias", "query.bias") : undefined;
    const terms = query === undefined ? 0 : magnitude(expected.floats(`grad.${query}`));
    await check(`grad.${name}`, gradient!, TOLERANCE.cpu.gradient, terms);
  }
  for (const prefix of ["logits", "hidden_states", "grad"]) {
    const [name, error] = found.filter(([each]) => each.startsWith(prefix)).reduce((a, b) => (b[1] > a[1] ? b : a));
    t.log(`${name}: ${error.toExponential(2)}; Hugging Face's float32: ${errors.float32[name]?.toExponential(2)}`);
  }
}
