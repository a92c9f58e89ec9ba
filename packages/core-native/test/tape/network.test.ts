// A small BERT made of the ops: its gradients through the tape against finite differences, its memory, and what freezing leaves out.
import test from "ava";
import {
  addLayerNorm,
  attention,
  crossEntropy,
  dropout,
  embeddings,
  gatherRows,
  linear,
  OpError,
  Tape,
  type Tensor,
} from "../../src/index.js";
import { referenceDevice } from "../support/devices.js";
import { randomFor } from "../support/random.js";

const device = referenceDevice();
const random = randomFor("tape network");
const [H, F, A, V, P, C] = [8, 12, 2, 11, 6, 3];
const LENGTHS = [4, 1, 6];
const N = 11;

const SHAPES: Record<string, number[]> = {
  word: [V, H],
  position: [P, H],
  type: [2, H],
  gamma: [H],
  beta: [H],
  qkvWeight: [3 * H, H],
  qkvBias: [3 * H],
  outWeight: [H, H],
  outBias: [H],
  upWeight: [F, H],
  upBias: [F],
  downWeight: [H, F],
  downBias: [H],
  poolWeight: [H, H],
  poolBias: [H],
  headWeight: [C, H],
  headBias: [C],
};

const size = (shape: number[]) => shape.reduce((product, dimension) => product * dimension, 1);
const VALUES = Object.fromEntries(
  Object.entries(SHAPES).map(([name, shape]) => [name, random.normal(size(shape), 0.4, name === "gamma" ? 1 : 0)]),
);
const IDS = random.integers(N, V);
const POSITIONS = Int32Array.from(LENGTHS.flatMap((length) => Array.from({ length }, (_, i) => i)));
const LABELS = random.integers(LENGTHS.length, C);

type Parameters = Record<string, Tensor>;

function makeParameters(
  values: Record<string, Float64Array>,
  trainable: (name: string) => boolean = () => true,
): Parameters {
  return Object.fromEntries(
    Object.entries(values).map(([name, data]) => {
      const parameter = device.tensor(data, SHAPES[name]);
      parameter.requiresGrad = trainable(name);
      if (parameter.requiresGrad) parameter.grad = device.zeros(SHAPES[name]);
      return [name, parameter];
    }),
  );
}

function disposeParameters(parameters: Parameters): void {
  for (const parameter of Object.values(parameters)) {
    parameter.grad?.dispose();
    parameter.dispose();
  }
}

/** Two layers that share their weights, with dropout everywhere: each weight is used twice, each hidden state by two ops. */
function lossOf(p: Parameters): Tensor {
  const index = (data: Int32Array) => device.tensor(data);
  const sequences = device.sequences(Int32Array.from([0, 4, 5, 11]));
  let x = embeddings(index(IDS), index(POSITIONS), index(new Int32Array(N)), p as never, { dropout: 0.1 });
  for (let layer = 0; layer < 2; layer++) {
    const qkv = linear(x, p.qkvWeight, p.qkvBias);
    const context = attention(qkv, sequences, { heads: A, dropout: 0.2 });
    const attended = linear(context, p.outWeight, p.outBias);
    const middle = addLayerNorm(attended, x, p.gamma, p.beta, { dropout: 0.1 });
    const up = linear(middle, p.upWeight, p.upBias, "gelu");
    const down = linear(up, p.downWeight, p.downBias);
    x = addLayerNorm(down, middle, p.gamma, p.beta, { dropout: 0.1, overwriteX: true });
  }
  const first = gatherRows(x, index(sequences.firstTokens()));
  const pooled = linear(first, p.poolWeight, p.poolBias, "tanh");
  const logits = linear(dropout(pooled, 0.1), p.headWeight, p.headBias);
  return crossEntropy(logits, index(LABELS)).loss;
}

async function lossAt(values: Record<string, Float64Array>): Promise<number> {
  const parameters = makeParameters(values, () => false);
  device.setDropoutState(5, 1);
  const loss = device.scope(() => lossOf(parameters));
  const value = await loss.item();
  loss.dispose();
  disposeParameters(parameters);
  return value;
}

/** One pass; returns the gradients of the trainable parameters. */
async function gradientsOf(trainable?: (name: string) => boolean): Promise<Record<string, ArrayLike<number>>> {
  const parameters = makeParameters(VALUES, trainable);
  device.setDropoutState(5, 1);
  device.scope(() => {
    const tape = new Tape();
    tape.backward(tape.record(() => lossOf(parameters)));
  });
  const gradients: Record<string, ArrayLike<number>> = {};
  for (const [name, { grad }] of Object.entries(parameters))
    if (grad !== undefined) gradients[name] = await grad.read();
  disposeParameters(parameters);
  return gradients;
}

