// NaN must reach every output that depends on it, as on the reference: a kernel that loses it (max(x, 0), a fast exp) hides a diverged run.
import test from "ava";
import { addLayerNormCase } from "../../src/self-test/cases/add-layer-norm.js";
import { attentionCase } from "../../src/self-test/cases/attention.js";
import { crossEntropyCase } from "../../src/self-test/cases/cross-entropy.js";
import { addCase } from "../../src/self-test/cases/elementwise.js";
import { embeddingsCase } from "../../src/self-test/cases/embeddings.js";
import { ACTIVATIONS, linearCase } from "../../src/self-test/cases/linear.js";
import { sumOfSquaresCase } from "../../src/self-test/cases/optimizer.js";
import { gatherRowsCase, meanPoolCase } from "../../src/self-test/cases/rows.js";
import type { OpCase } from "../../src/self-test/op-case.js";
import { type Outputs, runCase } from "../../src/self-test/run-case.js";
import { activationTypes, DEVICE_NAMES, referenceDevice, testDevice } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const random = randomFor("not a number");
const CASES: OpCase[] = [
  addCase(random, [67]),
  ...ACTIVATIONS.map((activation) => linearCase(random, 21, 37, 19, { activation })),
  linearCase(random, 5, 37, 2),
  embeddingsCase(random, 200, 37),
  addLayerNormCase(random, 21, 37),
  attentionCase(random, [5, 40, 1], 2, 32),
  crossEntropyCase(random, 21, 37),
  gatherRowsCase(random, 5, 60, 37),
  meanPoolCase(random, [5, 12, 1], 37),
  sumOfSquaresCase(random, 1001),
];

/** The case with one NaN in the middle of one tensor. */
function poisoned(opCase: OpCase, name: string): OpCase {
  const spec = opCase.tensors[name];
  const data = Float64Array.from(spec.data!);
  data[data.length >> 1] = Number.NaN;
  return { ...opCase, tensors: { ...opCase.tensors, [name]: { ...spec, data } } };
}

const patternOf = (outputs: Outputs) =>
  Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, Array.from(data, Number.isNaN)]));

for (const name of DEVICE_NAMES) {
  for (const activation of activationTypes(name)) {
    for (const opCase of CASES) {
      test.serial(`${opCase.forward.op} ${opCase.label} on ${name} in ${activation} passes NaN on`, async (t) => {
        const floats = opCase.forward.order.filter(
          (tensor) =>
            tensor !== null && opCase.tensors[tensor].data !== undefined && opCase.tensors[tensor].type !== "i",
        ) as string[];
        for (const input of floats) {
          const wrong = { ...poisoned(opCase, input), backward: undefined };
          const expected = patternOf((await runCase(referenceDevice(), "f64", wrong)).forward.outputs);
          const actual = patternOf((await runCase(testDevice(name), activation, wrong)).forward.outputs);
          t.true(Object.values(expected).flat().includes(true), `NaN in ${input} reaches an output`);
          t.deepEqual(actual, expected, `NaN in ${input}`);
        }
        const cotangent = Object.values(opCase.cotangents)[0];
        if (cotangent === undefined) return;
        const wrong = poisoned(opCase, cotangent);
        const expected = patternOf((await runCase(referenceDevice(), "f64", wrong)).backward!.outputs);
        const actual = patternOf((await runCase(testDevice(name), activation, wrong)).backward!.outputs);
        t.deepEqual(actual, expected, `NaN in ${cotangent}`);
      });
    }
  }

  test.serial(`${name}: AdamW with a norm of NaN makes every parameter NaN, as torch's clipping does`, async (t) => {
    for (const device of [referenceDevice(), testDevice(name)]) {
      const make = (value: number) => device.full([37], value);
      const [param, gradient, m, v] = [make(1), make(1), make(0), make(0)];
      const norm = device.full([1], Number.NaN);
      device.run(
        "adamw",
        [param, gradient, m, v, undefined, norm, undefined],
        [1e-3, 0.9, 0.999, 1e-8, 0.01, 1, 1, 1, 0],
      );
      t.true([...(await param.read())].every(Number.isNaN), device.name);
    }
  });
}
