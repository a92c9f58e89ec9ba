// Where the ABI lets an output share memory with an input, and gradients of the same call with and without the others: the numbers
// must be those of the plain call. Also: the same call twice gives the same bits.
import test from "ava";
import type { Tensor } from "../../src/index.js";
import { addLayerNormCase } from "../../src/self-test/cases/add-layer-norm.js";
import { crossEntropyCase } from "../../src/self-test/cases/cross-entropy.js";
import { addCase } from "../../src/self-test/cases/elementwise.js";
import { linearCase } from "../../src/self-test/cases/linear.js";
import { dropoutCase } from "../../src/self-test/cases/rows.js";
import { type CallSpec, type OpCase, randomDropout } from "../../src/self-test/op-case.js";
import { dtypeOfTensor, runCase } from "../../src/self-test/run-case.js";
import { caseGroups, casesOf } from "../support/all-cases.js";
import { activationTypes, DEVICE_NAMES, testDevice } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const random = randomFor("in place");
const dropout = randomDropout(random, 0.2);

interface Alias {
  opCase: OpCase;
  direction: "forward" | "backward";
  /** The output, and the input whose memory it takes. */
  output: string;
  input: string;
}

const layerNorm = addLayerNormCase(random, 33, 65, { dropout });
const gelu = linearCase(random, 33, 31, 65, { activation: "gelu" });
const ALIASES: Alias[] = [
  { opCase: addCase(random, [1001]), direction: "forward", output: "y", input: "a" },
  { opCase: addCase(random, [1001]), direction: "forward", output: "y", input: "b" },
  { opCase: dropoutCase(random, 33, 65, dropout), direction: "forward", output: "y", input: "x" },
  { opCase: layerNorm, direction: "forward", output: "z", input: "x" },
  { opCase: gelu, direction: "backward", output: "dpre", input: "dy" },
  { opCase: crossEntropyCase(random, 33, 65), direction: "backward", output: "dlogits", input: "logits" },
];

for (const name of DEVICE_NAMES) {
  for (const activation of activationTypes(name)) {
    for (const { opCase, direction, output, input } of ALIASES) {
      const call = opCase[direction] as CallSpec;
      test.serial(`${call.op} on ${name} in ${activation}: ${output} may be ${input}`, async (t) => {
        const device = testDevice(name);
        const plain = await runCase(device, activation, opCase);
        const outputs = plain[direction]!.outputs;
        // Everything the call reads, from the case or from what forward saved.
        const make = (tensor: string): Tensor => {
          const { type, shape, data } = opCase.tensors[tensor];
          const saved = direction === "backward" ? plain.forward.outputs[tensor]?.data : undefined;
          const values = saved ?? data ?? new Float32Array(shape.reduce((a, b) => a * b, 1));
          const host = type === "i" ? Int32Array.from(values) : Float32Array.from(values);
          return device.tensor(host, shape, dtypeOfTensor(type, activation));
        };
        const tensors = new Map(call.order.filter((tensor) => tensor !== null).map((tensor) => [tensor, make(tensor)]));
        tensors.set(output, tensors.get(input)!);
        device.run(
          call.op as "add",
          call.order.map((tensor) => (tensor === null ? undefined : tensors.get(tensor))),
          call.params,
        );
        for (const [tensor, expected] of Object.entries(outputs)) {
          t.deepEqual([...(await tensors.get(tensor)!.read())], [...(expected.data as Float32Array)], tensor);
        }
      });
    }

    test.serial(`every op on ${name} in ${activation} gives the same bits twice`, async (t) => {
      for (const group of caseGroups(activation, name)) {
        for (const opCase of casesOf(group)) {
          const [first, second] = [
            await runCase(testDevice(name), activation, opCase),
            await runCase(testDevice(name), activation, opCase),
          ];
          t.deepEqual(second.forward.outputs, first.forward.outputs, opCase.label);
          t.deepEqual(second.backward?.outputs, first.backward?.outputs, opCase.label);
        }
      }
    });
  }
}
