// Each differentiable function, recorded by a tape, gives the numbers of the raw forward and backward calls.
import test from "ava";
import {
  type Activation,
  addLayerNorm,
  attention,
  crossEntropy,
  dropout,
  embeddings,
  gatherRows,
  linear,
  meanPool,
  Tape,
  type Tensor,
} from "../../src/index.js";
import { addLayerNormCase } from "../../src/self-test/cases/add-layer-norm.js";
import { attentionCase } from "../../src/self-test/cases/attention.js";
import { crossEntropyCase } from "../../src/self-test/cases/cross-entropy.js";
import { embeddingsCase } from "../../src/self-test/cases/embeddings.js";
import { ACTIVATIONS, linearCase } from "../../src/self-test/cases/linear.js";
import { dropoutCase, gatherRowsCase, meanPoolCase } from "../../src/self-test/cases/rows.js";
import type { DropoutParams, OpCase } from "../../src/self-test/op-case.js";
import { runCase } from "../../src/self-test/run-case.js";
import { compare } from "../support/compare.js";
import { referenceDevice } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const NEARLY_EQUAL = { normalized: 1e-14, largest: 1e-12 };
const device = referenceDevice();
const random = randomFor("tape ops");

const SEED = 2 ** 40 + 3;
/** What a device draws for the first dropout op after setDropoutState(SEED, 11). */
const DROPOUT: DropoutParams = { p: 0.3, seedLow: 3, seedHigh: 2 ** 8, step: 11, op: 0 };

interface Recorded {
  opCase: OpCase;
  /** The function on the case's tensors; returns the case's main output. */
  call: (tensors: Record<string, Tensor>, opCase: OpCase) => Tensor;
  /** Inputs whose gradient is accumulated in `.grad`. */
  parameters: string[];
}

const sequencesOf = (opCase: OpCase) => device.sequences(Int32Array.from(opCase.tensors.cu_seqlens.data!));

const RECORDED: Record<string, Recorded> = {
  ...Object.fromEntries(
    ACTIVATIONS.map((activation: Activation) => [
      `linear ${activation}`,
      {
        opCase: linearCase(random, 5, 7, 6, { activation }),
        call: ({ x, w, bias }: Record<string, Tensor>) => linear(x, w, bias, activation),
        parameters: ["w", "bias"],
      },
    ]),
  ),
  "linear without bias": {
    opCase: linearCase(random, 5, 7, 6, { noBias: true }),
    call: ({ x, w }) => linear(x, w),
    parameters: ["w"],
  },
  embeddings: {
    opCase: embeddingsCase(random, 9, 8, DROPOUT),
    call: ({ ids, positions, types, ...tables }) =>
      embeddings(ids, positions, types, tables as unknown as Parameters<typeof embeddings>[3], { dropout: DROPOUT.p }),
    parameters: ["word", "position", "type", "gamma", "beta"],
  },
  addLayerNorm: {
    opCase: addLayerNormCase(random, 6, 9, { dropout: DROPOUT }),
    call: ({ x, residual, gamma, beta }) => addLayerNorm(x, residual, gamma, beta, { dropout: DROPOUT.p }),
    parameters: ["gamma", "beta"],
  },
  "addLayerNorm over x's memory": {
    opCase: addLayerNormCase(random, 6, 9, { dropout: DROPOUT }),
    call: ({ x, residual, gamma, beta }) =>
      addLayerNorm(x, residual, gamma, beta, { dropout: DROPOUT.p, overwriteX: true }),
    parameters: ["gamma", "beta"],
  },
  "layerNorm alone": {
    opCase: addLayerNormCase(random, 6, 9, { noResidual: true }),
    call: ({ x, gamma, beta }) => addLayerNorm(x, undefined, gamma, beta),
    parameters: ["gamma", "beta"],
  },
  attention: {
    opCase: attentionCase(random, [3, 1, 5], 2, 4, { dropout: DROPOUT }),
    call: ({ qkv }, opCase) => attention(qkv, sequencesOf(opCase), { heads: 2, dropout: DROPOUT.p }),
    parameters: [],
  },
  gatherRows: {
    opCase: gatherRowsCase(random, 6, 9, 5),
    call: ({ x, index }) => gatherRows(x, index),
    parameters: [],
  },
  meanPool: {
    opCase: meanPoolCase(random, [3, 1, 4], 5),
    call: ({ x }, opCase) => meanPool(x, sequencesOf(opCase)),
    parameters: [],
  },
  dropout: { opCase: dropoutCase(random, 6, 11, DROPOUT), call: ({ x }) => dropout(x, DROPOUT.p), parameters: [] },
  crossEntropy: {
    opCase: crossEntropyCase(random, 7, 5, { ignored: 0.3 }),
    call: ({ logits, labels }) => crossEntropy(logits, labels).loss,
    parameters: [],
  },
};

for (const [name, { opCase, call, parameters }] of Object.entries(RECORDED)) {
  test.serial(`${name}: the tape gives the gradients of the raw calls`, async (t) => {
    const before = device.memory().liveTensors;
    const raw = await runCase(device, "f64", opCase);
    const tensors: Record<string, Tensor> = {};
    const make = (tensor: string) => {
      const { type, shape, data } = opCase.tensors[tensor];
      return device.tensor(type === "i" ? Int32Array.from(data!) : Float64Array.from(data!), shape);
    };
    for (const tensor of opCase.forward.order) {
      if (tensor === null || opCase.tensors[tensor].data === undefined) continue;
      tensors[tensor] = make(tensor);
      const gradient = opCase.gradients[tensor];
      tensors[tensor].requiresGrad = gradient !== undefined;
      if (parameters.includes(tensor)) tensors[tensor].grad = make(gradient);
    }
    const [[output, cotangent]] = Object.entries(opCase.cotangents);
    device.setDropoutState(SEED, DROPOUT.step);
    const tape = new Tape();
    const dy = make(cotangent);
    const y = device.scope(() => tape.record(() => call(tensors, opCase)));
    const value = { shape: y.shape, data: await y.read() };
    tape.backward(y, dy);

    const forward = compare(value, raw.forward.outputs[output], NEARLY_EQUAL);
    t.true(forward.passed, `${output}: ${forward.message}`);
    for (const [input, gradient] of Object.entries(opCase.gradients)) {
      const tensor = tensors[input];
      const found = parameters.includes(input) ? tensor.grad! : tape.gradient(tensor)!;
      const verdict = compare(
        { shape: found.shape, data: await found.read() },
        raw.backward!.outputs[gradient],
        NEARLY_EQUAL,
      );
      t.true(verdict.passed, `${gradient}: ${verdict.message}`);
    }
    tape.dispose();
    for (const tensor of [y, dy, ...Object.values(tensors)]) {
      tensor.grad?.dispose();
      tensor.dispose();
    }
    t.is(device.memory().liveTensors, before, "nothing is left");
  });
}
