// The float64 reference's gradients against central finite differences of its own forward pass, with a random cotangent. The sum of
// the outputs would prove nothing: that of a softmax or a LayerNorm does not depend on its input.
import test from "ava";
import { addLayerNormCase } from "../../src/self-test/cases/add-layer-norm.js";
import { attentionCase } from "../../src/self-test/cases/attention.js";
import { crossEntropyCase } from "../../src/self-test/cases/cross-entropy.js";
import { embeddingsCase } from "../../src/self-test/cases/embeddings.js";
import { ACTIVATIONS, linearCase } from "../../src/self-test/cases/linear.js";
import { dropoutCase, gatherRowsCase, meanPoolCase } from "../../src/self-test/cases/rows.js";
import { type OpCase, randomDropout } from "../../src/self-test/op-case.js";
import { type Outputs, runCase } from "../../src/self-test/run-case.js";
import { referenceDevice } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const STEP = 1e-5;
const TOLERANCE = 1e-6; // of the largest element of the gradient; finite differences in float64 reach about 1e-9
const SAMPLES = 12; // elements of each input

const random = randomFor("reference gradients");
const dropout = () => randomDropout(random, 0.3);
const CASES: Record<string, OpCase[]> = {
  linear: ACTIVATIONS.map((activation) => linearCase(random, 5, 7, 6, { activation })),
  embeddings: [embeddingsCase(random, 9, 8), embeddingsCase(random, 9, 8, dropout())],
  "add-layer-norm": [
    addLayerNormCase(random, 6, 9),
    addLayerNormCase(random, 6, 9, { noResidual: true }),
    addLayerNormCase(random, 6, 9, { dropout: dropout() }),
  ],
  attention: [attentionCase(random, [3, 1, 5], 2, 4), attentionCase(random, [3, 1, 5], 2, 4, { dropout: dropout() })],
  "gather-rows": [gatherRowsCase(random, 6, 9, 5)],
  "mean-pool": [meanPoolCase(random, [3, 1, 4], 5)],
  dropout: [dropoutCase(random, 6, 11, dropout())],
  "cross-entropy": [crossEntropyCase(random, 7, 5), crossEntropyCase(random, 7, 5, { ignored: 0.5 })],
};

/** The sum over outputs of cotangent times output. */
function objective(opCase: OpCase, outputs: Outputs): number {
  let sum = 0;
  for (const [output, cotangent] of Object.entries(opCase.cotangents)) {
    const weights = opCase.tensors[cotangent].data!;
    const values = outputs[output].data;
    for (let i = 0; i < values.length; i++) sum += weights[i] * values[i];
  }
  return sum;
}

/** The objective with one element of an input moved by `shift`. */
async function objectiveAt(opCase: OpCase, input: string, element: number, shift: number): Promise<number> {
  const spec = opCase.tensors[input];
  const data = Float64Array.from(spec.data!);
  data[element] += shift;
  const moved = { ...opCase, tensors: { ...opCase.tensors, [input]: { ...spec, data } }, backward: undefined };
  const { forward } = await runCase(referenceDevice(), "f64", moved);
  return objective(opCase, forward.outputs);
}

for (const [group, cases] of Object.entries(CASES)) {
  test.serial(`${group}: gradients equal finite differences`, async (t) => {
    for (const opCase of cases) {
      const { backward, violations } = await runCase(referenceDevice(), "f64", opCase);
      t.deepEqual(violations, []);
      for (const [input, gradient] of Object.entries(opCase.gradients)) {
        // A parameter's gradient was added to what the tensor held.
        const before = opCase.tensors[gradient].data;
        const after = backward!.outputs[gradient].data;
        const computed = Array.from(after, (value, i) => value - (before?.[i] ?? 0));
        const scale = Math.max(...computed.map(Math.abs));
        t.true(scale > 1e-3, `${opCase.label}: ${gradient} is not nearly zero`);
        for (let sample = 0; sample < SAMPLES; sample++) {
          const element = random.integer(computed.length);
          const up = await objectiveAt(opCase, input, element, STEP);
          const down = await objectiveAt(opCase, input, element, -STEP);
          const expected = (up - down) / (2 * STEP);
          const error = Math.abs(computed[element] - expected);
          const message = `${opCase.label}: ${gradient}[${element}] is ${computed[element]}, finite differences give ${expected}`;
          t.true(error <= TOLERANCE * scale, message);
        }
      }
    }
  });
}