test.serial("gradients of every parameter equal finite differences, dropout on", async (t) => {
  const gradients = await gradientsOf();
  const step = 1e-5;
  for (const [name, gradient] of Object.entries(gradients)) {
    const scale = Math.max(...Array.from(gradient, Math.abs));
    t.true(scale > 1e-4, `${name} has a gradient`);
    for (let sample = 0; sample < 4; sample++) {
      const element = random.integer(gradient.length);
      const at = (shift: number) => {
        const moved = Float64Array.from(VALUES[name]);
        moved[element] += shift;
        return lossAt({ ...VALUES, [name]: moved });
      };
      const expected = ((await at(step)) - (await at(-step))) / (2 * step);
      const message = `d${name}[${element}] is ${gradient[element]}, finite differences give ${expected}`;
      t.true(Math.abs(gradient[element] - expected) < 1e-6 * scale + 1e-10, message);
    }
  }
});

test.serial("two passes without zeroing add up to twice the gradient", async (t) => {
  const once = await gradientsOf();
  const parameters = makeParameters(VALUES);
  for (let pass = 0; pass < 2; pass++) {
    device.setDropoutState(5, 1);
    device.scope(() => {
      const tape = new Tape();
      tape.backward(tape.record(() => lossOf(parameters)));
    });
  }
  for (const [name, { grad }] of Object.entries(parameters)) {
    const twice = await grad!.read();
    for (let i = 0; i < twice.length; i++) t.true(Math.abs(twice[i] - 2 * once[name][i]) < 1e-12, name);
  }
  disposeParameters(parameters);
});

test.serial("freezing leaves the other gradients as they are and makes none of its own", async (t) => {
  const all = await gradientsOf();
  const trainable = (name: string) => name.startsWith("head") || name.startsWith("down");
  const some = await gradientsOf(trainable);
  t.deepEqual(Object.keys(some).sort(), Object.keys(all).filter(trainable).sort());
  for (const [name, gradient] of Object.entries(some))
    t.deepEqual([...(gradient as Float64Array)], [...(all[name] as Float64Array)], name);
});

test.serial("below the lowest trainable parameter nothing is kept for backward", async (t) => {
  const parameters = makeParameters(VALUES, (name) => name.startsWith("head"));
  const frozen = makeParameters(VALUES, () => false);
  const base = device.memory().liveTensors;
  const tape = new Tape();
  const loss = device.scope(() => tape.record(() => lossOf(parameters)));
  // The logits, the loss, what the head read, and the labels.
  t.true(device.memory().liveTensors - base <= 5, `${device.memory().liveTensors - base} tensors are kept`);
  tape.backward(loss);
  tape.dispose();
  loss.dispose();
  t.is(device.memory().liveTensors, base);

  const idle = new Tape();
  const untrained = device.scope(() => idle.record(() => lossOf(frozen)));
  t.is(device.memory().liveTensors, base + 1, "only the loss is left");
  const error = t.throws(() => idle.backward(untrained), { instanceOf: OpError });
  t.regex(error!.message, /no trainable tensor contributed/);
  untrained.dispose();
  disposeParameters(parameters);
  disposeParameters(frozen);
});

test.serial("a scope around a whole step leaves no tensor behind", async (t) => {
  const parameters = makeParameters(VALUES);
  const base = device.memory().liveTensors;
  for (let step = 0; step < 3; step++) {
    device.scope(() => {
      const tape = new Tape();
      tape.backward(tape.record(() => lossOf(parameters)));
    });
    t.is(device.memory().liveTensors, base, `after step ${step}`);
  }
  disposeParameters(parameters);
});

test.serial("a tape whose backward pass never ran frees everything with dispose()", async (t) => {
  const parameters = makeParameters(VALUES);
  const base = device.memory().liveTensors;
  const tape = new Tape();
  const loss = device.scope(() => tape.record(() => lossOf(parameters)));
  t.true(device.memory().liveTensors > base + 10);
  tape.dispose();
  loss.dispose();
  t.is(device.memory().liveTensors, base);
  disposeParameters(parameters);
});

test.serial("tapes do not nest, refuse promises, and a failed forward pass stops the recording", (t) => {
  const tape = new Tape();
  t.throws(() => tape.record(() => new Tape().record(() => 1)), {
    instanceOf: OpError,
    message: /another tape is recording/,
  });
  t.throws(() => tape.record(() => Promise.resolve(1)), { instanceOf: OpError, message: /returned a promise/ });
  t.throws(() => tape.record(() => tape.backward(device.zeros([1]))), {
    instanceOf: OpError,
    message: /still recording/,
  });
  t.is(
    tape.record(() => 7),
    7,
  );
});
